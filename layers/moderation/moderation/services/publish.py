"""Bring the playback bucket in line with what was decided. Idempotent; runs after every change of status."""

import base64
from dataclasses import dataclass
from enum import StrEnum

from moderation.models.media import Media, MediaStatus, ObjectIdentity, cover_key, source_key
from moderation.ports import Conflict, MediaStore, NotFound, Objects, Publisher, Uploads
from moderation.services.work import derived_prefixes

ATTEMPTS = 8


class Published(StrEnum):
    """What one call did."""

    COPIED = "copied"
    REMOVED = "removed"
    PURGED = "purged"
    UNCHANGED = "unchanged"
    OVERTAKEN = "overtaken"


def playback_key(identity: ObjectIdentity, media_id: str, revision: int) -> str:
    """Where the copy of this decision lives: it names media, version and decision revision.

    Version ids may hold characters that are unwelcome in URLs, so they are encoded.
    """
    version = base64.urlsafe_b64encode(identity.version_id.encode()).decode().rstrip("=")
    return f"{media_id}/{version}/{revision}"


@dataclass(frozen=True)
class Publishing:
    """The use case of the publish function."""

    store: MediaStore
    publisher: Publisher
    uploads: Uploads
    objects: Objects

    def reconcile(self, media_id: str) -> Published:
        """Copy, remove or purge, as the media stands now."""
        try:
            media = self.store.media(media_id)
        except NotFound:
            return Published.UNCHANGED
        if media.status is MediaStatus.DELETED:
            return self._purge(media)
        if media.status is MediaStatus.NORMAL and media.identity is not None:
            if not media.playable:
                return self._copy(media, media.identity)
            self._clear(media, media.revision)
            return Published.UNCHANGED
        return self._remove(media)

    def _copy(self, media: Media, identity: ObjectIdentity) -> Published:
        key = playback_key(identity, media.media_id, media.revision)
        self.publisher.copy(identity, key, media.playback_content_type or "application/octet-stream")
        # Before this one may play: whoever dies in between is called again, and then they are gone.
        self._clear(media, media.revision)
        for _ in range(ATTEMPTS):
            now = self.store.media(media.media_id)
            if now.revision != media.revision:
                self.publisher.delete(key)  # decided anew while the copy ran: that decision's own event follows
                return Published.OVERTAKEN
            try:
                self.store.save(now.model_copy(update={"published_revision": now.revision, "published_key": key}))
            except Conflict:
                continue
            return Published.COPIED
        raise Conflict(f"{media.media_id} changed {ATTEMPTS} times while it was published")

    def _remove(self, media: Media) -> Published:
        self._clear(media, media.revision + 1)
        if media.published_key is None:
            return Published.UNCHANGED
        now = media
        # Again at once: the queue would bring its message back only after the longest copy there may be.
        for _ in range(ATTEMPTS):
            if now.published_key != media.published_key:
                return Published.OVERTAKEN
            try:
                self.store.save(now.model_copy(update={"published_revision": None, "published_key": None}))
            except Conflict:
                now = self.store.media(media.media_id)
                continue
            return Published.REMOVED
        raise Conflict(f"{media.media_id} changed {ATTEMPTS} times while its copy was removed")

    def _clear(self, media: Media, revision: int) -> None:
        """Delete every copy that was made for a decision before `revision`.

        One that plays, or did, is deleted by its name, so that caches forget it even when its object is gone already.
        Makers who died, or were overtaken, may have left others. Copies of later decisions are not touched: this
        caller may be late.
        """
        keys = {*self.publisher.copies(media.media_id), *filter(None, [media.published_key])}
        for key in sorted(keys):
            if int(key.rpartition("/")[2]) < revision:
                self.publisher.delete(key)

    def _purge(self, media: Media) -> Published:
        self._remove(media)
        self.uploads.delete(source_key(media.media_id))
        for cover in media.covers:
            self.uploads.delete(cover_key(media.media_id, cover.index))
        for prefix in derived_prefixes(media.media_id):
            self.objects.delete_prefix(prefix)
        self.store.forget(media.media_id)
        return Published.PURGED
