"""The table in memory, with the conditions of the real one."""

from collections.abc import Sequence
from datetime import date, datetime
from threading import Lock

from moderation.models.base import Model
from moderation.models.errors import Permanent
from moderation.models.event import Event
from moderation.models.job import Job, JobState
from moderation.models.media import Media
from moderation.models.review import Feedback, Review
from moderation.ports import MAX_DOCUMENT_BYTES, Booking, Conflict, NotFound, Spent

_ENDED = frozenset({JobState.FINISH, JobState.ABORTED})
_Moment = tuple[str, datetime, str]
"""What the table's keys are made of: media id, time, own id."""


class MemoryMediaStore:
    """The port `MediaStore`; threads may share it. Events wait in `outbox` in the order in which they were written."""

    def __init__(self) -> None:
        self.outbox: list[Event] = []
        self._media: dict[str, Media] = {}
        self._jobs: dict[str, Job] = {}
        self._reviews: dict[_Moment, Review] = {}
        self._feedback: dict[_Moment, Feedback] = {}
        self._booked: dict[date, int] = {}
        self._lock = Lock()

    def add_media(self, media: Media) -> None:
        _must_fit(media)
        with self._lock:
            if media.media_id in self._media:
                raise Conflict(f"there is a media {media.media_id} already")
            self._media[media.media_id] = media

    def media(self, media_id: str) -> Media:
        with self._lock:
            if media_id not in self._media:
                raise NotFound(f"there is no media {media_id}")
            return self._media[media_id]

    def save(
        self,
        media: Media,
        *,
        events: Sequence[Event] = (),
        job: Job | None = None,
        new_job: Job | None = None,
        review: Review | None = None,
        booking: Booking | None = None,
    ) -> Media:
        saved = media.model_copy(update={"version": media.version + 1})
        _must_fit(saved, *events, *(document for document in (job, new_job, review) if document is not None))
        with self._lock:
            stored = self._media.get(media.media_id)
            if stored is None or stored.version != media.version:
                raise Conflict(f"media {media.media_id} has changed since version {media.version}")
            if job is not None and (job.job_id not in self._jobs or self._jobs[job.job_id].state in _ENDED):
                raise Conflict(f"job {job.job_id} has ended, or is gone")
            if new_job is not None and new_job.job_id in self._jobs:
                raise Conflict(f"there is a job {new_job.job_id} already")
            if review is not None and _review_key(review) in self._reviews:
                raise Conflict(f"there is a review {review.review_id} already")
            if booking is not None:
                self._book(booking)
            self._media[media.media_id] = saved
            self._jobs |= {written.job_id: written for written in (job, new_job) if written is not None}
            if review is not None:
                self._reviews[_review_key(review)] = review
            self.outbox.extend(events)
        return saved

    def job(self, job_id: str) -> Job:
        with self._lock:
            if job_id not in self._jobs:
                raise NotFound(f"there is no job {job_id}")
            return self._jobs[job_id]

    def jobs(self, media_id: str) -> list[Job]:
        with self._lock:
            found = [job for job in self._jobs.values() if job.media_id == media_id]
        return sorted(found, key=lambda job: (job.created_at, job.job_id))

    def open_jobs(self, due_before: datetime, limit: int) -> list[str]:
        with self._lock:
            found = [job for job in self._jobs.values() if job.state not in _ENDED and job.due_at < due_before]
        return [job.job_id for job in sorted(found, key=lambda job: job.due_at)[:limit]]

    def waiting(self, kind: str, limit: int) -> list[str]:
        with self._lock:
            found = [media for media in self._media.values() if media.waits == kind]
        return [media.media_id for media in sorted(found, key=lambda media: media.updated_at)[:limit]]

    def reviews(self, media_id: str) -> list[Review]:
        with self._lock:
            return [self._reviews[key] for key in sorted(self._reviews) if key[0] == media_id]

    def add_feedback(self, feedback: Feedback) -> None:
        _must_fit(feedback)
        with self._lock:
            if feedback.job_id not in self._jobs:
                raise Conflict(f"job {feedback.job_id} is gone")
            self._feedback[feedback.media_id, feedback.created_at, feedback.feedback_id] = feedback

    def feedback(self, media_id: str) -> list[Feedback]:
        with self._lock:
            return [self._feedback[key] for key in sorted(self._feedback) if key[0] == media_id]

    def forget(self, media_id: str) -> None:
        with self._lock:
            self._jobs = {job_id: job for job_id, job in self._jobs.items() if job.media_id != media_id}
            self._reviews = {key: review for key, review in self._reviews.items() if key[0] != media_id}
            self._feedback = {key: feedback for key, feedback in self._feedback.items() if key[0] != media_id}

    def expire(self, now: datetime) -> list[str]:
        """What the table's TTL does sooner or later: forget media whose time has come. Gives their ids."""
        with self._lock:
            gone = [m.media_id for m in self._media.values() if m.expires_at is not None and m.expires_at < now]
            for media_id in gone:
                del self._media[media_id]
        return gone

    def _book(self, booking: Booking) -> None:
        booked = self._booked.get(booking.day)
        if booked is not None and booked + booking.seconds > booking.limit:
            raise Spent(f"{booking.day} has no room for {booking.seconds} s")
        self._booked[booking.day] = (booked or 0) + booking.seconds


def _review_key(review: Review) -> _Moment:
    return review.media_id, review.created_at, review.review_id


def _must_fit(*documents: Model) -> None:
    for document in documents:
        if len(document.model_dump_json().encode()) > MAX_DOCUMENT_BYTES:
            raise Permanent("document_too_large", f"a {type(document).__name__} does not fit into an item of the table")
