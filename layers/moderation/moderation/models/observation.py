"""Raw detector output: what was seen, where and how strongly. No judgement."""

from typing import Annotated

from pydantic import Field

from moderation.models.base import Model
from moderation.models.template import Form

Score = Annotated[float, Field(ge=0.0, le=1.0)]


class Box(Model):
    """A rectangle as fractions of the shown picture, origin top left."""

    left: float = Field(ge=0, le=1)
    top: float = Field(ge=0, le=1)
    width: float = Field(ge=0, le=1)
    height: float = Field(ge=0, le=1)


class Observation(Model):
    """One score of one detector for one (label, sub_label) on one frame, cover or stretch of sound."""

    detector: str
    form: Form
    label: str
    sub_label: str
    score: Score
    box: Box | None = None
    text: str | None = None


class FrameLook(Model):
    """One looked-at frame: its place in time, what was observed, and which detectors failed on it.

    `time` is in seconds on the media's own presentation timeline; `duplicate_of` names the ordinal
    whose scores are carried over.
    """

    ordinal: int = Field(ge=0)
    track: int = Field(default=0, ge=0)
    time: float
    cut: bool = Field(default=False, description="it differs suddenly from the frame before it")
    duplicate_of: int | None = None
    observations: tuple[Observation, ...] = ()
    failed: dict[str, str] = Field(default_factory=dict, description="detector name → reason")
    picture: str | None = Field(default=None, description="member of the frames archive to show as evidence")


class Scan(Model):
    """The outcome of looking at one segment or one cover with every detector the template needs."""

    index: int = Field(ge=0)
    looks: tuple[FrameLook, ...]
    detectors: dict[str, str] = Field(description="detector name → version, all that were asked to look")
    planned: int = Field(ge=0, description="frames that had to be looked at")
    decoded: int = Field(ge=0, description="frames that ffmpeg decoded")
    expected: int = Field(ge=0, description="frames that the container says there are")
    damaged: int = Field(default=0, ge=0, description="frames that the decoder lost or had to patch up")
    reduced: bool = Field(default=False, description="looked at less than every frame, on purpose")
    capped: bool = Field(default=False, description="more scene changes than are looked at")
