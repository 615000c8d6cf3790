"""Give out a playback URL, for what may be played and for nothing else."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from moderation.models.base import Model
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import MediaStatus
from moderation.ports import Clock, MediaStore, NotFound, Signer


class PlaybackUrl(Model):
    """A URL that works until `expires_at`, and no longer than the media may be played."""

    media_id: str
    url: str
    expires_at: datetime
    content_type: str


@dataclass(frozen=True)
class Playback:
    """The use case of the playback function."""

    store: MediaStore
    signer: Signer
    clock: Clock
    ttl: timedelta

    def url(self, media_id: str) -> PlaybackUrl:
        """Re-read the status, then sign. Raises ModerationError media_not_found or not_playable."""
        try:
            media = self.store.media(media_id)
        except NotFound as error:
            raise ModerationError(ErrorCode.MEDIA_NOT_FOUND, f"there is no media {media_id}") from error
        if not media.playable or media.published_key is None:
            publishing = media.status is MediaStatus.NORMAL
            raise ModerationError(
                ErrorCode.NOT_PLAYABLE,
                "it may play and is being published: ask again in a moment"
                if publishing
                else f"a media that is {media.status} does not play",
                status="publishing" if publishing else media.status,
            )
        expires_at = self.clock.now() + self.ttl
        return PlaybackUrl(
            media_id=media_id,
            url=self.signer.sign(media.published_key, expires_at),
            expires_at=expires_at,
            content_type=media.playback_content_type or "application/octet-stream",
        )
