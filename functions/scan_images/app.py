"""Look at one cover with every detector that the template needs. Its own function, for its own memory limit."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    compose.cover_scanning().cover(event["job_id"], event["index"])
    return {"index": event["index"]}
