"""Pictures of the owner's libraries shown again, whole or nearly so: a flag, a landmark, an emblem, a known picture.

The embedding says whether a frame may show one; the levels, compared place by place, say whether it does.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.detectors.base import Batch, Frame, Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.library import FILLING, Entry, entries
from moderation.detectors.lite import Lite
from moderation.models.observation import Observation

Floats = npt.NDArray[np.float32]

SIDE = 32
_LIKE = 0.5
_NEAREST = 4
_CROPS = (0.85, 0.7)
_CONTRAST = 12.0
"""Standard deviation of levels, below which a picture has too little in it to be compared by."""


class Likeness:
    """The geometric mean of how alike the embeddings are and how alike the levels are, for the best of each label."""

    name: ClassVar[str] = "likeness"

    def __init__(self, documents: Mapping[str, bytes | None]) -> None:
        self._documents = documents

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> list[Observation]:
        wanted = tuple(entry for entry in entries(self._documents) if (entry.label, entry.sub_label) != ("logo", "tv"))
        embedding = unit(frame.result(Lite).embedding.astype(np.float32))
        close = _vectors(wanted) @ embedding if wanted else np.zeros(0, np.float32)
        best: dict[tuple[str, str], tuple[float, str]] = {}
        views: Floats | None = None
        for index in np.argsort(-close)[:_NEAREST]:
            if close[index] < _LIKE:
                break
            views = levels(frame.rgb(CLASSIFY)) if views is None else views
            entry = wanted[index]
            score = float(np.sqrt(close[index] * alike(views, _levels(entry))))
            target = (entry.label, entry.sub_label)
            best[target] = max(best.get(target, (0.0, "")), (score, entry.name))
        return [frame.observation(self.name, *target, score, text=name) for target, (score, name) in best.items()]


def unit(vector: Floats) -> Floats:
    """The vector at length 1."""
    return vector / max(1e-6, float(np.linalg.norm(vector)))


def levels(picture: Picture) -> Floats:
    """Views x 1024: the whole picture, stretched to a square, and parts of it, each with mean 0 and length 1."""
    whole = picture.convert("L")
    return np.stack([_plain(view) for view in _views(whole)])


def alike(one: Floats, other: Floats) -> float:
    """How well one picture as a whole fits the other or a part of it, upright or mirrored: 0..1."""
    mirrored = other.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(other), -1)
    fits = (one[:1] @ other.T, one @ other[:1].T, one[:1] @ mirrored.T, one @ mirrored[:1].T)
    return max(0.0, *(float(fit.max()) for fit in fits))


def _views(whole: Image.Image) -> Iterator[Image.Image]:
    yield whole
    for share in _CROPS:
        width, height = (max(1, round(side * share)) for side in whole.size)
        for down in (0.0, 0.5, 1.0):
            for across in (0.0, 0.5, 1.0):
                left, top = round((whole.width - width) * across), round((whole.height - height) * down)
                yield whole.crop((left, top, left + width, top + height))


def _plain(view: Image.Image) -> Floats:
    values = np.asarray(view.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32).ravel()
    values -= values.mean()
    plain: Floats = values / max(float(np.linalg.norm(values)), _CONTRAST * SIDE)
    return plain


@lru_cache(maxsize=16)
def _vectors(wanted: tuple[Entry, ...]) -> Floats:
    return np.stack([unit(entry.vector.astype(np.float32)) for entry in wanted])


@lru_cache(maxsize=256)
def _levels(entry: Entry) -> Floats:
    picture = entry.picture
    ground = Image.new("L", picture.size, FILLING)
    return levels(Image.composite(picture.getchannel("L"), ground, picture.getchannel("A")))
