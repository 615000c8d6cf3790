"""Write the end of a job, what it makes of the media, and the events about both, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from moderation.models.event import Event, MediaStatusChanged, ModerationCompleted
from moderation.models.job import Job, JobError, JobState
from moderation.models.media import Media, MediaStatus
from moderation.models.verdict import Suggestion, Verdict
from moderation.ports import Clock, Conflict, MediaStore, NotFound
from moderation.status import Outcome, next_status

ATTEMPTS = 8
DecidedBy = Literal["machine", "person", "owner"]


def with_status(
    media: Media, status: MediaStatus, clock: Clock, decided_by: DecidedBy, job_id: str | None = None
) -> tuple[Media, list[Event]]:
    """The media in its new status, with the event to send; unchanged and without event when nothing changes."""
    if status is media.status:
        return media, []
    now = clock.now()
    changed = media.model_copy(update={"status": status, "revision": media.revision + 1, "updated_at": now})
    event = MediaStatusChanged(
        event_id=f"status-{media.media_id}-{changed.revision}",
        occurred_at=now,
        media_id=media.media_id,
        status=status,
        previous=media.status,
        revision=changed.revision,
        decided_by=decided_by,
        job_id=job_id,
        session_context=media.session_context,
        source_context=media.source_context,
    )
    return changed, [event]


@dataclass(frozen=True)
class Settlement:
    """How jobs end and how media follow."""

    store: MediaStore
    clock: Clock
    keep_post_on_failure: bool = False

    def accepted(self, job: Job, content_type: str) -> None:
        """The plan accepts the file: the job is under way, and post-moderated media may play."""

        def step(media: Media, stored: Job) -> tuple[Media, Job]:
            known = media.model_copy(update={"playback_content_type": content_type})
            return known, stored.model_copy(update={"state": JobState.PROCESSING})

        self._write(job, step)

    def refused(self, job: Job, error: JobError) -> None:
        """The plan refuses the file: it never plays."""
        self._end(job, "refused", error=error)

    def failed(self, job: Job, error: JobError) -> None:
        """The job ends without a verdict."""
        self._end(job, "failed", error=error)

    def judged(self, job: Job, verdict: Verdict) -> None:
        """The job ends with a verdict."""
        self._end(job, "verdict", verdict=verdict)

    def withdrawn(self, job: Job, error: JobError, before: str | None) -> None:
        """The job will not run. The one before it decides again, also if it has got on in the meantime."""
        end = {"state": JobState.ABORTED, "error": error, "finished_at": self.clock.now()}

        def step(media: Media, stored: Job) -> tuple[Media, Job]:
            latest = before if media.latest_job == job.job_id else media.latest_job
            return media.model_copy(update={"latest_job": latest}), stored.model_copy(update=end)

        self._write(job, step)

    def _end(
        self,
        job: Job,
        name: Literal["verdict", "refused", "failed"],
        *,
        error: JobError | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        now = self.clock.now()

        def step(media: Media, stored: Job) -> tuple[Media, Job]:
            end = {"state": JobState.FINISH, "outcome": name, "error": error, "verdict": verdict, "finished_at": now}
            return media, stored.model_copy(update=end)

        def completed(media: Media) -> ModerationCompleted:
            return ModerationCompleted(
                event_id=f"completed-{job.job_id}",
                occurred_at=now,
                media_id=media.media_id,
                job_id=job.job_id,
                state=JobState.FINISH,
                outcome=name,
                error=error,
                suggestion=verdict.suggestion if verdict else None,
                label=verdict.label if verdict else None,
                sub_label=verdict.sub_label if verdict else None,
                form=verdict.form if verdict else None,
                confidence=verdict.confidence if verdict else None,
                coverage_complete=verdict.coverage.complete if verdict else None,
                template=job.template.id,
                session_context=media.session_context,
                source_context=media.source_context,
            )

        self._write(job, step, completed)

    def _write(
        self,
        job: Job,
        step: Callable[[Media, Job], tuple[Media, Job]],
        completed: Callable[[Media], ModerationCompleted] | None = None,
    ) -> None:
        for _ in range(ATTEMPTS):
            try:
                media, stored = self.store.media(job.media_id), self.store.job(job.job_id)
                if stored.state in (JobState.FINISH, JobState.ABORTED):
                    return  # this step ran before and died before it could answer
                media, stored = step(media, stored)
                latest = stored if media.latest_job == job.job_id else None
                if stored.state is JobState.ABORTED and media.latest_job is not None:
                    latest = self.store.job(media.latest_job)
            except NotFound:
                return  # the media was deleted with its jobs while this job ran
            media, events = self._follow(media, latest) if latest else (media, [])
            if completed is not None:
                events.insert(0, completed(media))
            try:
                self.store.save(media, events=events, job=stored)
            except Conflict:
                continue
            return
        raise Conflict(f"{job.media_id} changed {ATTEMPTS} times while its job ended")

    def _follow(self, media: Media, job: Job) -> tuple[Media, list[Event]]:
        """The media as its latest job will have it, with the event to send."""
        outcome = _outcome(job)
        if outcome is None:
            return media, []
        status = next_status(
            media.status,
            outcome,
            mode=job.mode,
            auto_block=job.template.auto_block,
            decided_by_person=media.decided_by is not None,
            keep_post_on_failure=self.keep_post_on_failure,
        )
        queued = media.model_copy(update={"waits": _waits(media, status, outcome)})
        return with_status(queued, status, self.clock, "machine", job.job_id)


def _waits(media: Media, status: MediaStatus, outcome: Outcome) -> Literal["block", "review"] | None:
    """What the media waits for a person with, in its new status."""
    if outcome == "accepted":
        return media.waits
    if media.decided_by is not None or status not in (MediaStatus.REVIEWING, MediaStatus.NORMAL):
        return None
    if outcome is Suggestion.PASS:
        return None
    return "block" if outcome is Suggestion.BLOCK else "review"


def _outcome(job: Job) -> Outcome | None:
    """How far a job has got; None when nothing follows from it."""
    if job.state is JobState.PROCESSING:
        return "accepted"
    if job.outcome == "verdict":
        return job.verdict.suggestion if job.verdict else None
    return job.outcome
