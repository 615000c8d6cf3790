"""Every version of what lies in a versioned bucket."""

from typing import TYPE_CHECKING

from moderation.aws.errors import port_errors
from moderation.models.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


def delete_versions(client: "S3Client", bucket: str, prefix: str, *, exact: bool = False) -> None:
    """Delete all versions and delete markers below a prefix, or (`exact`) of one key. Raises Transient."""
    with port_errors():
        # Always the first page anew: a marker that names a deleted version is no place to go on from. Keys come in
        # order, so the exact key comes before all that it is a prefix of.
        while found := _first_page(client, bucket, prefix, exact):
            failed = client.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True}).get("Errors", [])
            if failed:
                codes = sorted({error.get("Code", "") for error in failed})
                raise Transient(f"{len(failed)} versions could not be deleted: {', '.join(codes)}")


def _first_page(client: "S3Client", bucket: str, prefix: str, exact: bool) -> "list[ObjectIdentifierTypeDef]":
    page = client.list_object_versions(Bucket=bucket, Prefix=prefix)
    return [
        {"Key": entry["Key"], "VersionId": entry["VersionId"]}
        for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        if not exact or entry["Key"] == prefix
    ]
