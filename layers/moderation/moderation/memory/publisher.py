"""The playback bucket, and URLs into it."""

from datetime import datetime
from urllib.parse import quote

from moderation.models.media import ObjectIdentity
from moderation.ports import Uploads


class MemoryPublisher:
    """The port `Publisher`: what is published is written down in `stored`, key → (identity, content type)."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.stored: dict[str, tuple[ObjectIdentity, str]] = {}
        self.deleted: list[str] = []

    def copy(self, identity: ObjectIdentity, key: str, content_type: str) -> None:
        self._uploads.identify(identity.key, identity.version_id)  # raises NotFound
        self.stored[key] = (identity, content_type)

    def delete(self, key: str) -> None:
        self.stored.pop(key, None)
        self.deleted.append(key)

    def copies(self, media_id: str) -> list[str]:
        return [key for key in self.stored if key.startswith(f"{media_id}/")]


class MemorySigner:
    """The port `Signer`: URLs that say what they are and lead nowhere."""

    def sign(self, key: str, expires_at: datetime) -> str:
        return f"memory://playback/{quote(key)}?Expires={int(expires_at.timestamp())}"
