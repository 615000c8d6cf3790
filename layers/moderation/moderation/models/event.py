"""Events that leave on the bus. `detail` is the documented, versioned part."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from moderation.models.base import Model
from moderation.models.job import JobError, JobState
from moderation.models.media import MediaStatus
from moderation.models.template import Form
from moderation.models.verdict import Suggestion

SOURCE = "greenlight"


class MediaUploaded(Model):
    """A signed upload arrived and became a media."""

    type: Literal["Media Uploaded"] = "Media Uploaded"
    schema_version: Literal["1"] = "1"
    event_id: str
    occurred_at: datetime
    media_id: str
    size: int
    version_id: str
    session_context: str = ""
    source_context: str = ""


class ModerationCompleted(Model):
    """A job reached its end: with a verdict, a refusal or a failure."""

    type: Literal["Moderation Completed"] = "Moderation Completed"
    schema_version: Literal["1"] = "1"
    event_id: str
    occurred_at: datetime
    media_id: str
    job_id: str
    state: JobState
    outcome: Literal["verdict", "refused", "failed"]
    error: JobError | None = None
    suggestion: Suggestion | None = None
    label: str | None = None
    sub_label: str | None = None
    form: Form | None = None
    confidence: int | None = None
    coverage_complete: bool | None = None
    template: str
    session_context: str = ""
    source_context: str = ""


class ModerationDeferred(Model):
    """The day's budget of video is spent: a job waits until `waits_until`, and goes on by itself."""

    type: Literal["Moderation Deferred"] = "Moderation Deferred"
    schema_version: Literal["1"] = "1"
    event_id: str
    occurred_at: datetime
    media_id: str
    job_id: str
    waits_until: datetime
    seconds: int = Field(description="how much video the job is about")
    template: str
    session_context: str = ""
    source_context: str = ""


class MediaStatusChanged(Model):
    """Whether a media may be played has been decided anew."""

    type: Literal["Media Status Changed"] = "Media Status Changed"
    schema_version: Literal["1"] = "1"
    event_id: str
    occurred_at: datetime
    media_id: str
    status: MediaStatus
    previous: MediaStatus
    revision: int
    decided_by: Literal["machine", "person", "owner"]
    job_id: str | None = None
    session_context: str = ""
    source_context: str = ""


Event = Annotated[
    MediaUploaded | ModerationDeferred | ModerationCompleted | MediaStatusChanged, Field(discriminator="type")
]


def entry(event: Event) -> dict[str, Any]:
    """The event as the parts of an EventBridge entry: source, detail-type, detail."""
    return {"source": SOURCE, "detail_type": event.type, "detail": event.model_dump(mode="json", exclude={"type"})}
