"""Look at media and jobs, moderate again, delete."""

from dataclasses import dataclass
from datetime import timedelta

from moderation.models.base import Model
from moderation.models.errors import ErrorCode, ModerationError, Transient
from moderation.models.job import Job, JobError
from moderation.models.media import Media, MediaStatus
from moderation.models.template import Name
from moderation.models.verdict import Segment, Verdict
from moderation.ports import Clock, Conflict, Ids, MediaStore, NotFound, Objects, Templates, Workflow
from moderation.services.ingest import new_job
from moderation.services.settle import Settlement, with_status

EVIDENCE_URL_LIFE = timedelta(minutes=15)


class MediaView(Model):
    """A media with its latest job, as the API shows them."""

    media: Media
    playable: bool
    job: Job | None


class ModerateAgain(Model):
    """`POST /v1/media/{media_id}/jobs`"""

    template: Name | None = None


@dataclass(frozen=True)
class Library:
    """The use cases of the media function."""

    store: MediaStore
    objects: Objects
    templates: Templates
    workflow: Workflow
    settlement: Settlement
    clock: Clock
    ids: Ids

    def view(self, media_id: str) -> MediaView:
        """Raises ModerationError media_not_found."""
        media = self._media(media_id)
        job = self.job(media.latest_job) if media.latest_job and media.status is not MediaStatus.DELETED else None
        if job is not None and job.finished_at is not None:
            media = self._media(media_id)  # it may have ended since: both sides of its end are shown, or none
        return MediaView(media=media, playable=media.playable, job=job)

    def job(self, job_id: str) -> Job:
        """A job with URLs for its evidence pictures. Raises ModerationError job_not_found."""
        try:
            job = self.store.job(job_id)
        except NotFound as error:
            raise ModerationError(ErrorCode.JOB_NOT_FOUND, f"there is no job {job_id}") from error
        return job.model_copy(update={"verdict": self._with_urls(job.verdict)}) if job.verdict else job

    def moderate_again(self, media_id: str, request: ModerateAgain) -> Job:
        """Start another job over the same identity. What plays goes on playing until its verdict."""
        media = self._media(media_id)
        if media.identity is None or media.status in (MediaStatus.DELETED, MediaStatus.REFUSED):
            raise ModerationError(
                ErrorCode.CONFLICT, f"a media that is {media.status} cannot be moderated", status=media.status
            )
        try:
            template = self.templates.get(request.template or media.procedure.template)
        except NotFound as error:
            raise ModerationError(ErrorCode.UNKNOWN_TEMPLATE, f"there is no template {request.template}") from error
        job = new_job(media, media.identity, template, f"again-{self.ids.new()}", self.clock)
        try:
            self.store.save(media.model_copy(update={"latest_job": job.job_id}), new_job=job)
        except Conflict as error:
            raise ModerationError(ErrorCode.CONFLICT, "the media has just changed: try again") from error
        try:
            self.workflow.start(media.media_id, job.job_id)
        except Transient:
            unavailable = JobError(code="unavailable", message="the state machine could not be started")
            self.settlement.withdrawn(job, unavailable, media.latest_job)
            raise
        return job

    def delete(self, media_id: str) -> Media:
        """Nothing of it plays from now on; its objects are deleted right after. Idempotent."""
        media = self._media(media_id)
        deleted, events = with_status(media, MediaStatus.DELETED, self.clock, "owner")
        if not events:
            return media
        bare = deleted.model_copy(update={"title": "", "file_name": "deleted", "waits": None})
        try:
            return self.store.save(bare, events=events)
        except Conflict as error:
            raise ModerationError(ErrorCode.CONFLICT, "the media has just changed: try again") from error

    def _media(self, media_id: str) -> Media:
        try:
            return self.store.media(media_id)
        except NotFound as error:
            raise ModerationError(ErrorCode.MEDIA_NOT_FOUND, f"there is no media {media_id}") from error

    def _with_urls(self, verdict: Verdict) -> Verdict:
        def shown(segment: Segment) -> Segment:
            if segment.picture is None:
                return segment
            return segment.model_copy(update={"picture": self.objects.url(segment.picture, EVIDENCE_URL_LIFE)})

        update: dict[str, object] = {"segments": tuple(shown(segment) for segment in verdict.segments)}
        for name in ("segments_file", "transcript_file", "texts_file"):
            if key := getattr(verdict, name):
                update[name] = self.objects.url(key, EVIDENCE_URL_LIFE)
        return verdict.model_copy(update=update)
