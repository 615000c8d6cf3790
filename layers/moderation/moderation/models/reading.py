"""What is read: the outcome of the scan_text step. Times are seconds on the media's presentation timeline."""

from enum import StrEnum

from pydantic import Field

from moderation.models.base import Model
from moderation.models.observation import Box, Score
from moderation.models.template import Form


class HitSource(StrEnum):
    """What found something in a text."""

    LIST = "list"
    LIBRARY = "library"
    PATTERN = "pattern"
    RULE = "rule"
    CLASSIFIER = "classifier"
    PROTOTYPE = "prototype"


class Text(Model):
    """One text with its place: the title, a line of text that stands in the picture for a while, an utterance.

    Form title has no place in time; a text on a cover has the form cover and its index.
    """

    form: Form
    text: str
    start: float = 0.0
    end: float = 0.0
    track: int = 0
    cover: int | None = None
    area: Box | None = None
    picture_time: float = Field(default=0.0, description="presentation time of the frame that shows it best")
    language: str = ""
    score: Score = Field(default=1.0, description="how sure the recogniser is of it")


class Hit(Model):
    """Words of the text that a finding rests on: `start` and `end` count characters of the text as it was read."""

    word: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class TextFinding(Model):
    """Something found in a text. `score` is 0–1; `hits` is empty where the text as a whole was judged."""

    label: str
    sub_label: str
    score: Score
    source: HitSource
    hits: tuple[Hit, ...] = ()
    library: str | None = Field(default=None, description="the owner's library that the word stands in")


class JudgedText(Model):
    """One text and all that was found in it."""

    text: Text
    findings: tuple[TextFinding, ...] = ()


class Reading(Model):
    """The outcome of judging all texts of one media: its title, what its pictures show and what is said in it."""

    texts: tuple[JudgedText, ...]
    detectors: dict[str, str] = Field(description="detector name → version, all that were asked to judge")
    failed: dict[str, str] = Field(default_factory=dict, description="detector name → reason")
