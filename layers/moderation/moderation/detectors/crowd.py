"""Crowds: a head over the whole picture, and how many people can be told apart where it asks."""

from pathlib import Path
from typing import ClassVar

from moderation.detectors import heads
from moderation.detectors.base import Batch, Frame
from moderation.detectors.lite import Lite
from moderation.detectors.nanodet import NanoDet
from moderation.models.observation import Observation

TARGET = ("terror", "crowd")
_ASKED = 0.3
"""Below, nobody is counted: that costs more than the head."""


class Crowd:
    """The head's score; its text is the number of people that NanoDet tells apart, some of a large crowd.

    The number has no part in the score: it made it no better (docs/models/things.md).
    """

    name: ClassVar[str] = "crowd"

    def __init__(self, path: Path = heads.SHIPPED) -> None:
        self._path = path

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[self._look(frame)] for frame in frames]

    def _look(self, frame: Frame) -> Observation:
        score, _ = heads.judged(heads.load(self._path), frame.result(Lite))[TARGET]
        return frame.observation(self.name, *TARGET, score, text=_counted(frame) if score >= _ASKED else None)


def _counted(frame: Frame) -> str:
    count = sum(thing.label == "person" for thing in frame.result(NanoDet))
    return f"{count} people" if count != 1 else "1 person"
