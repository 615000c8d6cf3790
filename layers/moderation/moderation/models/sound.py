"""What is heard: the outcome of the scan_audio step. Times are seconds on the media's presentation timeline."""

from pydantic import Field

from moderation.models.base import Model
from moderation.models.observation import Observation, Score


class Word(Model):
    """One word of speech, its times good to about a second."""

    text: str
    start: float
    end: float


class Utterance(Model):
    """A stretch of speech as it was recognised. `score` is how sure the recogniser is of it."""

    start: float
    end: float
    text: str
    language: str = Field(description="ISO 639-1, such as en or zh; empty where it is not known")
    score: Score
    words: tuple[Word, ...] = ()


class SoundEvent(Model):
    """A moment of sound in which something other than speech was heard."""

    start: float
    end: float
    observations: tuple[Observation, ...]


class TrackHearing(Model):
    """What was heard on one audio track of a segment.

    `heard` counts the seconds that every detector asked for listened to, `speech` those in which somebody speaks.
    """

    track: int = Field(description="stream index in the container")
    planned: float = Field(ge=0, description="seconds that this track sounds in the segment")
    heard: float = Field(ge=0)
    speech: float = Field(ge=0)
    events: tuple[SoundEvent, ...] = ()
    utterances: tuple[Utterance, ...] = ()
    failed: dict[str, str] = Field(default_factory=dict, description="detector name → reason")


class Hearing(Model):
    """The outcome of listening to one segment with every detector that the template needs for sound."""

    index: int = Field(ge=0)
    tracks: tuple[TrackHearing, ...]
    detectors: dict[str, str] = Field(description="detector name → version, all that were asked to listen")
