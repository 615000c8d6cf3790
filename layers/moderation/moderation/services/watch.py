"""No job stays open for ever: what was lost between the table and the state machine is found and mended.

A job may have been written and never started; its run may have ended without anybody hearing of it. Every few
minutes the jobs that should have ended are compared with their runs, through an index that holds open jobs only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from moderation.models.job import Job, JobState
from moderation.ports import Clock, MediaStore, NotFound, Workflow
from moderation.services.fail import Failure

GRACE = timedelta(minutes=15)
"""Younger jobs are left alone: whoever made them may still be about to start them."""

DEADLINE = timedelta(hours=13)
"""The work of the longest video takes less than an hour, with all retries some hours; after that, a job is stuck."""

MOST = 200
"""Jobs looked at in one round, the oldest first."""


class Found(StrEnum):
    """What became of one open job."""

    RUNNING = "running"
    STARTED = "started"
    CLOSED = "closed"
    STUCK = "stuck"


@dataclass(frozen=True)
class Watched:
    """One open job: for how long it was due, what was found, and for a stuck one why."""

    job_id: str
    age: timedelta
    found: Found
    reason: str = ""


@dataclass(frozen=True)
class Watching:
    """The use case of the watch function."""

    store: MediaStore
    workflow: Workflow
    failure: Failure
    clock: Clock

    def round(self) -> list[Watched]:
        """Look at every open job that is due for longer than `GRACE`, the oldest `MOST` of them. Idempotent."""
        return list(self._look(self.store.open_jobs(self.clock.now() - GRACE, MOST)))

    def _look(self, job_ids: Iterable[str]) -> Iterable[Watched]:
        for job_id in job_ids:
            try:
                job = self.store.job(job_id)
            except NotFound:
                continue  # deleted with its media
            if job.state in (JobState.FINISH, JobState.ABORTED):
                continue  # the index is a moment behind
            age = self.clock.now() - job.due_at
            try:
                found, reason = self._mend(job), ""
            except Exception as error:  # a job that cannot be mended must not keep the others from it
                found, reason = Found.STUCK, type(error).__name__
            if found is Found.RUNNING and age > DEADLINE:
                found, reason = Found.STUCK, "its run goes on and on"
            yield Watched(job_id, age, found, reason)

    def _mend(self, job: Job) -> Found:
        run = self.workflow.run(job.job_id)
        if run is None:
            self.workflow.start(job.media_id, job.job_id)
            return Found.STARTED
        if run.status in ("RUNNING", "PENDING_REDRIVE"):
            return Found.RUNNING
        self.failure.run(job.job_id, f"execution_{run.status.lower()}", run.cause or run.status)
        return Found.CLOSED
