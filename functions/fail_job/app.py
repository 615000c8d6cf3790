"""End a job that cannot go on: record code and reason, and let nothing unchecked play.

Called by the state machine's last resort and, for runs that Step Functions itself ended (time-out, abort), by
an EventBridge rule.
"""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    detail = event.get("detail")
    if detail is not None:
        job_id = json.loads(detail["input"])["job_id"]
        compose.failure().run(job_id, f"execution_{detail['status'].lower()}", detail.get("cause") or detail["status"])
        return {"job_id": job_id}
    failed = compose.failure().run(event["job_id"], event["error"], event.get("cause", ""))
    return {"job_id": event["job_id"], "deleted": not failed}
