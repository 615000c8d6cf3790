"""Look at media and jobs, moderate again, delete."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose, http
from moderation.models.job import Job, JobId
from moderation.models.media import Media, MediaId
from moderation.services.media import MediaView, ModerateAgain

app = http.api()


@app.get("/v1/media/<media_id>", summary="Look at a media and its latest job")
def view(media_id: MediaId) -> MediaView:
    return compose.library().view(media_id)


@app.delete("/v1/media/<media_id>", summary="Delete a media", status_code=202)
def delete(media_id: MediaId) -> Media:
    return compose.library().delete(media_id)


@app.post("/v1/media/<media_id>/jobs", summary="Moderate again", status_code=202)
def moderate_again(media_id: MediaId, request: ModerateAgain) -> Job:
    return compose.library().moderate_again(media_id, request)


@app.get("/v1/jobs/<job_id>", summary="Look at a job")
def job(job_id: JobId) -> Job:
    return compose.library().job(job_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.serve(app, event, context)
