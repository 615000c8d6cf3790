"""First step: look at what the file really is, refuse it, cut it into segments or let it wait for its day."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import seconds_left, step

metrics = Metrics()


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    planned = compose.planning().run(event["job_id"], seconds_left(context))
    if planned.waits_until:
        metrics.add_metric("JobsDeferred", MetricUnit.Count, 1)
        metrics.flush_metrics()  # only here: the decorator warns of every call that has nothing to tell
    return planned.model_dump(mode="json")
