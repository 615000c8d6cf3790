"""What exactly is signed."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from moderation.aws.uploads import S3Uploads
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import ObjectIdentity
from moderation.ports import UploadedPart
from tests.unit.aws.conftest import MakeStub

KEY = "media/0123456789abcdef0123456789abcdef/source"
SHA256 = "4tD+FYWmPsYAnIAW/43aEXample0BaTiPA/4EzkUgkk="


def policy_of(fields: dict[str, str]) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(base64.b64decode(fields["policy"]))
    return policy


def test_the_form_allows_this_key_type_and_size_and_nothing_else(stub: MakeStub) -> None:
    # WHEN a form is signed
    client, _ = stub("s3")
    before = datetime.now(UTC)
    post = S3Uploads(client, "uploads").sign_post(KEY, "video/mp4", 12_345, timedelta(minutes=30))
    # THEN its fields are exactly these
    signature = {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "policy"}
    assert {name: value for name, value in post.fields.items() if name not in signature} == {
        "key": KEY,
        "Content-Type": "video/mp4",
        "x-amz-server-side-encryption": "AES256",
    }
    assert signature <= set(post.fields)
    # AND the policy has a condition for each of them, the bucket and the exact size, and no looser one
    policy = policy_of(post.fields)
    conditions = policy["conditions"]
    expected: list[Any] = [
        {"Content-Type": "video/mp4"},
        {"x-amz-server-side-encryption": "AES256"},
        ["content-length-range", 12_345, 12_345],
        {"bucket": "uploads"},
        {"key": KEY},
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
        {"x-amz-credential": post.fields["x-amz-credential"]},
        {"x-amz-date": post.fields["x-amz-date"]},
    ]
    assert sorted(map(str, conditions)) == sorted(map(str, expected))
    # AND it ends in time, in the bucket's own region
    expiration = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00"))
    assert timedelta(minutes=29, seconds=58) <= expiration - before <= timedelta(minutes=30, seconds=2)
    assert post.url == "https://uploads.s3.eu-west-1.amazonaws.com/"


def test_a_checksum_binds_the_form_to_these_very_bytes(stub: MakeStub) -> None:
    client, _ = stub("s3")
    post = S3Uploads(client, "uploads").sign_post(KEY, "image/png", 10, timedelta(minutes=1), SHA256)
    for field in ({"x-amz-checksum-algorithm": "SHA256"}, {"x-amz-checksum-sha256": SHA256}):
        assert field.items() <= post.fields.items()
        assert field in policy_of(post.fields)["conditions"]


def test_a_part_is_signed_with_its_length(stub: MakeStub) -> None:
    # WHEN the parts of an upload are signed
    client, _ = stub("s3")
    parts = S3Uploads(client, "uploads").sign_parts(KEY, "upload-1", [5_242_880, 17], timedelta(minutes=10))
    # THEN each URL is for its number and covers the length header with its signature
    for part, number, size in zip(parts, (1, 2), (5_242_880, 17), strict=True):
        query = parse_qs(urlsplit(part.url).query)
        assert query["partNumber"] == [str(number)]
        assert query["uploadId"] == ["upload-1"]
        assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
        assert query["X-Amz-Expires"] == ["600"]
        assert (part.number, part.size, part.headers) == (number, size, {"Content-Length": str(size)})
        assert urlsplit(part.url).path.endswith(KEY)
    # AND another length would have another signature
    assert len({parse_qs(urlsplit(part.url).query)["X-Amz-Signature"][0] for part in parts}) == 2


def test_multipart_uploads_are_encrypted_and_typed(stub: MakeStub) -> None:
    client, answers = stub("s3")
    answers.add_response(
        "create_multipart_upload",
        {"UploadId": "upload-1"},
        {"Bucket": "uploads", "Key": KEY, "ContentType": "video/mp4", "ServerSideEncryption": "AES256"},
    )
    assert S3Uploads(client, "uploads").start_multipart(KEY, "video/mp4") == "upload-1"


def listed(*sizes: int, truncated: bool = False, first: int = 1) -> dict[str, Any]:
    parts = [{"PartNumber": n, "ETag": f'"etag-{n}"', "Size": size} for n, size in enumerate(sizes, start=first)]
    return {"Parts": parts, "IsTruncated": truncated, "NextPartNumberMarker": first + len(sizes) - 1}


def test_the_total_of_all_pages_is_checked_before_the_parts_are_joined(stub: MakeStub) -> None:
    # GIVEN three parts on two pages, one byte too many
    client, answers = stub("s3")
    answers.add_response("list_parts", listed(100, 100, truncated=True))
    answers.add_response("list_parts", listed(1, first=3))
    parts = [UploadedPart(number, f'"etag-{number}"') for number in (1, 2, 3)]
    # THEN nothing is completed: the stub would refuse a call it does not expect
    with pytest.raises(ModerationError, match="201 bytes, but 200") as refusal:
        S3Uploads(client, "uploads").complete_multipart(KEY, "upload-1", parts, 200)
    assert refusal.value.code is ErrorCode.SIZE_MISMATCH


def test_parts_are_joined_in_order_and_s3_checks_the_size_again(stub: MakeStub) -> None:
    client, answers = stub("s3")
    answers.add_response("list_parts", listed(100, 100))
    answers.add_response(
        "complete_multipart_upload",
        {},
        {
            "Bucket": "uploads",
            "Key": KEY,
            "UploadId": "upload-1",
            "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "etag-1"}, {"PartNumber": 2, "ETag": '"etag-2"'}]},
            "MpuObjectSize": 200,
        },
    )
    parts = [UploadedPart(2, '"etag-2"'), UploadedPart(1, "etag-1")]
    S3Uploads(client, "uploads").complete_multipart(KEY, "upload-1", parts, 200)


def test_a_part_that_changed_meanwhile_is_the_uploaders_error(stub: MakeStub) -> None:
    client, answers = stub("s3")
    answers.add_response("list_parts", listed(100))
    answers.add_client_error("complete_multipart_upload", "InvalidPart", http_status_code=400)
    with pytest.raises(ModerationError) as refusal:
        S3Uploads(client, "uploads").complete_multipart(KEY, "upload-1", [UploadedPart(1, "etag-1")], 100)
    assert refusal.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("answer", "checksum"),
    [
        ({"ChecksumSHA256": "sha", "ChecksumCRC64NVME": "crc"}, "sha256:sha"),
        ({"ChecksumCRC64NVME": "crc"}, "crc64nvme:crc"),
        ({}, None),
    ],
)
def test_the_identity_has_the_strongest_checksum_that_s3_stores(
    stub: MakeStub, answer: dict[str, str], checksum: str | None
) -> None:
    client, answers = stub("s3")
    answers.add_response(
        "head_object",
        {"ContentLength": 7, "ETag": '"etag"', **answer},
        {"Bucket": "uploads", "Key": KEY, "VersionId": "v1", "ChecksumMode": "ENABLED"},
    )
    assert S3Uploads(client, "uploads").identify(KEY, "v1") == ObjectIdentity(
        bucket="uploads", key=KEY, version_id="v1", size=7, checksum=checksum, etag="etag"
    )


def test_the_source_url_is_short_lived_and_of_one_version(stub: MakeStub) -> None:
    client, _ = stub("s3")
    identity = ObjectIdentity(bucket="uploads", key="media/a b+c/source", version_id="v/1+", size=7)
    url = urlsplit(S3Uploads(client, "uploads").source(identity, timedelta(minutes=15)))
    query = parse_qs(url.query)
    assert query["versionId"] == ["v/1+"]
    assert query["X-Amz-Expires"] == ["900"]
    assert url.path.endswith("media/a%20b%2Bc/source")
