"""Choose the short windows of a job that are worth a second look."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return compose.refining().run(event["job_id"]).model_dump(mode="json")
