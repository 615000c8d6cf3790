"""The playback bucket and the cache in front of it."""

from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from moderation.aws.errors import port_errors
from moderation.aws.versions import delete_versions
from moderation.models.media import ObjectIdentity

if TYPE_CHECKING:
    from mypy_boto3_cloudfront import CloudFrontClient
    from mypy_boto3_s3 import S3Client

PART = 256 * 1024**2
"""S3 copies up to 5 GB in one request, but large copies finish sooner, and inside a read timeout, in parts."""


class S3Publisher:
    """The port `Publisher`. Without a distribution (the local stack) there is no cache to invalidate."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        *,
        cloudfront: "CloudFrontClient | None" = None,
        distribution_id: str = "",
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._cloudfront = cloudfront
        self._distribution_id = distribution_id

    def copy(self, identity: ObjectIdentity, key: str, content_type: str) -> None:
        # Imported here: of all functions only publish copies.
        from boto3.s3.transfer import TransferConfig

        with port_errors(identity.key):
            self._client.copy(
                CopySource={"Bucket": identity.bucket, "Key": identity.key, "VersionId": identity.version_id},
                Bucket=self._bucket,
                Key=key,
                ExtraArgs={"ContentType": content_type, "MetadataDirective": "REPLACE"},
                Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=8),
            )

    def copies(self, media_id: str) -> list[str]:
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=f"{media_id}/")
        with port_errors():
            return sorted({version["Key"] for page in pages for version in page.get("Versions", ())})

    def delete(self, key: str) -> None:
        delete_versions(self._client, self._bucket, key, exact=True)
        if self._cloudfront is None or not self._distribution_id:
            return
        # Also when nothing was left to delete: an earlier call may have died between the two steps.
        with port_errors():
            self._cloudfront.create_invalidation(
                DistributionId=self._distribution_id,
                InvalidationBatch={
                    "Paths": {"Quantity": 1, "Items": [f"/{quote(key)}"]},
                    "CallerReference": uuid4().hex,
                },
            )
