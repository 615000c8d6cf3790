"""Uploads that never became a media leave nothing behind."""

from dataclasses import dataclass

from moderation.models.media import MAX_COVERS, cover_key, source_key
from moderation.ports import Uploads


@dataclass(frozen=True)
class Sweeping:
    """The use case of the sweep function."""

    uploads: Uploads

    def forgotten(self, media_id: str) -> None:
        """The table has forgotten a media: delete what was uploaded for it. Idempotent."""
        for key in (source_key(media_id), *(cover_key(media_id, index) for index in range(MAX_COVERS))):
            self.uploads.delete(key)
