"""What people say: decisions that override the machine, and feedback on verdicts."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from moderation.models.base import Model
from moderation.models.media import Comment, MediaId, Reason


class Review(Model):
    """A person's decision. Appended, never changed."""

    review_id: str
    media_id: MediaId
    decision: Literal["normal", "blocked"]
    reviewer: str
    reason: Reason = ""
    comment: Comment = ""
    revision: int = Field(description="the decision revision that this review made")
    created_at: datetime


class FrameFingerprint(Model):
    """What is kept of a frame so that feedback can be learnt from without decoding again."""

    time: float
    track: int = 0
    pdq: str | None = Field(default=None, description="256-bit PDQ hash, hex")
    embedding: str | None = Field(default=None, description="float16 vector, base64")


class Feedback(Model):
    """A person's word on a verdict or on one of its segments."""

    feedback_id: str
    media_id: MediaId
    job_id: str
    kind: Literal["false_positive", "false_negative", "correct"]
    label: str | None = None
    sub_label: str | None = None
    start: float | None = Field(default=None, ge=0)
    end: float | None = Field(default=None, ge=0)
    reporter: str
    comment: Comment = ""
    frames: tuple[FrameFingerprint, ...] = ()
    created_at: datetime
