"""NSFWJS (MobileNet v2): drawings, explicit drawings, neutral, explicit, suggestive; and an embedding."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.detectors.base import Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.plan import FrameSize

_SIDE = 224


@dataclass(frozen=True)
class Kinds:
    """Probabilities that add up to 1, in the network's order, and the picture's embedding (1280)."""

    drawing: float
    hentai: float
    neutral: float
    porn: float
    sexy: float
    embedding: npt.NDArray[np.float16]


class Nsfwjs:
    """Whole pictures, stretched to a square."""

    name: ClassVar[str] = "nsfwjs"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, picture: Picture) -> Kinds:
        probabilities, embedding = self._network.run(["probs", "embedding"], prepare(picture))
        drawing, hentai, neutral, porn, sexy = map(float, probabilities[0])
        return Kinds(drawing, hentai, neutral, porn, sexy, embedding[0].astype(np.float16))


def prepare(picture: Picture) -> Floats:
    """1 x 224 x 224 x 3, RGB 0..1."""
    square = picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    unit: Floats = np.multiply(np.asarray(square), np.float32(1 / 255), dtype=np.float32)
    return unit[np.newaxis]
