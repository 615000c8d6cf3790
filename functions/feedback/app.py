"""What people say of a verdict, kept to be learnt from."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose, http
from moderation.models.media import MediaId
from moderation.models.review import Feedback
from moderation.services.feedback import GiveFeedback

app = http.api()


@app.post("/v1/feedback", summary="Give feedback on a verdict", status_code=201)
def give(request: GiveFeedback) -> Feedback:
    return compose.feedback_book().give(request, http.caller(app))


@app.get("/v1/feedback", summary="List the feedback on a media")
def listed(media_id: MediaId) -> list[Feedback]:
    return compose.feedback_book().list(media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.serve(app, event, context)
