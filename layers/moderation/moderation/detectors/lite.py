"""EfficientNet-Lite3: what a picture shows in ImageNet's words, and an embedding for heads and likeness."""

from functools import cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.detectors.base import Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Levels, Network
from moderation.models.plan import FrameSize

_SIDE = 280
_TAGS = 5


class Tag(NamedTuple):
    """A name of ImageNet's, with its synonyms, and its probability."""

    name: str
    score: float


class Impression(NamedTuple):
    """The likeliest tags, likeliest first, the embedding (1280), and the probability of every tag (1000)."""

    tags: tuple[Tag, ...]
    embedding: npt.NDArray[np.float16]
    chances: npt.NDArray[np.float16]


class Lite:
    """Whole pictures, stretched to a square."""

    name: ClassVar[str] = "lite"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)
        self._names = weights / "lite_tags.txt"

    def run(self, picture: Picture) -> Impression:
        probabilities, embedding = self._network.run(["tags", "embedding"], prepare(picture))
        likeliest = np.argsort(-probabilities[0])[:_TAGS]
        names = _read(self._names)
        tags = tuple(Tag(names[index], float(probabilities[0, index])) for index in likeliest)
        return Impression(tags, embedding[0].astype(np.float16), probabilities[0].astype(np.float16))


def prepare(picture: Picture) -> Levels:
    """1 x 280 x 280 x 3, RGB 0..255; normalisation is part of the network."""
    return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))[np.newaxis]


@cache
def _read(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").splitlines())
