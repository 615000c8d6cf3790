"""The client of the API against the deployed API: both ways of uploading, and errors as errors."""

from pathlib import Path

import httpx
import pytest

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.models.job import JobState
from moderation.models.media import SINGLE_POST_LIMIT, MediaStatus
from moderation.services.upload import PartDone, PartsForm, PostForm, SignUpload

NOT_A_VIDEO = b"this is no video, whatever its name says\n" * 100


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.mp4"
    file.write_bytes(NOT_A_VIDEO)
    return file


def test_a_small_file_goes_as_one_form_and_is_judged(api: Api, text: Path) -> None:
    sent: list[int] = []

    media_id = api.upload(text, title="a title", progress=sent.append)
    view = api.wait(media_id, timeout=60)

    assert sum(sent) == len(NOT_A_VIDEO)
    assert view.media.title == "a title"
    assert view.media.status is MediaStatus.REFUSED
    assert view.job is not None
    assert view.job.state is JobState.FINISH
    assert view.job.error is not None
    assert view.job.error.code == "not_a_video"


def test_a_large_file_goes_in_parts_and_arrives_whole(api: Api, stack: Stack, tmp_path: Path) -> None:
    # GIVEN a file above the limit of a single form, whose last part is not full
    file = tmp_path / "large.mp4"
    with file.open("wb") as large:
        large.truncate(SINGLE_POST_LIMIT + 1)
        large.write(b"begin")
    sent: list[int] = []

    # WHEN it is uploaded
    media_id = api.upload(file, progress=sent.append)
    view = api.wait(media_id, timeout=60)

    # THEN all of it lies under its key, as one object
    assert sum(sent) == SINGLE_POST_LIMIT + 1
    assert view.media.identity is not None
    assert view.media.identity.size == SINGLE_POST_LIMIT + 1
    stored = stack.client("s3").get_object(
        Bucket=stack.outputs["UploadsBucketName"], Key=view.media.identity.key, Range="bytes=0-9"
    )
    assert stored["Body"].read() == b"begin\0\0\0\0\0"


def test_a_form_takes_no_other_size_and_says_so(api: Api, text: Path, tmp_path: Path) -> None:
    form = api.sign(SignUpload(file_name="a.mp4", content_type="video/mp4", size=100)).upload
    assert isinstance(form, PostForm)

    with pytest.raises(ApiError) as refused:
        api.post(form.url, form.fields, text)

    assert (refused.value.status, refused.value.code) == (400, "EntityTooLarge")


def test_parts_that_were_not_sent_cannot_be_completed(api: Api) -> None:
    signed = api.sign(SignUpload(file_name="a.mp4", content_type="video/mp4", size=SINGLE_POST_LIMIT + 1))
    assert isinstance(signed.upload, PartsForm)

    with pytest.raises(ApiError) as refused:
        api.complete(signed.media_id, [PartDone(number=1, etag="never-sent")])

    assert (refused.value.status, refused.value.code) == (400, "invalid_request")
    assert api.abort(signed.media_id).status is MediaStatus.DELETED


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


def test_nobody_answers_is_an_http_error() -> None:
    with Api("http://127.0.0.1:9", lambda: "token") as nobody, pytest.raises(httpx.ConnectError):
        nobody.media("0" * 32)
