"""Yahoo's open_nsfw: explicit or not."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from moderation.detectors.base import Pixels
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.plan import FrameSize

_SIDE = 256
_CROP = 224
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)


class OpenNsfw:
    """The middle of the picture, stretched to a square."""

    name: ClassVar[str] = "open_nsfw"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, picture: Pixels) -> float:
        """The probability of explicit content."""
        (probabilities,) = self._network.run(["outputs"], prepare(picture))
        return float(probabilities[0, 1])


def prepare(picture: Pixels) -> Floats:
    """1 x 224 x 224 x 3, BGR minus the mean of the training pictures."""
    square = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    start = (_SIDE - _CROP) // 2
    crop = np.asarray(square, dtype=np.float32)[start : start + _CROP, start : start + _CROP]
    return np.ascontiguousarray((crop[:, :, ::-1] - _MEAN_BGR)[np.newaxis])
