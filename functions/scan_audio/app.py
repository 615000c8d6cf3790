"""Listen to the sound of one segment with every detector that the template needs."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    compose.listening().segment(event["job_id"], event["index"])
    return {"index": event["index"]}
