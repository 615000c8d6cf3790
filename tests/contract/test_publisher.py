"""The port `Publisher`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from moderation.aws import publisher as aws_publisher
from moderation.aws.publisher import S3Publisher
from moderation.aws.uploads import S3Uploads
from moderation.memory.publisher import MemoryPublisher
from moderation.memory.uploads import LocalUploads
from moderation.models.media import ObjectIdentity
from moderation.ports import NotFound, Publisher

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE = "media/m/source"
COPY = "m/dmVyc2lvbg/3"


@dataclass
class Side:
    publisher: Publisher
    upload: Callable[[bytes], ObjectIdentity]
    shown: Callable[[], tuple[bytes, str] | None]
    """Bytes and content type at COPY."""


@pytest.fixture(params=["memory", "aws"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Side:
    if request.param == "memory":
        uploads = LocalUploads(tmp_path)
        publisher = MemoryPublisher(uploads)

        def copied() -> tuple[bytes, str] | None:
            found = publisher.stored.get(COPY)
            return found and (uploads.get(found[0]), found[1])

        return Side(publisher, lambda body: uploads.receive(SOURCE, body), copied)
    client = cast("S3Client", request.getfixturevalue("s3"))
    new_bucket = cast("Callable[[], str]", request.getfixturevalue("new_bucket"))
    origin, target = new_bucket(), new_bucket()

    def upload(body: bytes) -> ObjectIdentity:
        version = client.put_object(Bucket=origin, Key=SOURCE, Body=body, ContentType="text/html")["VersionId"]
        return S3Uploads(client, origin).identify(SOURCE, version)

    def stored() -> tuple[bytes, str] | None:
        versions = client.list_object_versions(Bucket=target, Prefix=COPY)
        if not versions.get("Versions"):
            return None
        answer = client.get_object(Bucket=target, Key=COPY)
        return answer["Body"].read(), answer["ContentType"]

    return Side(S3Publisher(client, target), upload, stored)


def test_exactly_the_given_version_is_published_as_what_it_is(side: Side) -> None:
    # GIVEN a version, and a later one that must never play
    moderated = side.upload(b"moderated")
    side.upload(b"swapped")
    # WHEN the first is published, twice
    side.publisher.copy(moderated, COPY, "video/mp4")
    side.publisher.copy(moderated, COPY, "video/mp4")
    # THEN it is these bytes, with the type of the probe and not that of the uploader
    assert side.shown() == (b"moderated", "video/mp4")


def test_what_is_gone_cannot_be_published(side: Side) -> None:
    moderated = side.upload(b"moderated")
    gone = moderated.model_copy(update={"version_id": "no-such-version"})
    with pytest.raises(NotFound):
        side.publisher.copy(gone, COPY, "video/mp4")
    assert side.shown() is None


def test_delete_leaves_no_version(side: Side) -> None:
    moderated = side.upload(b"moderated")
    side.publisher.copy(moderated, COPY, "video/mp4")
    side.publisher.copy(moderated, COPY, "video/mp4")
    side.publisher.delete(COPY)
    side.publisher.delete(COPY)
    assert side.shown() is None


def test_large_objects_are_copied_in_parts(
    s3: "S3Client", new_bucket: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an object above the threshold, and a later version of another length
    monkeypatch.setattr(aws_publisher, "PART", 5 * 1024**2)
    origin, target = new_bucket(), new_bucket()
    body = bytes(range(256)) * 4096 * 11
    version = s3.put_object(Bucket=origin, Key=SOURCE, Body=body)["VersionId"]
    s3.put_object(Bucket=origin, Key=SOURCE, Body=b"swapped")
    # WHEN it is published
    S3Publisher(s3, target).copy(S3Uploads(s3, origin).identify(SOURCE, version), COPY, "video/webm")
    # THEN it came in parts, whole, and with its type
    head = s3.head_object(Bucket=target, Key=COPY)
    assert head["ETag"].endswith('-3"')
    assert head["ContentType"] == "video/webm"
    assert s3.get_object(Bucket=target, Key=COPY)["Body"].read() == body


def test_all_copies_of_a_media_are_known(side: Side) -> None:
    # GIVEN copies of two media
    moderated = side.upload(b"moderated")
    others = ["m/dmVyc2lvbg/4", "m2/dmVyc2lvbg/1"]
    for key in (COPY, COPY, *others):
        side.publisher.copy(moderated, key, "video/mp4")
    # THEN each media has its own, once
    assert sorted(side.publisher.copies("m")) == [COPY, others[0]]
    # AND what is deleted is none
    side.publisher.delete(COPY)
    assert side.publisher.copies("m") == [others[0]]
