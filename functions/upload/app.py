"""Sign uploads, complete and abort multipart uploads."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose, http
from moderation.models.media import Media, MediaId
from moderation.services.upload import CompleteUpload, SignedUpload, SignUpload

app = http.api()


@app.post("/v1/uploads", summary="Sign an upload", status_code=201)
def sign(request: SignUpload) -> SignedUpload:
    return compose.upload_signing().sign(request)


@app.post("/v1/uploads/<media_id>/complete", summary="Complete a multipart upload")
def complete(media_id: MediaId, request: CompleteUpload) -> Media:
    return compose.upload_signing().complete(media_id, request)


@app.post("/v1/uploads/<media_id>/abort", summary="Give an upload up")
def abort(media_id: MediaId) -> Media:
    return compose.upload_signing().abort(media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.serve(app, event, context)
