"""People tell what the machine got wrong, or right. Kept with the frames' fingerprints, to be learnt from."""

import gzip
import json
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from moderation.models.base import Model
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.job import Job, JobId
from moderation.models.media import Comment, MediaId
from moderation.models.review import Feedback, FrameFingerprint
from moderation.models.template import Name
from moderation.ports import Clock, Ids, MediaStore, NotFound, Objects
from moderation.services.work import Work

MAX_FRAMES = 16
"""Fingerprints kept per feedback: about 3.5 KB each, and an item of the table holds 400 KB."""


class GiveFeedback(Model):
    """`POST /v1/feedback`"""

    media_id: MediaId
    job_id: JobId | None = None
    kind: Literal["false_positive", "false_negative", "correct"]
    label: Name | None = None
    sub_label: Name | None = None
    start: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    end: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    comment: Comment = ""

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError("end is before start")
        return self


@dataclass(frozen=True)
class FeedbackBook:
    """The use cases of the feedback function."""

    store: MediaStore
    objects: Objects
    clock: Clock
    ids: Ids

    def give(self, request: GiveFeedback, reporter: str) -> Feedback:
        """Record a person's word on a verdict. Raises ModerationError media_not_found or job_not_found."""
        job = self._job(request)
        feedback = Feedback(
            feedback_id=self.ids.new(),
            media_id=request.media_id,
            job_id=job.job_id,
            kind=request.kind,
            label=request.label,
            sub_label=request.sub_label,
            start=request.start,
            end=request.end,
            reporter=reporter,
            comment=request.comment,
            frames=self._fingerprints(job, request.start, request.end),
            created_at=self.clock.now(),
        )
        self.store.add_feedback(feedback)
        return feedback

    def list(self, media_id: str) -> list[Feedback]:
        """All feedback on a media, oldest first."""
        return self.store.feedback(media_id)

    def _job(self, request: GiveFeedback) -> Job:
        try:
            media = self.store.media(request.media_id)
        except NotFound as error:
            raise ModerationError(ErrorCode.MEDIA_NOT_FOUND, f"there is no media {request.media_id}") from error
        job_id = request.job_id or media.latest_job
        try:
            job = self.store.job(job_id or "")
        except NotFound as error:
            raise ModerationError(ErrorCode.JOB_NOT_FOUND, f"{media.media_id} has no such job") from error
        if job.media_id != media.media_id or job.verdict is None:
            raise ModerationError(ErrorCode.JOB_NOT_FOUND, f"{media.media_id} has no verdict of such a job yet")
        return job

    def _fingerprints(self, job: Job, start: float | None, end: float | None) -> tuple[FrameFingerprint, ...]:
        """Of the frames in the span, evenly thinned out; none once the traces have been deleted (14 days)."""
        work = Work(job.media_id, job.job_id)
        inside: list[dict[str, Any]] = []
        planned = job.verdict.coverage.segments_planned if job.verdict else 0
        for index in range(planned):
            try:
                lines = gzip.decompress(self.objects.get(work.trace(index))).splitlines()
            except NotFound:
                continue
            traces = (json.loads(line) for line in lines)
            inside += [
                trace
                for trace in traces
                if trace.get("pdq")
                and (start or 0.0) - 1.0 <= trace["time"] <= (end if end is not None else trace["time"]) + 1.0
            ]
        step = max(1, -(-len(inside) // MAX_FRAMES))
        return tuple(
            FrameFingerprint(time=t["time"], track=t["track"], pdq=t["pdq"], embedding=t["embedding"])
            for t in inside[::step]
        )
