"""The client of the API against the deployed API: progress, waiting, tokens, and errors as errors."""

import httpx
import pytest

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.models.job import JobState
from moderation.models.media import MediaStatus
from moderation.services.upload import SignUpload
from tests import clips


def test_an_upload_tells_its_progress_and_ends_with_a_judgement(api: Api) -> None:
    sent: list[int] = []

    media_id = api.upload(clips.text(), title="a title", progress=sent.append)
    view = api.wait(media_id, timeout=60)

    assert sum(sent) == clips.text().stat().st_size
    assert view.media.title == "a title"
    assert view.media.status is MediaStatus.REFUSED
    assert view.job is not None
    assert view.job.state is JobState.FINISH
    assert view.job.error is not None
    assert view.job.error.code == "not_a_video"


def test_an_unknown_media_is_an_error_with_its_code(api: Api) -> None:
    with pytest.raises(ApiError) as missing:
        api.media("0" * 32)

    assert (missing.value.status, missing.value.code) == (404, "media_not_found")
    assert missing.value.details["request_id"]


def test_a_token_that_is_no_longer_accepted_is_replaced(stack: Stack) -> None:
    # GIVEN a caller that starts with a token that is not accepted
    tokens = iter(["stale", stack.token()])
    with Api(stack.api_url, lambda: next(tokens)) as late:
        with pytest.raises(ApiError) as first:
            late.media("0" * 32)

        # WHEN it calls again
        with pytest.raises(ApiError) as second:
            late.media("0" * 32)

    # THEN a fresh token opened the door
    assert (first.value.status, second.value.status) == (401, 404)


def test_a_missing_scope_is_an_error_with_its_code(stack: Stack) -> None:
    with Api(stack.api_url, lambda: stack.token(["read"])) as reader, pytest.raises(ApiError) as forbidden:
        reader.delete("0" * 32)

    assert (forbidden.value.status, forbidden.value.code) == (403, "forbidden_scope")


def test_waiting_has_an_end(api: Api) -> None:
    media_id = api.sign(SignUpload(file_name="a.mp4", content_type="video/mp4", size=1)).media_id

    with pytest.raises(TimeoutError, match="still uploading after 1 s"):
        api.wait(media_id, timeout=1)


def test_nobody_answers_is_an_http_error() -> None:
    with Api("http://127.0.0.1:9", lambda: "token") as nobody, pytest.raises(httpx.ConnectError):
        nobody.media("0" * 32)
