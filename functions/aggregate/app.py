"""Last step: from everything seen, and everything that could not be seen, to the verdict."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    verdict = compose.aggregation().run(event["job_id"])
    return {"suggestion": verdict.suggestion}
