"""PP-OCR's recogniser: what a line of text says."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from moderation.detectors.base import Picture
from moderation.detectors.inference import Floats, Network

HEIGHT = 48
"""Pixels that a line is high for the network."""
_SHORTEST, _LONGEST = 48, 3200
"""Widths between which a line is read. A longer one than fits is squeezed."""
_STEP = 160
"""Lines are read together when this many pixels hold their widths apart: what is added to the shorter costs time."""
_TOGETHER = 2560
"""Pixels of width read at once: the answer is some thousand numbers for every eighth of them."""
_BLANK = 0


class Reading(NamedTuple):
    """What a line says and how surely (0..1): the mean over its characters. An empty one is not sure at all."""

    text: str
    score: float


class TextLines:
    """The network with its symbols."""

    def __init__(self, weights: Path, name: str) -> None:
        self._network = Network(weights, name)
        self._symbols = weights / f"{name}.txt"

    def read(self, lines: Sequence[Picture]) -> list[Reading]:
        """What each level line says, in order."""
        widths = [min(_LONGEST, max(_SHORTEST, round(HEIGHT * line.width / line.height))) for line in lines]
        readings = [Reading("", 0.0)] * len(lines)
        for batch in _batches(widths):
            drawn = np.zeros((len(batch), 3, HEIGHT, max(widths[number] for number in batch)), np.float32)
            for place, number in enumerate(batch):
                drawn[place, :, :, : widths[number]] = prepare(lines[number], widths[number])
            (answers,) = self._network.run(["fetch_name_0"], drawn)
            for number, answer in zip(batch, answers, strict=True):
                readings[number] = decode(answer, _read(self._symbols))
        return readings


def prepare(line: Picture, width: int) -> Floats:
    """3 x 48 x width: BGR -1..1."""
    small = line.resize((width, HEIGHT), Image.Resampling.BILINEAR)
    bgr = np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1)[::-1])
    return bgr.astype(np.float32) / np.float32(127.5) - np.float32(1)


def decode(answer: Floats, symbols: Sequence[str]) -> Reading:
    """From the likelihood of each symbol at each place: of equal neighbours one counts, and blanks part them."""
    likeliest = answer.argmax(axis=1)
    kept = (likeliest != _BLANK) & (likeliest != np.concatenate([[_BLANK], likeliest[:-1]]))
    if not kept.any():
        return Reading("", 0.0)
    text = "".join(symbols[index] for index in likeliest[kept])
    return Reading(text, float(answer.max(axis=1)[kept].mean()))


def _batches(widths: Sequence[int]) -> Iterator[list[int]]:
    """The lines' numbers, those of like width together."""
    groups: dict[int, list[int]] = {}
    for number, width in enumerate(widths):
        groups.setdefault(-(-width // _STEP), []).append(number)
    for steps, numbers in sorted(groups.items()):
        most = max(1, _TOGETHER // (steps * _STEP))
        for first in range(0, len(numbers), most):
            yield numbers[first : first + most]


@cache
def _read(path: Path) -> tuple[str, ...]:
    """The network's symbols in its order: the blank, those of the file, the space."""
    return "", *path.read_text(encoding="utf-8").splitlines(), " "
