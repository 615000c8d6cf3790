"""A person's decision on a media, and the history of decisions."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose, http
from moderation.models.media import MediaId
from moderation.models.review import Review
from moderation.services.review import Decide

app = http.api()


@app.post("/v1/reviews")
def decide(request: Decide) -> Response[Review]:
    return Response(201, "application/json", compose.reviewing().decide(request, http.caller(app)))


@app.get("/v1/media/<media_id>/reviews")
def history(media_id: MediaId) -> list[Review]:
    return compose.reviewing().history(media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.serve(app, event, context)
