"""The plan step: verify the identity, look at what the file really is, refuse it or cut it into segments."""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from moderation.media.ffmpeg import MediaRefused, SourceUnavailable
from moderation.media.plan import make_plan
from moderation.models.base import Model
from moderation.models.errors import Permanent, Transient
from moderation.models.job import Job, JobError, JobState, media_of
from moderation.models.media import MediaStatus
from moderation.models.plan import Plan
from moderation.ports import MediaStore, NotFound, Objects, Uploads
from moderation.services.admit import Admission, BudgetSpent
from moderation.services.settle import Settlement
from moderation.services.work import Work

SOURCE_LIFE = timedelta(minutes=20)
"""How long a step may read the original: longer than the longest Lambda call."""


class Planned(Model):
    """What the state machine goes on with: indices only.

    refused      there is nothing left to do
    waits_until  the step is to be called again then, since the budget of video is spent
    """

    refused: bool
    waits_until: datetime | None = None
    segments: tuple[int, ...] = ()
    covers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Planning:
    """The use case of the plan function."""

    store: MediaStore
    uploads: Uploads
    objects: Objects
    settlement: Settlement
    admission: Admission

    def run(self, job_id: str, seconds: float) -> Planned:
        """Plan within `seconds`. A refusal ends the job here; the state machine has nothing left to do."""
        if self.store.media(media_of(job_id)).status is MediaStatus.DELETED:
            return Planned(refused=True)  # while it waited, perhaps for days
        job = self.store.job(job_id)
        if job.state in (JobState.FINISH, JobState.ABORTED):
            return Planned(refused=True)
        if waits_until := self.admission.wait_of(job):
            return Planned(refused=False, waits_until=waits_until)
        self._verify(job)
        try:
            plan = self._plan(job, seconds)
        except MediaRefused as refusal:
            self.settlement.refused(job, JobError(code=refusal.code, message=refusal.message))
            return Planned(refused=True)
        try:
            waits_until = self.admission.admit(job, max(1, math.ceil(plan.duration)), plan.content_type)
        except BudgetSpent as spent:
            self.settlement.failed(job, JobError(code="over_budget", message=str(spent)))
            return Planned(refused=True)
        if waits_until:
            return Planned(refused=False, waits_until=waits_until)
        work = Work(job.media_id, job.job_id)
        self.objects.put(work.plan, plan.model_dump_json().encode(), "application/json")
        self.settlement.accepted(job, plan.content_type)
        return Planned(
            refused=False,
            segments=tuple(span.index for span in plan.segments),
            covers=tuple(job.covers),
        )

    def _verify(self, job: Job) -> None:
        try:
            now = self.uploads.identify(job.identity.key, job.identity.version_id)
        except NotFound as error:
            raise Permanent("source_gone", "the moderated version of the object is gone") from error
        if (now.size, now.checksum) != (job.identity.size, job.identity.checksum):
            raise Permanent("identity_mismatch", "size or checksum of the object are not those of the event")

    def _plan(self, job: Job, seconds: float) -> Plan:
        try:
            return make_plan(
                self.uploads.source(job.identity, SOURCE_LIFE),
                interval=job.template.interval_seconds,
                key_frames_only=job.template.key_frames_only,
                deadline=time.monotonic() + seconds,
            )
        except SourceUnavailable as error:
            raise Transient(str(error)) from error
