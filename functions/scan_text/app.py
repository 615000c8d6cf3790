"""Judge all texts of a media at once: its title, what its pictures show in writing, what is said in it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    compose.text_judging().run(event["job_id"])
    return {}
