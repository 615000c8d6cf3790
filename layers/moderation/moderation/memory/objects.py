"""Object storage in a folder."""

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path
from threading import Lock
from uuid import uuid4

from moderation.ports import NotFound


class FolderObjects:
    """The port `Objects` over a folder that nobody else writes to; threads may share it.

    Files are named by the hash of their key, so that no key leads out of the folder, and appear whole or not at
    all. Bytes are on disk only. The folder belongs to the caller, who deletes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._types: dict[str, str] = {}
        self._lock = Lock()

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no object {key}") from error

    def put(self, key: str, body: bytes, content_type: str) -> None:
        draft = self._draft()
        draft.write_bytes(body)
        self._keep(key, draft, content_type)

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        draft = self._draft()
        shutil.copyfile(path, draft)
        self._keep(key, draft, content_type)

    def fetch(self, key: str, path: Path) -> None:
        try:
            shutil.copyfile(self._path(key), path)
        except FileNotFoundError as error:
            raise NotFound(f"there is no object {key}") from error

    def url(self, key: str, expires: timedelta) -> str:
        """A file URL; it works as long as the folder is there, whatever `expires` says."""
        return self._path(key).as_uri()

    def delete_prefix(self, prefix: str) -> None:
        if not prefix:
            raise ValueError("an empty prefix would delete everything")
        with self._lock:
            for key in [key for key in self._types if key.startswith(prefix)]:
                del self._types[key]
                self._path(key).unlink()

    def content_types(self) -> dict[str, str]:
        """Every key with its content type."""
        with self._lock:
            return dict(self._types)

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()

    def _draft(self) -> Path:
        return self._folder / f"draft-{uuid4().hex}"

    def _keep(self, key: str, draft: Path, content_type: str) -> None:
        with self._lock:
            draft.replace(self._path(key))
            self._types[key] = content_type
