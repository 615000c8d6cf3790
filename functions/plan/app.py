"""First step: look at what the file really is, refuse it or cut it into segments."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import seconds_left, step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    planned = compose.planning().run(event["job_id"], seconds_left(context))
    return planned.model_dump(mode="json")
