"""Give out a playback URL, for what may be played and for nothing else."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose, http
from moderation.models.media import MediaId
from moderation.services.playback import PlaybackUrl

app = http.api()


@app.get("/v1/media/<media_id>/playback", summary="Get a playback URL")
def url(media_id: MediaId) -> PlaybackUrl:
    return compose.playback().url(media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.serve(app, event, context)
