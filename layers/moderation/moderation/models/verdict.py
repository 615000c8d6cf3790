"""Segments, coverage and the verdict over one media."""

from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field

from moderation.models.base import Model
from moderation.models.observation import Box
from moderation.models.reading import Hit, HitSource
from moderation.models.template import Confidence, Form


class Suggestion(StrEnum):
    """What the machine suggests, from harmless to certain."""

    PASS = "pass"  # noqa: S105 -- the vendors' word for clean, not a password
    REVIEW = "review"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        return list(Suggestion).index(self)

    @classmethod
    def worst(cls, *suggestions: Self) -> Self:
        """The most severe of the given suggestions; pass when there is none."""
        return max(suggestions, key=lambda s: s.severity, default=cls("pass"))


class Segment(Model):
    """Findings of one sub_label merged over time. Times in seconds; both 0 for a cover."""

    start: float
    end: float
    form: Form
    label: str
    sub_label: str
    confidence: Confidence
    suggestion: Suggestion
    detector: str
    frames: int = Field(ge=1, description="how many looked-at frames hit")
    track: int = 0
    cover: int | None = Field(default=None, description="index of the cover, for form cover")
    area: Box | None = None
    text: str | None = None
    keywords: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = Field(default=(), description="where words that this rests on stand in `text`")
    source: HitSource | None = Field(default=None, description="what found it in a text")
    library: str | None = Field(default=None, description="the owner's library that the word stands in")
    picture_time: float = Field(default=0.0, description="presentation time of the evidence picture, in seconds")
    picture: str | None = Field(
        default=None, description="key of the evidence picture; a URL when shown through the API"
    )


class DetectorCoverage(Model):
    """How one detector fared over everything it was asked to look at."""

    state: Literal["ok", "failed", "skipped"]
    version: str | None = None
    looked: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    reason: str | None = None


class Coverage(Model):
    """What was looked at, against what the template asks for."""

    segments_planned: int = Field(ge=0)
    segments_scanned: int = Field(ge=0)
    frames_planned: int = Field(ge=0, description="sampled frames that had to be looked at")
    frames_decoded: int = Field(ge=0, description="of all frames of all tracks")
    frames_expected: int = Field(ge=0, description="that the packets of the container promise")
    frames_scored: int = Field(ge=0, description="looked at by every detector asked, duplicates included")
    duplicates: int = Field(ge=0, description="near-duplicate frames that carry another frame's scores")
    windows_planned: int = Field(default=0, ge=0, description="short windows that were worth a second look")
    windows_scanned: int = Field(default=0, ge=0)
    windows_frames: int = Field(default=0, ge=0, description="frames looked at for it, beside those scored")
    windows_left_out: int = Field(default=0, ge=0, description="stretches worth it for which the limit left none")
    covers_planned: int = Field(ge=0)
    covers_scanned: int = Field(ge=0)
    sound_seconds: float = Field(ge=0, description="length of sound in the media, summed over tracks")
    sound_heard_seconds: float = Field(ge=0, description="by every detector asked, summed over tracks")
    speech_seconds: float = Field(default=0.0, ge=0, description="of it in which somebody speaks")
    texts_read: int = Field(default=0, ge=0, description="title, lines in pictures and utterances that were judged")
    detectors: dict[str, DetectorCoverage]
    reduced: bool
    complete: bool
    gaps: tuple[str, ...] = Field(default=(), description="closed set of reasons why it is not complete")


class Versions(Model):
    """What produced a verdict, so that it can be told apart from the next one."""

    template: str
    models: str = Field(description="hash over every detector's name and version")
    sampling: str
    software: str


class Verdict(Model):
    """The machine's suggestion on one media, with its evidence and its coverage."""

    media_id: str
    job_id: str
    suggestion: Suggestion
    label: str | None = None
    sub_label: str | None = None
    form: Form | None = None
    confidence: Confidence = 0
    reasons: tuple[str, ...] = Field(default=(), description="why a verdict without a finding is not pass")
    evasions: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    segments_total: int = 0
    segments_file: str | None = Field(
        default=None, description="key of the whole verdict; a URL when shown through the API, as are the next two"
    )
    transcript_file: str | None = Field(default=None, description="what is said, as WebVTT")
    texts_file: str | None = Field(default=None, description="what the pictures show in writing, as WebVTT")
    duration: float = 0.0
    coverage: Coverage
    versions: Versions
    created_at: datetime
