"""The port `Uploads`, with an uploader at the other end."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pytest

from moderation.aws.uploads import S3Uploads
from moderation.memory.uploads import LocalUploads
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import ObjectIdentity
from moderation.ports import NotFound, UploadedPart, Uploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "media/0123456789abcdef0123456789abcdef/source"
PART = 5 * 1024**2


class Uploader(Protocol):
    """Brings objects and parts as somebody with a signature would."""

    def bring(self, key: str, body: bytes) -> str: ...

    def bring_part(self, key: str, upload_id: str, number: int, body: bytes) -> UploadedPart: ...


@dataclass
class MemoryUploader:
    uploads: LocalUploads

    def bring(self, key: str, body: bytes) -> str:
        return self.uploads.receive(key, body).version_id

    def bring_part(self, key: str, upload_id: str, number: int, body: bytes) -> UploadedPart:
        return self.uploads.receive_part(upload_id, number, body)


@dataclass
class S3Uploader:
    client: "S3Client"
    bucket: str

    def bring(self, key: str, body: bytes) -> str:
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")["VersionId"]

    def bring_part(self, key: str, upload_id: str, number: int, body: bytes) -> UploadedPart:
        answer = self.client.upload_part(Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body)
        return UploadedPart(number, answer["ETag"])


@dataclass
class Side:
    uploads: Uploads
    uploader: Uploader


@pytest.fixture(params=["memory", "aws"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Side:
    if request.param == "memory":
        local = LocalUploads(tmp_path)
        return Side(local, MemoryUploader(local))
    client = cast("S3Client", request.getfixturevalue("s3"))
    bucket = cast("Callable[[], str]", request.getfixturevalue("new_bucket"))()
    return Side(S3Uploads(client, bucket), S3Uploader(client, bucket))


def test_each_version_has_its_own_identity(side: Side) -> None:
    # GIVEN two versions under one key
    first = side.uploader.bring(KEY, b"first")
    second = side.uploader.bring(KEY, b"the second")
    # WHEN they are identified
    identities = [side.uploads.identify(KEY, version) for version in (first, second)]
    # THEN sizes, checksums and bytes are theirs
    assert [identity.size for identity in identities] == [5, 10]
    assert [side.uploads.get(identity) for identity in identities] == [b"first", b"the second"]
    digest = base64.b64encode(hashlib.sha256(b"first").digest()).decode()
    assert identities[0].checksum == f"sha256:{digest}"
    assert identities[0].etag == hashlib.md5(b"first", usedforsecurity=False).hexdigest()


@pytest.mark.usefixtures("short_pages")
def test_the_first_version_is_the_oldest_of_this_very_key(side: Side) -> None:
    # GIVEN neighbours before and after, and more versions than one listing shows
    side.uploader.bring(f"{KEY}-2", b"x")
    first = side.uploader.bring(KEY, b"first")
    for _ in range(8):
        side.uploader.bring(KEY, b"later")
    side.uploader.bring(f"{KEY}/x", b"x")
    # THEN the first one stays the first
    assert side.uploads.first_version(KEY) == first


def test_what_never_came_is_not_found(side: Side) -> None:
    side.uploader.bring(f"{KEY}-2", b"x")
    with pytest.raises(NotFound):
        side.uploads.first_version(KEY)
    with pytest.raises(NotFound):
        side.uploads.identify(f"{KEY}-2", "no-such-version")
    with pytest.raises(NotFound):
        side.uploads.get(ObjectIdentity(bucket=_bucket(side), key=KEY, version_id="v", size=1))


@pytest.mark.usefixtures("short_pages")
def test_delete_takes_all_versions_of_this_key_only(side: Side) -> None:
    first = side.uploader.bring(KEY, b"1")
    for _ in range(8):
        side.uploader.bring(KEY, b"later")
    kept = side.uploader.bring(f"{KEY}-2", b"kept")
    side.uploads.delete(KEY)
    side.uploads.delete(KEY)
    with pytest.raises(NotFound):
        side.uploads.first_version(KEY)
    with pytest.raises(NotFound):
        side.uploads.identify(KEY, first)
    assert side.uploads.first_version(f"{KEY}-2") == kept


def test_parts_become_one_object(side: Side) -> None:
    # GIVEN two parts, reported in any order and one of them sent twice
    upload_id = side.uploads.start_multipart(KEY, "video/mp4")
    signed = side.uploads.sign_parts(KEY, upload_id, [PART, 7], timedelta(hours=1))
    assert [(part.number, part.size, part.headers["Content-Length"]) for part in signed] == [
        (1, PART, str(PART)),
        (2, 7, "7"),
    ]
    side.uploader.bring_part(KEY, upload_id, 1, b"z" * PART)
    parts = [
        side.uploader.bring_part(KEY, upload_id, 2, b"the end"),
        side.uploader.bring_part(KEY, upload_id, 1, b"a" * PART),
    ]
    # WHEN they are completed
    side.uploads.complete_multipart(KEY, upload_id, parts, PART + 7)
    # THEN there is one version of them all
    identity = side.uploads.identify(KEY, side.uploads.first_version(KEY))
    assert identity.size == PART + 7
    assert side.uploads.get(identity) == b"a" * PART + b"the end"
    # AND the upload is over
    with pytest.raises(NotFound):
        side.uploads.complete_multipart(KEY, upload_id, parts, PART + 7)


@pytest.mark.parametrize("signed_for", [PART + 6, PART + 8])
def test_parts_of_another_size_are_refused(side: Side, signed_for: int) -> None:
    upload_id = side.uploads.start_multipart(KEY, "video/mp4")
    parts = [
        side.uploader.bring_part(KEY, upload_id, 1, b"a" * PART),
        side.uploader.bring_part(KEY, upload_id, 2, b"the end"),
    ]
    with pytest.raises(ModerationError) as refusal:
        side.uploads.complete_multipart(KEY, upload_id, parts, signed_for)
    assert refusal.value.code is ErrorCode.SIZE_MISMATCH
    with pytest.raises(NotFound):
        side.uploads.first_version(KEY)


@pytest.mark.parametrize("claim", [UploadedPart(2, "x"), UploadedPart(1, "0" * 32)], ids=["number", "etag"])
def test_parts_that_were_not_sent_are_refused(side: Side, claim: UploadedPart) -> None:
    upload_id = side.uploads.start_multipart(KEY, "video/mp4")
    side.uploader.bring_part(KEY, upload_id, 1, b"part")
    with pytest.raises(ModerationError) as refusal:
        side.uploads.complete_multipart(KEY, upload_id, [claim], 4)
    assert refusal.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.usefixtures("short_pages")
def test_more_parts_than_one_listing_shows_are_all_counted(side: Side) -> None:
    # GIVEN eleven parts; the total is wrong, so that nothing need be joined
    upload_id = side.uploads.start_multipart(KEY, "video/mp4")
    parts = [side.uploader.bring_part(KEY, upload_id, number, b"x") for number in range(1, 12)]
    with pytest.raises(ModerationError, match="add up to 11 bytes"):
        side.uploads.complete_multipart(KEY, upload_id, parts, 10)


def test_abort_is_idempotent(side: Side) -> None:
    upload_id = side.uploads.start_multipart(KEY, "video/mp4")
    part = side.uploader.bring_part(KEY, upload_id, 1, b"x")
    side.uploads.abort_multipart(KEY, upload_id)
    side.uploads.abort_multipart(KEY, upload_id)
    with pytest.raises(NotFound):
        side.uploads.complete_multipart(KEY, upload_id, [part], 1)


def test_the_source_is_this_very_version(side: Side) -> None:
    first = side.uploader.bring(KEY, b"first")
    side.uploader.bring(KEY, b"second")
    source = side.uploads.source(side.uploads.identify(KEY, first), timedelta(minutes=5))
    if isinstance(source, Path):
        assert source.read_bytes() == b"first"
    else:
        assert f"versionId={first}" in source
        assert source.startswith("https://")


def test_a_local_file_is_used_in_place(tmp_path: Path) -> None:
    # GIVEN a file of the user
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"clip")
    folder = tmp_path / "folder"
    folder.mkdir()
    uploads = LocalUploads(folder)
    # WHEN it is received, read and deleted
    identity = uploads.receive_file(KEY, clip)
    assert uploads.source(identity, timedelta(minutes=1)) == clip
    uploads.delete(KEY)
    # THEN it was not copied and is still there
    assert list(folder.iterdir()) == []
    assert clip.exists()


def _bucket(side: Side) -> str:
    return side.uploader.bucket if isinstance(side.uploader, S3Uploader) else "uploads"
