"""Decode one segment into frames and sound."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.steps import seconds_left, step


@step
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    sound = compose.extraction().run(event["job_id"], event["index"], seconds_left(context))
    return {"index": event["index"], "sound": sound}
