"""PP-OCR's detector: where in a picture there are lines of text, level, slanted or upright."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import atan2, ceil, cos, hypot, radians, sin
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.detectors.base import Picture
from moderation.detectors.boxes import Numbers
from moderation.detectors.inference import Floats, Network

_STRIDE = 32
_SQUEEZED = 0.25
"""Sides of pictures are multiples of this; for less than so much of one, a picture is rather squeezed."""
_MEAN_BGR = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1) * 255
_SCALE_BGR = 1 / (np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1) * 255)
_INSIDE = 0.3
_WEAKEST = 0.5
_THINNEST = 3
_GROWTH = 1.6
"""The network marks the inside of a line only: a frame as broad as area by perimeter, so many times, is missing."""
_ANGLES = np.radians(np.arange(-45, 46, 1.0))
_LEVEL = 0.003
"""By how much larger per degree a rectangle may be for being level: of blots any angle is as good as another."""
_UPRIGHT = 1.5
"""Height to width from which the characters stand one above the other."""

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.floating[Any]]


class Run(NamedTuple):
    """Pixels of one row, from `start` to before `end`."""

    row: int
    start: int
    end: int


@dataclass(frozen=True)
class Rectangle:
    """Of `width` by `height` around (`x`, `y`), turned clockwise by `angle` radians. The text runs along its width."""

    x: float
    y: float
    width: float
    height: float
    angle: float

    def cut(self, picture: Picture, height: int = 1) -> Picture:
        """What it holds, level, made larger where it is lower than `height`. What lies outside the picture is black."""
        scale = max(1.0, height / self.height)
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        across, down = cos(self.angle) / scale, sin(self.angle) / scale
        left = self.x - (across * size[0] - down * size[1]) / 2
        top = self.y - (down * size[0] + across * size[1]) / 2
        turn = (across, -down, left, down, across, top)
        return picture.transform(size, Image.Transform.AFFINE, turn, Image.Resampling.BICUBIC)

    def bounds(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom of what it covers."""
        across, down = abs(cos(self.angle)), abs(sin(self.angle))
        half = (self.width * across + self.height * down) / 2, (self.width * down + self.height * across) / 2
        return self.x - half[0], self.y - half[1], self.x + half[0], self.y + half[1]

    def grown(self) -> "Rectangle":
        """The line of which this is the inside that the network marks."""
        frame = _GROWTH * self.width * self.height / (self.width + self.height)
        return Rectangle(self.x, self.y, self.width + frame, self.height + frame, self.angle)

    def placed(self, left: float, top: float, scale_x: float, scale_y: float) -> "Rectangle":
        """The same in a picture of which this one, stretched by these factors, is the part that begins there."""
        across, down = cos(self.angle) * scale_x, sin(self.angle) * scale_y
        longer = hypot(across, down)
        return Rectangle(
            left + self.x * scale_x,
            top + self.y * scale_y,
            self.width * longer,
            self.height * scale_x * scale_y / longer,
            atan2(down, across),
        )


class TextBoxes:
    """The network over pictures of any size."""

    def __init__(self, weights: Path, name: str) -> None:
        self._network = Network(weights, name)

    def map(self, picture: Picture, scale: float = 1.0) -> Floats:
        """How surely (0..1) each pixel is inside a line of text, rows by columns, of the picture at about `scale`."""
        width, height = (max(1, ceil(side * scale / _STRIDE - _SQUEEZED)) * _STRIDE for side in picture.size)
        if (width, height) != picture.size:
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        # Turned round before it becomes float: that is much faster.
        bgr = np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1)[::-1])
        batch = ((bgr - _MEAN_BGR) * _SCALE_BGR)[np.newaxis].astype(np.float32, copy=False)
        (found,) = self._network.run(["fetch_name_0"], batch)
        inside: Floats = found[0, 0]
        return inside

    def find(self, picture: Picture, scale: float = 1.0) -> list[Rectangle]:
        """Lines of text, in pixels of the picture, from top to bottom."""
        found = self.map(picture, scale)
        scale_x, scale_y = picture.width / found.shape[1], picture.height / found.shape[0]
        lines = [line.placed(0, 0, scale_x, scale_y) for line in rectangles(found)]
        return sorted(lines, key=lambda line: (line.y, line.x))


def rectangles(found: Floats) -> Iterator[Rectangle]:
    """The lines that a map of the network shows."""
    for blot in blots(found > _INSIDE):
        inside = np.concatenate([found[run.row, run.start : run.end] for run in blot])
        core = around(blot)
        if inside.mean() < _WEAKEST or min(core.width, core.height) < _THINNEST:
            continue
        line = core.grown()
        if line.height >= _UPRIGHT * line.width:
            # As if the picture were turned to the left: from top to bottom becomes from left to right.
            line = Rectangle(line.x, line.y, line.height, line.width, line.angle + radians(90))
        yield line


def blots(mask: Mask) -> list[list[Run]]:
    """The connected parts of a mask, corners touching counted, each as its rows' runs in order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    runs = [Run(*run) for run in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)]
    parents = list(range(len(runs)))
    for one, other in _touching(runs):
        parents[_root(parents, other)] = _root(parents, one)
    parts: defaultdict[int, list[Run]] = defaultdict(list)
    for number, run in enumerate(runs):
        parts[_root(parents, number)].append(run)
    return list(parts.values())


def _touching(runs: list[Run]) -> Iterator[tuple[int, int]]:
    """Pairs of runs in neighbouring rows that touch, by their numbers."""
    rows = [number for number, run in enumerate(runs) if number == 0 or run.row != runs[number - 1].row]
    rows.append(len(runs))
    for above, here, below in zip(rows, rows[1:], rows[2:], strict=False):
        if runs[here].row != runs[above].row + 1:
            continue
        one, other = above, here
        while one < here and other < below:
            if runs[one].start <= runs[other].end and runs[other].start <= runs[one].end:
                yield one, other
            if runs[one].end < runs[other].end:
                one += 1
            else:
                other += 1


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def around(blot: Iterable[Run]) -> Rectangle:
    """The smallest rectangle around it, no steeper than 45 degrees."""
    corners = np.array([(x, y) for row, start, end in blot for x in (start, end) for y in (row, row + 1)], np.float64)
    lows, spans = _extents(corners, _ANGLES)
    best = int(np.argmin(spans.prod(axis=1) * (1 + _LEVEL * np.degrees(np.abs(_ANGLES)))))
    angle, (width, height) = float(_ANGLES[best]), spans[best]
    along, below = lows[best] + spans[best] / 2
    across, down = cos(angle), sin(angle)
    return Rectangle(across * along - down * below, down * along + across * below, float(width), float(height), angle)


def _extents(points: Points, angles: Numbers) -> tuple[Points, Points]:
    """For each angle, where the points begin and how far they reach along the two axes that are turned by it."""
    across, down = np.cos(angles)[:, np.newaxis], np.sin(angles)[:, np.newaxis]
    x, y = points[:, 0], points[:, 1]
    turned = np.stack([across * x + down * y, across * y - down * x], axis=1)
    lows = turned.min(axis=2)
    return lows, turned.max(axis=2) - lows
