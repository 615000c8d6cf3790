"""Weapons: the heads over the whole picture, and a head of its own over close-ups of the people in it."""

from pathlib import Path
from typing import ClassVar

from moderation.detectors import heads
from moderation.detectors.base import Batch, Frame, Picture
from moderation.detectors.catalog import DETAIL
from moderation.detectors.closeups import around_people, cut
from moderation.detectors.lite import Lite
from moderation.detectors.nanodet import NanoDet
from moderation.models.observation import Box, Observation

CLOSE = heads.SHIPPED.with_name("close.json")
TARGET = ("terror", "weapon")
_ASKED, _CERTAIN = 0.15, 0.9
"""Below, nobody is looked for: nine of ten pictures without weapons are. From the upper one on the whole says all."""
_ODDS = 0.5
"""By which those of a close-up are taken: of three to a picture any may err."""


class Weapons:
    """The stronger of the two scores; that of a close-up comes with its place.

    A picture costs one run of Lite, and where that leaves a doubt, one of NanoDet and one more of Lite for each of at
    most three people.
    """

    name: ClassVar[str] = "weapons"

    def __init__(self, whole: Path = heads.SHIPPED, close: Path = CLOSE) -> None:
        self._whole, self._close = whole, close

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[self._look(frame)] for frame in frames]

    def _look(self, frame: Frame) -> Observation:
        score, kind = heads.judged(heads.load(self._whole), frame.result(Lite))[TARGET]
        place: Box | None = None
        if _ASKED <= score < _CERTAIN:
            picture = frame.rgb(DETAIL)
            for box in around_people(frame.result(NanoDet), picture):
                near = self._near(frame, cut(picture, box))
                if near > score:
                    score, place = near, box
        return frame.observation(self.name, *TARGET, score, box=place, text=kind)

    def _near(self, frame: Frame, picture: Picture) -> float:
        chance = max(heads.load(self._close).scores(Lite(frame.weights).run(picture)).values())
        return _ODDS * chance / (_ODDS * chance + 1 - chance)
