"""A picture in the picture: a rectangle that stays in its place while what it shows and what is around it move apart.

Where an inner picture begins, neighbouring pixels differ sharply along an exactly straight line, in nearly every frame
whatever the two pictures show. Edges of things in one picture are blurred, crooked, or move. So lines that persist are
looked for, four of which (two in a corner of the frame) make a rectangle, in which something moves, and not with what
lies on the other side of its border.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from moderation.detectors.base import Frame, Moment
from moderation.detectors.catalog import CLASSIFY
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Marks = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]

_STEP = 6
"""Levels by which the step over a line exceeds what changes in the next three pixels on either side of it."""
_CELL = 8
_SMALL = 4
_REACH = 3
_MOVING = 5.0
"""Standard deviation over time, in levels, from which a pixel moves: more than a codec's noise."""
_APART = 0.7
_ALIVE = 0.15
_RIM = 0.2
"""At the edge of the frame what moves has to do so in the middle: around a panel that stands still much moves, too."""
_SHORTEST, _LONGEST = 0.14, 0.75
_USUAL, _SMALLNESS = 0.3, 0.6
"""A rectangle of less than this share of the frame's sides needs stronger lines: short ones persist by chance."""
_CANDIDATES = 24
_BARS = (256, 150, 125, 100, 80, 65, 50)
"""Of 255: how often the weakest line of a rectangle stands, in the order that they are looked at."""
_WINDOW, _STRIDE, _FEWEST = 12, 6, 6
_APART_SECONDS = 0.9
_REPORTED = 0.2


class Sketch(NamedTuple):
    """What is kept of a frame: where sharp steps stand, one bit a pixel, and its luma at a quarter of the size."""

    shape: tuple[int, int]
    upright: Marks
    level: Marks
    luma: Levels


class Found(NamedTuple):
    """A rectangle: left, top, right, bottom as fractions of the frame, and how surely it is a picture of its own."""

    score: float
    corners: tuple[float, float, float, float]

    @property
    def box(self) -> Box:
        left, top, right, bottom = self.corners
        return Box(left=left, top=top, width=right - left, height=bottom - top)


class Pip:
    """The share of frames in which the weakest side of the surest rectangle stands; see `find`."""

    name: ClassVar[str] = "pip"

    def note(self, frame: Frame) -> Sketch:
        picture = frame.gray(CLASSIFY)
        luma = np.asarray(picture)
        upright, level = _steps(luma, 1), _steps(luma, 0)
        return Sketch(luma.shape, np.packbits(upright), np.packbits(level), np.asarray(picture.reduce(_SMALL)))

    def follow(self, moments: Sequence[Moment[Sketch]]) -> list[list[Observation]]:
        best: list[Found | None] = [None] * len(moments)
        for start, end in _windows(moments):
            found = find([moments[index].note for index in _distinct(moments, start, end)])
            for index in range(start, end) if found else ():
                best[index] = max(filter(None, (best[index], found)))
        return [self._observed(found) for found in best]

    def _observed(self, found: Found | None) -> list[Observation]:
        if found is None or found.score < _REPORTED:
            return []
        seen = Observation(
            detector=self.name,
            form=Form.IMAGE,
            label="undesirable",
            sub_label="pip",
            score=round(min(1.0, found.score), 4),
            box=found.box,
        )
        return [seen]


def find(sketches: Sequence[Sketch]) -> Found | None:
    """The surest rectangle over some frames of one shape; None where fewer than six differ, or nothing is like one.

    Its score is how often the weakest of its sides stands, less where it is small.
    """
    if len(sketches) < _FEWEST:
        return None
    shape = sketches[0].shape
    upright, level = (
        np.stack([_unpack(marks, shape) for marks in each]).mean(axis=0, dtype=np.float32)
        for each in ([sketch.upright for sketch in sketches], [sketch.level for sketch in sketches])
    )
    luma = np.stack([sketch.luma for sketch in sketches]).astype(np.float32)
    luma -= luma.mean(axis=0)
    lines = _Lines(upright), _Lines(level.T)
    moving = luma.std(axis=0) > _MOVING
    found = [_judged(candidate, lines, luma, moving) for candidate in _candidates(lines, moving)]
    return max(found, default=None)


def _steps(luma: Levels, axis: int) -> npt.NDArray[np.bool_]:
    """Where a pixel's two neighbours along an axis differ more than anything within three pixels to either side."""
    padded = np.pad(luma, [(4, 4) if side == axis else (0, 0) for side in (0, 1)], mode="edge")

    def between(one: int, other: int) -> Levels:
        first, second = (
            padded[:, 4 + offset : 4 + offset + luma.shape[1]] if axis else padded[4 + offset :][: luma.shape[0]]
            for offset in (one, other)
        )
        return np.maximum(first, second) - np.minimum(first, second)

    step, around = between(-1, 1), np.maximum(between(-4, -1), between(1, 4))
    return np.maximum(step, around) - around > _STEP


def _unpack(bits: Marks, shape: tuple[int, int]) -> Marks:
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape)


class _Lines:
    """How often a step stands along lines of one direction. `rate` has the lines in its columns."""

    def __init__(self, rate: Array) -> None:
        self.long, self.count = rate.shape
        self._sums = _sums(rate)
        # The best line of each cell, part by part: a candidate need not know its line to the pixel.
        long, count = self.long // _CELL, self.count // _CELL
        parts = rate[: long * _CELL, : count * _CELL].reshape(long, _CELL, count, _CELL)
        self.cells = _sums(parts.mean(axis=1).max(axis=2))

    def rough(self, spans: Ints) -> Marks:
        """For spans (n x 2 cells) x lines, of 255, with the edges of the frame before the first and after the last."""
        ends = np.clip(spans + np.array((0, 1)), 0, self.cells.shape[0] - 1)
        means = (self.cells[ends[:, 1]] - self.cells[ends[:, 0]]) / (ends[:, 1] - ends[:, 0])[:, np.newaxis]
        return np.pad((means * 255).astype(np.uint8), ((0, 0), (1, 1)), constant_values=255)

    def exact(self, cell: int, start: int, end: int) -> tuple[float, int] | None:
        """The best line in or near a cell between two pixels, and how often it stands; None outside the frame."""
        if not 0 <= cell < self.count // _CELL:
            return None
        start, end = max(0, start), min(self.long, end)
        low, high = max(0, cell * _CELL - _REACH), min(self.count, (cell + 1) * _CELL + _REACH)
        rates = (self._sums[end, low:high] - self._sums[start, low:high]) / (end - start)
        return float(rates.max()), low + int(rates.argmax())


def _sums(values: Array) -> Array:
    """Sums down the columns of all rows before each."""
    return np.pad(values.cumsum(axis=0), ((1, 0), (0, 0)))


@cache
def _spans(count: int) -> Ints:
    """Pairs of cells that the sides of a rectangle may lie in; -1 and `count` are the edges of the frame."""
    least, most = max(4, round(count * _SHORTEST)), _LONGEST * count
    pairs = [(a, b) for a in range(-1, count) for b in range(a + least, count + 1) if b - a <= most]
    return np.array(pairs, np.intp).reshape(-1, 2)


_Candidate = tuple[int, int, int, int]
"""Cells of the left, right, upper and lower side."""


def _candidates(lines: tuple[_Lines, _Lines], moving: npt.NDArray[np.bool_]) -> Iterator[_Candidate]:
    """The most promising rectangles, of all there are on the grid of cells, with anything moving in them."""
    across, down = (_spans(one.count // _CELL) for one in lines)
    if not across.size or not down.size:
        return
    sides, ends = lines[0].rough(down), lines[1].rough(across).T
    weakest = np.minimum(sides[:, across[:, 0] + 1], sides[:, across[:, 1] + 1])
    np.minimum(weakest, ends[down[:, 0] + 1], out=weakest)
    np.minimum(weakest, ends[down[:, 1] + 1], out=weakest)
    per_cell = _CELL // _SMALL
    inner = np.pad(moving.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    best: list[tuple[float, _Candidate]] = []
    # Few rectangles have strong lines; weaker ones are looked at where those are too few. None promises more than its
    # weakest line.
    for above, bar in pairwise(_BARS):
        rows, columns = np.divmod(np.flatnonzero((weakest >= bar) & (weakest < above)), len(across))
        (top, bottom), (left, right) = down[rows].T, across[columns].T
        upper, lower = (np.clip(side * per_cell, 0, moving.shape[0]) for side in (top, bottom))
        near, far = (np.clip(side * per_cell, 0, moving.shape[1]) for side in (left, right))
        areas = (lower - upper) * (far - near)
        alive = inner[lower, far] - inner[upper, far] - inner[lower, near] + inner[upper, near]
        promise = weakest[rows, columns] * (areas / moving.size) ** (_SMALLNESS / 4)
        promise[alive < _ALIVE * areas] = 0
        for n in np.argsort(-promise)[:_CANDIDATES]:
            if promise[n] > 0:
                best.append((float(promise[n]), (int(left[n]), int(right[n]), int(top[n]), int(bottom[n]))))
        best = sorted(best, reverse=True)[:_CANDIDATES]
        if len(best) == _CANDIDATES and best[-1][0] >= bar:
            break
    yield from (candidate for _, candidate in best)


def _judged(candidate: _Candidate, lines: tuple[_Lines, _Lines], luma: Floats, moving: npt.NDArray[np.bool_]) -> Found:
    """A candidate to the pixel, 0 where nothing moves in it or what does goes on beyond its border."""
    left, right, top, bottom = (cell * _CELL for cell in candidate)
    upright, level = lines
    sides = (
        upright.exact(candidate[0], top + _CELL, bottom),
        upright.exact(candidate[1], top + _CELL, bottom),
        level.exact(candidate[2], left + _CELL, right),
        level.exact(candidate[3], left + _CELL, right),
    )
    width, height = upright.count, level.count
    edges = (0, width, 0, height)
    x1, x2, y1, y2 = (side[1] if side else edge for side, edge in zip(sides, edges, strict=True))
    corners = (x1 / width, y1 / height, x2 / width, y2 / height)
    near, far, upper, lower = (round(place / _SMALL) for place in (x1, x2, y1, y2))
    rim = 0.0 if all(sides) else _RIM
    high, wide = round((lower - upper) * rim), round((far - near) * rim)
    inside = moving[upper + 1 + high : lower - 1 - high, near + 1 + wide : far - 1 - wide]
    across = [place for place, side in ((near, sides[0]), (far, sides[1])) if side]
    down = [place for place, side in ((upper, sides[2]), (lower, sides[3])) if side]
    borders = [(luma[:, upper + 1 : lower - 1], place) for place in across]
    borders += [(luma[:, :, near + 1 : far - 1].transpose(0, 2, 1), place) for place in down]
    if not inside.size or inside.mean() < _ALIVE or _together(borders) > 1 - _APART:
        return Found(0.0, corners)
    size = ((x2 - x1) * (y2 - y1) / (width * height)) ** 0.5
    weakest = min(side[0] for side in sides if side)
    return Found(weakest * min(1.0, size / _USUAL) ** _SMALLNESS, corners)


def _together(borders: Sequence[tuple[Floats, int]]) -> float:
    """How much of the change over time on one side of the borders is that on the other side: 0 none, 1 all."""
    differing = changing = 1e-3
    for luma, place in borders:
        if 2 <= place < luma.shape[2] - 1:
            one, other = luma[:, :, place - 2], luma[:, :, place + 1]
            differing += float(((one - other) ** 2).sum())
            changing += float((one**2).sum() + (other**2).sum())
    return 1 - differing / changing


def _windows(moments: Sequence[Moment[Sketch]]) -> Iterator[tuple[int, int]]:
    """Stretches of moments that are looked at together, overlapping, the last one ending with the last moment."""
    shapes = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(moments)) if a.note.shape != b.note.shape), len(moments)]
    for first, last in pairwise(shapes):
        kept = _distinct(moments, first, last)
        starts = [*range(0, max(1, len(kept) - _WINDOW), _STRIDE), max(0, len(kept) - _WINDOW)]
        for start in sorted(set(starts)):
            chosen = kept[start : start + _WINDOW]
            if chosen:
                yield chosen[0], last if chosen[-1] == kept[-1] else chosen[-1] + 1


def _distinct(moments: Sequence[Moment[Sketch]], start: int, end: int) -> list[int]:
    """Moments that do not show the picture of the one before, nor follow it at once."""
    kept: list[int] = []
    for index in range(start, end):
        moment = moments[index]
        if not kept or (
            moment.picture != moments[kept[-1]].picture and moment.time - moments[kept[-1]].time >= _APART_SECONDS
        ):
            kept.append(index)
    return kept
