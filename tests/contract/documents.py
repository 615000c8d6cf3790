"""Small valid documents for the contract tests."""

from datetime import UTC, datetime, timedelta

from moderation.models.event import MediaStatusChanged
from moderation.models.job import Job, JobState
from moderation.models.media import Media, MediaStatus, ObjectIdentity, Procedure
from moderation.models.review import Feedback, FrameFingerprint, Review
from moderation.models.template import Form, Rule, Template

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
MEDIA_ID = "0123456789abcdef" * 2


def media(media_id: str = MEDIA_ID, **changes: object) -> Media:
    waiting = Media(
        media_id=media_id,
        status=MediaStatus.UPLOADING,
        file_name="été.mp4",
        content_type="video/mp4",
        size=1000,
        procedure=Procedure(name="default_pre", template="default", mode="pre"),
        created_at=NOW,
        updated_at=NOW,
    )
    return waiting.model_copy(update=changes)


def job(number: int = 1, media_id: str = MEDIA_ID, state: JobState = JobState.WAITING) -> Job:
    return Job(
        job_id=f"{media_id}-{number:040x}",
        media_id=media_id,
        trigger="upload",
        identity=ObjectIdentity(bucket="uploads", key=f"media/{media_id}/source", version_id="v1", size=1000),
        template=Template(
            name="default",
            revision=1,
            rules=(Rule(label="porn", sub_label="explicit", forms=frozenset({Form.IMAGE}), review=60),),
        ),
        mode="pre",
        state=state,
        created_at=NOW - timedelta(minutes=number),
    )


def event(number: int = 1, media_id: str = MEDIA_ID) -> MediaStatusChanged:
    return MediaStatusChanged(
        event_id=f"event-{number}",
        occurred_at=NOW,
        media_id=media_id,
        status=MediaStatus.NORMAL,
        previous=MediaStatus.CHECKING,
        revision=number,
        decided_by="machine",
    )


def review(number: int = 1, media_id: str = MEDIA_ID) -> Review:
    return Review(
        review_id=f"review-{number}",
        media_id=media_id,
        decision="blocked",
        reviewer="ada",
        revision=number,
        created_at=NOW + timedelta(seconds=number),
    )


def feedback(number: int = 1, media_id: str = MEDIA_ID, weight: int = 0) -> Feedback:
    return Feedback(
        feedback_id=f"feedback-{number}",
        media_id=media_id,
        job_id=job(media_id=media_id).job_id,
        kind="correct",
        reporter="ada",
        frames=(FrameFingerprint(time=0.0, embedding="A" * weight),) if weight else (),
        created_at=NOW + timedelta(milliseconds=number),
    )
