"""What waits for a person, a person's decision on a media, and the history of decisions."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose, http
from moderation.models.media import Media, MediaId
from moderation.models.review import Review
from moderation.services.review import Decide

app = http.api()


@app.post("/v1/reviews", summary="Decide on a media", status_code=201)
def decide(request: Decide) -> Review:
    return compose.reviewing().decide(request, http.caller(app))


@app.get("/v1/reviews", summary="List what waits for a person")
def queue(limit: Annotated[int, Query(ge=1, le=50)] = 20) -> list[Media]:
    return compose.reviewing().queue(limit)


@app.get("/v1/media/<media_id>/reviews", summary="List the decisions on a media")
def history(media_id: MediaId) -> list[Review]:
    return compose.reviewing().history(media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.serve(app, event, context)
