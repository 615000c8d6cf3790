"""Bringing a file: what a signature lets in, and what it keeps out."""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.aws.uploads import S3Uploads
from moderation.models.media import SINGLE_POST_LIMIT, MediaStatus
from moderation.services.upload import PartDone, PartsForm, PostForm, SignUpload
from tests import clips
from tests.stored import executions, object_keys

MIB = 1024**2


@pytest.fixture
def form(api: Api) -> tuple[str, PostForm]:
    """A media and the form for its file, which has 1000 bytes."""
    signed = api.sign(SignUpload(file_name="a.mp4", content_type="video/mp4", size=1000))
    assert isinstance(signed.upload, PostForm)
    return signed.media_id, signed.upload


def _file(folder: Path, size: int) -> Path:
    file = folder / f"{size}.mp4"
    file.write_bytes(b"x" * size)
    return file


Change = Callable[[dict[str, str]], dict[str, str]]


@pytest.mark.parametrize(
    ("size", "change", "refusal"),
    [
        (999, lambda fields: fields, (400, "EntityTooSmall")),
        (1001, lambda fields: fields, (400, "EntityTooLarge")),
        (1000, lambda fields: fields | {"Content-Type": "text/html"}, (403, "AccessDenied")),
        (1000, lambda fields: fields | {"key": fields["key"] + "2"}, (403, "AccessDenied")),
        (1000, lambda fields: fields | {"key": "media/" + "0" * 32 + "/source"}, (403, "AccessDenied")),
        (1000, lambda fields: fields | {"acl": "public-read"}, (403, "AccessDenied")),
        (1000, lambda fields: fields | {"x-amz-server-side-encryption": "aws:kms"}, (403, "AccessDenied")),
        (1000, lambda fields: fields | {"x-amz-signature": "0" * 64}, (403, "SignatureDoesNotMatch")),
    ],
    ids=["smaller", "larger", "type", "key", "another media", "more fields", "encryption", "signature"],
)
def test_a_form_takes_what_was_signed_and_nothing_else(
    api: Api,
    stack: Stack,
    form: tuple[str, PostForm],
    tmp_path: Path,
    size: int,
    change: Change,
    refusal: tuple[int, str],
) -> None:
    media_id, post = form

    with pytest.raises(ApiError) as refused:
        api.post(post.url, change(post.fields), _file(tmp_path, size))

    assert (refused.value.status, refused.value.code) == refusal
    assert object_keys(stack, "Uploads", f"media/{media_id}") == []
    assert api.media(media_id).media.status is MediaStatus.UPLOADING


@pytest.mark.parametrize("spoil", ["x-amz-checksum-sha256", "x-amz-checksum-algorithm"])
def test_a_hash_in_a_form_can_neither_be_changed_nor_left_out(api: Api, tmp_path: Path, spoil: str) -> None:
    # GIVEN a form that was signed for the hash of a file; S3 compares it, which the local AWS does not
    signed = api.sign(SignUpload(file_name="a.mp4", content_type="video/mp4", size=1000, sha256="A" * 43 + "="))
    assert isinstance(signed.upload, PostForm)
    fields = signed.upload.fields

    for spoilt in (fields | {spoil: "other"}, {name: value for name, value in fields.items() if name != spoil}):
        # WHEN it is posted with another one, or without
        with pytest.raises(ApiError) as refused:
            api.post(signed.upload.url, spoilt, _file(tmp_path, 1000))

        # THEN the bucket does not take it
        assert (refused.value.status, refused.value.code) == (403, "AccessDenied")


def test_a_signature_ends(stack: Stack, signing_s3: Any, api: Api, tmp_path: Path) -> None:
    # GIVEN a form of the same signer, for three seconds
    uploads = S3Uploads(signing_s3, stack.outputs["UploadsBucketName"])
    form = uploads.sign_post("elsewhere/late", "video/mp4", 1000, timedelta(seconds=3))
    api.post(form.url, form.fields, _file(tmp_path, 1000))

    # WHEN it is posted later
    time.sleep(3)
    with pytest.raises(ApiError) as refused:
        api.post(form.url, form.fields, _file(tmp_path, 1000))

    # THEN it has ended
    assert refused.value.status == 403


def test_a_request_that_breaks_a_limit_is_told_which(stack: Stack) -> None:
    bearer = {"Authorization": f"Bearer {stack.token(['upload'])}"}
    fair = {"file_name": "a.mp4", "content_type": "video/mp4", "size": 1000}
    cover = {"content_type": "image/png", "size": 1000}
    for field, value in {
        "size": 10 * 1024**3 + 1,
        "content_type": "image/png",
        "title": "é" * 65,
        "covers": [cover] * 6,
        "session_context": "x" * 1001,
        "source_context": "x" * 251,
        "surprise": 1,
    }.items():
        answer = httpx.post(f"{stack.api_url}/v1/uploads", json=fair | {field: value}, headers=bearer)

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request"), field
        assert field in answer.json()["error"]["message"]


def test_a_large_file_in_parts_is_moderated_and_plays_whole(api: Api, stack: Stack) -> None:
    # GIVEN a clip of 101 MiB
    clip = clips.padded(clips.clean(), 101 * MIB)

    # WHEN it is uploaded
    media_id = api.upload(clip, procedure="standard_pre")
    view = api.wait(media_id, timeout=120, until=lambda view: view.playable)

    # THEN all of it plays
    assert view.media.identity is not None
    assert view.media.identity.size == 101 * MIB
    played = hashlib.sha256()
    with httpx.stream("GET", api.playback(media_id).url) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_bytes():
            played.update(chunk)
    with clip.open("rb") as file:
        assert played.digest() == hashlib.file_digest(file, "sha256").digest()


@pytest.fixture
def parts(api: Api) -> tuple[str, PartsForm]:
    """A media and the signed parts of its file, one byte larger than a form takes."""
    signed = api.sign(SignUpload(file_name="a.mp4", content_type="video/mp4", size=SINGLE_POST_LIMIT + 1))
    assert isinstance(signed.upload, PartsForm)
    assert [part.size for part in signed.upload.parts] == [16 * MIB] * 6 + [4 * MIB + 1]
    return signed.media_id, signed.upload


def test_a_part_has_the_length_that_was_signed(parts: tuple[str, PartsForm]) -> None:
    last = parts[1].parts[-1]

    for length in (last.size - 1, last.size + 1):
        assert httpx.put(last.url, content=b"x" * length).status_code == 403, length


def test_parts_that_add_up_to_another_size_do_not_become_a_file(
    api: Api, stack: Stack, parts: tuple[str, PartsForm]
) -> None:
    # GIVEN all parts of an upload, sent by somebody who got around the length in their signatures
    media_id, form = parts
    place = {
        "Bucket": stack.outputs["UploadsBucketName"],
        "Key": f"media/{media_id}/source",
        "UploadId": api.media(media_id).media.upload_id,
    }
    s3 = stack.client("s3")
    sent = [
        PartDone(number=p.number, etag=s3.upload_part(**place, PartNumber=p.number, Body=b"x" * 100)["ETag"])
        for p in form.parts
    ]

    # WHEN they are to be joined
    with pytest.raises(ApiError) as refused:
        api.complete(media_id, sent)

    # THEN they are not
    assert (refused.value.status, refused.value.code) == (400, "size_mismatch")
    assert object_keys(stack, "Uploads", f"media/{media_id}") == []
    assert api.abort(media_id).status is MediaStatus.DELETED


def test_an_upload_that_was_given_up_stays_given_up(api: Api, stack: Stack, parts: tuple[str, PartsForm]) -> None:
    # GIVEN an upload of which one part was sent
    media_id, form = parts
    last = form.parts[-1]
    sent = httpx.put(last.url, content=b"x" * last.size, headers=last.headers)
    assert sent.status_code == 200
    upload_id = api.media(media_id).media.upload_id

    # WHEN it is given up
    assert api.abort(media_id).status is MediaStatus.DELETED

    # THEN the part is gone, no other is taken, and nothing can be completed
    s3, bucket = stack.client("s3"), stack.outputs["UploadsBucketName"]
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key=f"media/{media_id}/source", UploadId=upload_id)
    assert httpx.put(last.url, content=b"x" * last.size, headers=last.headers).status_code == 404
    assert api.complete(media_id, [PartDone(number=last.number, etag=sent.headers["ETag"])]).status == "deleted"
    assert api.abort(media_id).status is MediaStatus.DELETED
    assert executions(stack, media_id) == []
