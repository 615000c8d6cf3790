"""The uploads bucket over local files."""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Lock

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import ObjectIdentity
from moderation.ports import NotFound, SignedPart, SignedPost, UploadedPart


@dataclass
class _Multipart:
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Version:
    identity: ObjectIdentity
    path: Path


class LocalUploads:
    """The port `Uploads` over local files; threads may share it.

    What uploaders do is done here by `receive` (bytes, kept in `folder`), `receive_file` (a file that stays where it
    is, unread) and `receive_part`. Signed forms and URLs say what they allow, and lead nowhere.
    """

    def __init__(self, folder: Path, bucket: str = "uploads") -> None:
        self._folder = folder
        self._bucket = bucket
        self._versions: defaultdict[str, list[_Version]] = defaultdict(list)
        self._multiparts: dict[str, _Multipart] = {}
        self._numbers = count(1)
        self._lock = Lock()

    def receive(self, key: str, body: bytes) -> ObjectIdentity:
        """An object arrives; a further one under the same key is a later version."""
        with self._lock:
            path = self._folder / f"object-{next(self._numbers)}"
        path.write_bytes(body)
        return self._add(
            key,
            path,
            size=len(body),
            checksum=f"sha256:{base64.b64encode(hashlib.sha256(body).digest()).decode()}",
            etag=_etag(body),
        )

    def receive_file(self, key: str, path: Path) -> ObjectIdentity:
        """As `receive`, for a file that is used in place. It gets no checksum: nobody else can change it meanwhile."""
        return self._add(key, path, size=path.stat().st_size, checksum=None, etag=None)

    def receive_part(self, upload_id: str, number: int, body: bytes) -> UploadedPart:
        """A part of a multipart upload arrives."""
        with self._lock:
            self._multipart(upload_id).parts[number] = body
        return UploadedPart(number, f'"{_etag(body)}"')

    def sign_post(
        self, key: str, content_type: str, size: int, expires: timedelta, sha256: str | None = None
    ) -> SignedPost:
        fields = {"key": key, "Content-Type": content_type, "policy": json.dumps(["content-length-range", size, size])}
        if sha256 is not None:
            fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": sha256}
        return SignedPost(url=f"memory://{self._bucket}", fields=fields)

    def start_multipart(self, key: str, content_type: str) -> str:
        with self._lock:
            upload_id = f"multipart-{next(self._numbers)}"
            self._multiparts[upload_id] = _Multipart(key)
        return upload_id

    def sign_parts(self, key: str, upload_id: str, sizes: Sequence[int], expires: timedelta) -> list[SignedPart]:
        return [
            SignedPart(
                number, size, f"memory://{self._bucket}/{upload_id}/{number}", headers={"Content-Length": str(size)}
            )
            for number, size in enumerate(sizes, start=1)
        ]

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart], size: int) -> None:
        with self._lock:
            sent = self._multipart(upload_id).parts
            for part in parts:
                if part.number not in sent or _etag(sent[part.number]) != part.etag.strip('"'):
                    raise ModerationError(
                        ErrorCode.INVALID_REQUEST, f"part {part.number} was not sent, or not as this etag"
                    )
            body = b"".join(sent[part.number] for part in sorted(parts, key=lambda part: part.number))
            if len(body) != size:
                raise ModerationError(
                    ErrorCode.SIZE_MISMATCH, f"the parts add up to {len(body)} bytes, but {size} were signed for"
                )
            del self._multiparts[upload_id]
        self.receive(key, body)

    def abort_multipart(self, key: str, upload_id: str) -> None:
        with self._lock:
            self._multiparts.pop(upload_id, None)

    def identify(self, key: str, version_id: str) -> ObjectIdentity:
        return self._version(key, version_id).identity

    def first_version(self, key: str) -> str:
        with self._lock:
            versions = self._versions.get(key)
            if not versions:
                raise NotFound(f"there is no version of {key}")
            return versions[0].identity.version_id

    def source(self, identity: ObjectIdentity, expires: timedelta) -> Path:
        return self._version(identity.key, identity.version_id).path

    def get(self, identity: ObjectIdentity) -> bytes:
        return self._version(identity.key, identity.version_id).path.read_bytes()

    def delete(self, key: str) -> None:
        """Forget all versions. Files that were received in place stay: they are somebody else's."""
        with self._lock:
            gone = self._versions.pop(key, [])
        for version in gone:
            if version.path.parent == self._folder:
                version.path.unlink(missing_ok=True)

    def stored(self) -> list[str]:
        """Every key that has a version."""
        with self._lock:
            return list(self._versions)

    def _add(self, key: str, path: Path, *, size: int, checksum: str | None, etag: str | None) -> ObjectIdentity:
        with self._lock:
            identity = ObjectIdentity(
                bucket=self._bucket,
                key=key,
                version_id=f"version-{next(self._numbers)}",
                size=size,
                checksum=checksum,
                etag=etag,
            )
            self._versions[key].append(_Version(identity, path))
        return identity

    def _version(self, key: str, version_id: str) -> _Version:
        with self._lock:
            for version in self._versions.get(key, ()):
                if version.identity.version_id == version_id:
                    return version
        raise NotFound(f"there is no version {version_id} of {key}")

    def _multipart(self, upload_id: str) -> _Multipart:
        if upload_id not in self._multiparts:
            raise NotFound(f"there is no upload {upload_id}")
        return self._multiparts[upload_id]


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
