"""Find jobs that should have ended, mend what was lost, and say how old the oldest is. Called by a schedule."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.logs import logger
from moderation.entrypoints.steps import step
from moderation.services.watch import Found

metrics = Metrics()


@step
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    logger.append_keys(round=event["time"])
    watched = compose.watching().round()
    for one in watched:
        if one.found is not Found.RUNNING:
            logger.warning("open job", job_id=one.job_id, found=one.found, age=str(one.age), reason=one.reason)
    counts = {found: sum(one.found is found for one in watched) for found in Found}
    oldest = max((one.age for one in watched), default=timedelta())
    metrics.add_metric("OldestJobAge", MetricUnit.Seconds, oldest.total_seconds())
    metrics.add_metric("JobsStarted", MetricUnit.Count, counts[Found.STARTED])
    metrics.add_metric("JobsClosed", MetricUnit.Count, counts[Found.CLOSED])
    metrics.add_metric("JobsStuck", MetricUnit.Count, counts[Found.STUCK])
    return {found.value: count for found, count in counts.items()}
