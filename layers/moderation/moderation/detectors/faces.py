"""BlazeFace (full range): faces and their places."""

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from moderation.detectors.base import Picture
from moderation.detectors.boxes import Letterbox, strongest
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.observation import Box
from moderation.models.plan import FrameSize

_SIDE = 192
_CELLS = 48
"""The network looks for a face around the middle of each of 48 x 48 cells."""
_WEAKEST = 0.5
_OVERLAP = 0.3
_MOST = 300


class Face(NamedTuple):
    """How surely (0..1) and where."""

    score: float
    box: Box


class Faces:
    """Whole pictures, letterboxed. Small faces and profiles are missed."""

    name: ClassVar[str] = "faces"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, picture: Picture) -> tuple[Face, ...]:
        """Strongest first, none weaker than 0.5."""
        frame = Letterbox.around(picture, _SIDE)
        boxes, logits = self._network.run(["boxes", "scores"], prepare(frame.draw(picture)))
        return decode(boxes[0], logits[0, :, 0], frame)


def prepare(square: Picture) -> Floats:
    """1 x 192 x 192 x 3, RGB -1..1."""
    return np.asarray(square, np.float32)[np.newaxis] / np.float32(127.5) - np.float32(1)


def decode(boxes: Floats, logits: Floats, frame: Letterbox) -> tuple[Face, ...]:
    """From what each cell says, row by row, to faces.

    The first four numbers of a cell's box are in pixels: x and y of the middle of the face from the middle of the
    cell, width, height.
    """
    (cells,) = np.nonzero(logits > np.log(_WEAKEST / (1 - _WEAKEST)))
    row, column = np.divmod(cells, _CELLS)
    middles = (np.stack([column, row], axis=1) + 0.5) * (_SIDE / _CELLS) + boxes[cells, :2]
    halves = boxes[cells, 2:4] / 2
    corners = np.concatenate([middles - halves, middles + halves], axis=1)
    scores = 1 / (1 + np.exp(-logits[cells]))
    kept = strongest(corners, scores, np.zeros_like(cells), overlap=_OVERLAP, most=_MOST)
    return tuple(Face(float(scores[index]), frame.box(corners[index])) for index in kept)
