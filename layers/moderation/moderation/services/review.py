"""A person decides. Decisions are appended, and stand over the machine's until a person decides again."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from moderation.models.base import Model
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import Comment, Media, MediaId, MediaStatus, Reason
from moderation.models.review import Review
from moderation.ports import Clock, Conflict, Ids, MediaStore, NotFound
from moderation.services.settle import with_status

_REVIEWABLE = frozenset({MediaStatus.CHECKING, MediaStatus.REVIEWING, MediaStatus.NORMAL, MediaStatus.BLOCKED})


class Decide(Model):
    """`POST /v1/reviews`"""

    media_id: MediaId
    decision: Literal["normal", "blocked"]
    reason: Reason = ""
    comment: Comment = ""


@dataclass(frozen=True)
class Reviewing:
    """The use cases of the review function."""

    store: MediaStore
    clock: Clock
    ids: Ids

    def decide(self, request: Decide, reviewer: str) -> Review:
        """Record the decision and let the media follow it, in one transaction."""
        try:
            media = self.store.media(request.media_id)
        except NotFound as error:
            raise ModerationError(ErrorCode.MEDIA_NOT_FOUND, f"there is no media {request.media_id}") from error
        if media.status not in _REVIEWABLE:
            raise ModerationError(
                ErrorCode.CONFLICT, f"a media that is {media.status} cannot be decided on", status=media.status
            )
        if media.status is MediaStatus.CHECKING and media.playback_content_type is None:
            # Until the plan has accepted it, nobody knows that it is a video at all; a refused file must never play.
            raise ModerationError(ErrorCode.CONFLICT, "the file has not been probed yet: decide in a moment")
        changed, events = with_status(media, MediaStatus(request.decision), self.clock, "person", media.latest_job)
        review = Review(
            review_id=self.ids.new(),
            media_id=media.media_id,
            decision=request.decision,
            reviewer=reviewer,
            reason=request.reason,
            comment=request.comment,
            revision=changed.revision,
            created_at=self.clock.now(),
        )
        try:
            decided = changed.model_copy(update={"decided_by": reviewer, "waits": None})
            self.store.save(decided, events=events, review=review)
        except Conflict as error:
            raise ModerationError(ErrorCode.CONFLICT, "the media has just changed: look again, then decide") from error
        return review

    def queue(self, limit: int) -> list[Media]:
        """Media that wait for a person: first what the machine would block, each kind with the oldest first."""
        waiting: list[Media] = []
        for kind in ("block", "review"):
            for media_id in self.store.waiting(kind, limit - len(waiting)) if len(waiting) < limit else ():
                with suppress(NotFound):
                    media = self.store.media(media_id)
                    if media.waits == kind:  # the index is a moment behind
                        waiting.append(media)
        return waiting

    def history(self, media_id: str) -> list[Review]:
        """Every decision on a media, oldest first."""
        return self.store.reviews(media_id)
