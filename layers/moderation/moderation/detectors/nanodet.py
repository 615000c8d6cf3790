"""NanoDet: people, vehicles and everyday things of the COCO set, with their places."""

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from moderation.detectors.base import Picture
from moderation.detectors.boxes import Letterbox, strongest
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.inference import Floats, Network
from moderation.models.observation import Box
from moderation.models.plan import FrameSize

# fmt: off
LABELS = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on
"""In the network's order."""

SIDE = 416
_STRIDES = (8, 16, 32)
_BINS = 11
"""A distance is a distribution over 0..10 cells."""
_MEAN_BGR = np.array([103.53, 116.28, 123.675], dtype=np.float32).reshape(3, 1, 1)
_SCALE_BGR = 1 / np.array([57.375, 57.12, 58.395], dtype=np.float32).reshape(3, 1, 1)
_WEAKEST = 0.3
_OVERLAP = 0.6
_MOST = 300


class Thing(NamedTuple):
    """What it is (one of `LABELS`), how surely (0..1) and where."""

    label: str
    score: float
    box: Box


class NanoDet:
    """Whole pictures, letterboxed."""

    name: ClassVar[str] = "nanodet"
    size: ClassVar[FrameSize] = CLASSIFY

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, picture: Picture) -> tuple[Thing, ...]:
        """Strongest first, none weaker than 0.3."""
        frame = Letterbox.around(picture, SIDE)
        maps = self._network.run([f"stride{stride}" for stride in _STRIDES], prepare(frame.draw(picture)))
        return decode([level[0] for level in maps], frame)


def prepare(square: Picture) -> Floats:
    """1 x 3 x 416 x 416: BGR, normalised."""
    # Turned round before it becomes float: that is five times as fast.
    bgr = np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1)[::-1])
    normal: Floats = np.subtract(bgr, _MEAN_BGR, dtype=np.float32)
    normal *= _SCALE_BGR
    return normal[np.newaxis]


def decode(maps: list[Floats], frame: Letterbox) -> tuple[Thing, ...]:
    """From the network's maps at strides 8, 16 and 32 to things of the picture.

    Each map is 124 x rows x columns: the logits of 80 labels, then for left, top, right and bottom of a box the
    logits of 11 distances from the middle of the cell, in cells.
    """
    faintest = np.log(_WEAKEST / (1 - _WEAKEST))
    kinds, logits, corners = [], [], []
    for stride, level in zip(_STRIDES, maps, strict=True):
        kind, row, column = np.nonzero(level[: len(LABELS)] > faintest)
        shares = np.exp(level[len(LABELS) :, row, column].reshape(4, _BINS, -1))
        left, top, right, bottom = np.einsum("sbn,b->sn", shares, np.arange(_BINS)) / shares.sum(axis=1)
        x, y = column + 0.5, row + 0.5
        kinds.append(kind)
        logits.append(level[kind, row, column])
        corners.append(stride * np.stack([x - left, y - top, x + right, y + bottom], axis=1))
    kind, places = np.concatenate(kinds), np.concatenate(corners)
    scores = 1 / (1 + np.exp(-np.concatenate(logits)))
    kept = strongest(places, scores, kind, overlap=_OVERLAP, most=_MOST)
    return tuple(Thing(LABELS[kind[index]], float(scores[index]), frame.box(places[index])) for index in kept)
