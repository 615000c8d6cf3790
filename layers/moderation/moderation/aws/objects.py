"""The results bucket."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from moderation.aws.errors import port_errors
from moderation.aws.versions import delete_versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1024**2


class S3Objects:
    """The port `Objects` over one bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, key: str) -> bytes:
        with port_errors(key):
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def put(self, key: str, body: bytes, content_type: str) -> None:
        with port_errors():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        # One request, read from disk as it is sent: what a step leaves is far below the 5 GB of a single PUT.
        with path.open("rb") as file, port_errors():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=file, ContentType=content_type)

    def fetch(self, key: str, path: Path) -> None:
        try:
            with port_errors(key):
                body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
                with path.open("wb") as file:
                    shutil.copyfileobj(body, file, _CHUNK)
        except BaseException:
            path.unlink(missing_ok=True)  # half an object must not be taken for one
            raise

    def url(self, key: str, expires: timedelta) -> str:
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=int(expires.total_seconds())
        )

    def delete_prefix(self, prefix: str) -> None:
        if not prefix:
            raise ValueError("an empty prefix would delete everything")
        delete_versions(self._client, self._bucket, prefix)
