"""One moderation run over one object identity."""

import hashlib
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from moderation.models.base import Model
from moderation.models.media import MediaId, ObjectIdentity
from moderation.models.template import Template
from moderation.models.verdict import Verdict

UPLOAD_TRIGGER = "upload"


class JobState(StrEnum):
    """How a job stands; FINISH is a success only with an empty error code."""

    WAITING = "WAITING"
    PROCESSING = "PROCESSING"
    FINISH = "FINISH"
    ABORTED = "ABORTED"


JobId = Annotated[str, StringConstraints(min_length=1, max_length=80)]
"""As `job_id_for` makes it; a longer name is no key that the table could be asked for."""


class JobError(Model):
    """Why a job or a media ended without a verdict."""

    code: str
    message: str


class Job(Model):
    """The JOB# item. The template is kept whole, so a later edit never changes a running job."""

    job_id: JobId
    media_id: MediaId
    trigger: str
    identity: ObjectIdentity
    covers: dict[int, ObjectIdentity] = Field(default_factory=dict, description="index → the cover that arrived")
    template: Template
    mode: Literal["pre", "post"]
    state: JobState = JobState.WAITING
    error: JobError | None = None
    outcome: Literal["verdict", "refused", "failed"] | None = None
    verdict: Verdict | None = Field(default=None, description="with the ten worst segments inline")
    created_at: datetime
    booked_for: date | None = Field(default=None, description="the UTC day whose budget of video it is counted in")
    waits_until: datetime | None = Field(default=None, description="set when the budget of earlier days was spent")
    finished_at: datetime | None = None

    @property
    def due_at(self) -> datetime:
        """When its run was to begin, or to go on: it is late by what has passed since."""
        return self.waits_until or self.created_at


def job_id_for(media_id: str, identity: ObjectIdentity, template: Template, model_set: str, trigger: str) -> str:
    """The job's id: the same inputs give the same job, whichever event arrives first, however often.

    It starts with the media's id, and is at most 80 characters, so that it can name the execution.
    """
    parts = (identity.bucket, identity.key, identity.version_id, template.id, model_set, trigger)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{media_id}-{digest[:40]}"


def media_of(job_id: str) -> str:
    """The media that a job belongs to."""
    return job_id.partition("-")[0]
