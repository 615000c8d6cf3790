"""Yahoo's open_nsfw: explicit or not."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from moderation.detectors.base import Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.plan import FrameSize

_SIDE = 224
_MARGIN = 16 / 256
"""Share of the picture that is cut off at each edge."""
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)


class OpenNsfw:
    """The middle of the picture, stretched to a square."""

    name: ClassVar[str] = "open_nsfw"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, picture: Picture) -> float:
        """The probability of explicit content."""
        (probabilities,) = self._network.run(["outputs"], prepare(picture))
        return float(probabilities[0, 1])


def prepare(picture: Picture) -> Floats:
    """1 x 224 x 224 x 3, BGR minus the mean of the training pictures."""
    left, top = picture.width * _MARGIN, picture.height * _MARGIN
    middle = (left, top, picture.width - left, picture.height - top)
    square = picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=middle)
    # Turned round and laid out in rows first: that is three times as fast.
    bgr = np.asarray(Image.merge("RGB", square.split()[::-1])).reshape(_SIDE, -1)
    centred: Floats = np.subtract(bgr, np.tile(_MEAN_BGR, _SIDE), dtype=np.float32)
    return centred.reshape(1, _SIDE, _SIDE, 3)
