"""The daily budget of video: what a job will look at is booked first, and where a day is spent, the job waits.

A day is booked in one transaction with the job that it is booked for, so a job is counted once however often its
step is tried. A job that finds today spent gets its place on the first day that has room, at once: it waits once, no
one overtakes it on that day, and nothing has to look for those who wait.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zlib import crc32

from moderation.models.event import Event, ModerationDeferred
from moderation.models.job import Job
from moderation.models.media import Media
from moderation.ports import Booking, Clock, Conflict, MediaStore, Spent
from moderation.services.settle import ATTEMPTS

HORIZON = timedelta(days=30)
"""The longest that a job may have to wait; with more than that booked ahead, something else is wrong."""
SPREAD = timedelta(hours=1)
"""Those who wait for a day begin over its first hour, not all at midnight."""


class BudgetSpent(Exception):
    """Every day up to the horizon is spent."""


@dataclass(frozen=True)
class Admission:
    """Lets `daily` of video through on each UTC day; zero is no limit."""

    store: MediaStore
    clock: Clock
    daily: timedelta = timedelta(0)

    def admit(self, job: Job, seconds: int, content_type: str) -> datetime | None:
        """Book a job's video. Gives when the job may go on, or None when it may now. Idempotent.

        content_type  what the file turned out to be; known from now on, so that people may decide before the machine

        Raises BudgetSpent, and Conflict to be called again.
        """
        if not self.daily:
            return None
        today = self.clock.now().date()
        for ahead in range(HORIZON.days + 1):
            try:
                return self._book(job, today + timedelta(days=ahead), seconds, content_type)
            except Spent:
                continue
        raise BudgetSpent(f"the budget of video is spent for {HORIZON.days} days")

    def wait_of(self, job: Job) -> datetime | None:
        """When a job that has its place may go on; None when it may now."""
        return job.waits_until if job.waits_until and job.waits_until > self.clock.now() else None

    def _book(self, job: Job, day: date, seconds: int, content_type: str) -> datetime | None:
        for _ in range(ATTEMPTS):
            media, stored = self.store.media(job.media_id), self.store.job(job.job_id)
            if stored.booked_for is not None:
                return self.wait_of(stored)
            booking = Booking(day, seconds, int(self.daily.total_seconds()))
            placed, events = self._placed(media, stored, booking)
            known = media.model_copy(update={"playback_content_type": content_type})
            try:
                self.store.save(known, events=events, job=placed, booking=booking)
            except Conflict:
                continue
            return placed.waits_until
        raise Conflict(f"{job.media_id} changed {ATTEMPTS} times while its video was booked")

    def _placed(self, media: Media, job: Job, booking: Booking) -> tuple[Job, list[Event]]:
        """The job with its place and, when it has to wait for it, the event that says so."""
        now = self.clock.now()
        if booking.day <= now.date():
            return job.model_copy(update={"booked_for": booking.day}), []
        begin = datetime.combine(booking.day, time(), UTC) + _share(job.job_id) * SPREAD
        event = ModerationDeferred(
            event_id=f"deferred-{job.job_id}",
            occurred_at=now,
            media_id=media.media_id,
            job_id=job.job_id,
            waits_until=begin,
            seconds=booking.seconds,
            template=job.template.id,
            session_context=media.session_context,
            source_context=media.source_context,
        )
        return job.model_copy(update={"booked_for": booking.day, "waits_until": begin}), [event]


def _share(job_id: str) -> float:
    """A number from 0 to 1 that is always the same for a job."""
    return crc32(job_id.encode()) / 2**32
