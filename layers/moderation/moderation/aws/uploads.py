"""The bucket that uploaders write to."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from moderation.aws.errors import code_of, port_errors
from moderation.aws.versions import delete_versions
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import ObjectIdentity
from moderation.ports import NotFound, SignedPart, SignedPost, UploadedPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ENCRYPTION: Final = "AES256"
_CHECKSUMS = ("SHA256", "CRC64NVME", "CRC32C", "CRC32", "SHA1")
_BAD_PARTS = frozenset({"EntityTooSmall", "InvalidPart", "InvalidPartOrder", "InvalidRequest"})


class S3Uploads:
    """The port `Uploads` over one versioned bucket.

    The client should sign with `s3v4` in the bucket's region, so that its URLs work without a redirect.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def sign_post(
        self, key: str, content_type: str, size: int, expires: timedelta, sha256: str | None = None
    ) -> SignedPost:
        fields = {"Content-Type": content_type, "x-amz-server-side-encryption": ENCRYPTION}
        if sha256 is not None:
            fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": sha256}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        signed = self._client.generate_presigned_post(
            Bucket=self._bucket,
            Key=key,
            Fields=fields,
            Conditions=[*conditions, ["content-length-range", size, size]],
            ExpiresIn=int(expires.total_seconds()),
        )
        return SignedPost(url=signed["url"], fields=signed["fields"])

    def start_multipart(self, key: str, content_type: str) -> str:
        # No checksum algorithm is named: every part would then have to carry its value, and browsers have none
        # of the CRCs. Without it S3 itself stores the CRC64NVME of the whole object.
        with port_errors():
            return self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type, ServerSideEncryption=ENCRYPTION
            )["UploadId"]

    def sign_parts(self, key: str, upload_id: str, sizes: Sequence[int], expires: timedelta) -> list[SignedPart]:
        return [
            SignedPart(
                number=number,
                size=size,
                url=self._client.generate_presigned_url(
                    "upload_part",
                    Params={
                        "Bucket": self._bucket,
                        "Key": key,
                        "UploadId": upload_id,
                        "PartNumber": number,
                        "ContentLength": size,
                    },
                    ExpiresIn=int(expires.total_seconds()),
                ),
                headers={"Content-Length": str(size)},
            )
            for number, size in enumerate(sizes, start=1)
        ]

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart], size: int) -> None:
        sent = self._parts(key, upload_id)
        total = 0
        for part in parts:
            etag, length = sent.get(part.number, ("", 0))
            if etag != part.etag.strip('"'):
                raise ModerationError(
                    ErrorCode.INVALID_REQUEST, f"part {part.number} was not sent, or not as this etag"
                )
            total += length
        if total != size:
            raise ModerationError(
                ErrorCode.SIZE_MISMATCH, f"the parts add up to {total} bytes, but {size} were signed for"
            )
        ordered = sorted(parts, key=lambda part: part.number)
        try:
            with port_errors():
                self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in ordered]},
                    MpuObjectSize=size,
                )
        except ClientError as error:
            if code_of(error) in _BAD_PARTS:
                raise ModerationError(ErrorCode.INVALID_REQUEST, "the parts do not make one object") from error
            raise

    def _parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]]:
        """Etag and size of every part that was sent, by number."""
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
        with port_errors():
            return {
                part["PartNumber"]: (part["ETag"].strip('"'), part["Size"])
                for page in pages
                for part in page.get("Parts", ())
            }

    def abort_multipart(self, key: str, upload_id: str) -> None:
        try:
            with port_errors():
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except NotFound:
            return

    def identify(self, key: str, version_id: str) -> ObjectIdentity:
        with port_errors(key):
            head = self._client.head_object(Bucket=self._bucket, Key=key, VersionId=version_id, ChecksumMode="ENABLED")
        checksums = ((name.lower(), head.get(f"Checksum{name}")) for name in _CHECKSUMS)
        return ObjectIdentity(
            bucket=self._bucket,
            key=key,
            version_id=version_id,
            size=head["ContentLength"],
            checksum=next((f"{name}:{value}" for name, value in checksums if value), None),
            etag=head["ETag"].strip('"'),
        )

    def first_version(self, key: str) -> str:
        oldest = None
        with port_errors():
            for version in self._versions(key):
                oldest = version  # newest first
        if oldest is None:
            raise NotFound(f"there is no version of {key}")
        return oldest

    def _versions(self, key: str) -> Iterator[str]:
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key):
            for version in page.get("Versions", ()):
                if version["Key"] != key:
                    return  # keys come in order, so a key comes before all that it is a prefix of
                yield version["VersionId"]

    def source(self, identity: ObjectIdentity, expires: timedelta) -> str:
        return self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": identity.bucket, "Key": identity.key, "VersionId": identity.version_id},
            ExpiresIn=int(expires.total_seconds()),
        )

    def get(self, identity: ObjectIdentity) -> bytes:
        with port_errors(identity.key):
            return self._client.get_object(Bucket=identity.bucket, Key=identity.key, VersionId=identity.version_id)[
                "Body"
            ].read()

    def delete(self, key: str) -> None:
        delete_versions(self._client, self._bucket, key, exact=True)
