"""Text in pictures: where it is and what it says.

A glance at the small picture, where it has strokes at all, tells where text may be; there the large one is looked at
closely, and the lines that it shows are read. Lines that stand are neither looked for nor read again: most captions
stand for seconds while the rest moves, even right behind them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.detectors.base import Batch, Frame, Picture
from moderation.detectors.catalog import CLASSIFY, DETAIL
from moderation.detectors.inference import Floats
from moderation.detectors.ink import Ink
from moderation.detectors.strokes import GRID, places
from moderation.detectors.text_boxes import Mask, Rectangle, Run, TextBoxes, around, blots
from moderation.detectors.text_lines import HEIGHT, Reading, TextLines
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

_GLANCE = 0.2
"""Less than what makes a line: what is missed at the glance is not looked at."""
_STRAY = 4
"""Pixels of the small picture: the largest blot that is nothing, and how much of one may lie outside known lines."""
_ALONG, _ACROSS = 3.0, 1.0
"""Heights of a line that are looked at beyond its ends and beside it: a glance may show but a part of it."""
_SNAP = 16
"""Parts of the large picture begin and end at multiples of this."""
_CLOSE = 24.0
"""Pixels high that lines are made for a close look, unless they are smaller in the large picture."""
_COARSEST = 0.6
_MOST = 0.7
"""Share of a picture in close looks from which one look at all of it costs no more."""
_SURE = 0.6
_CLEAR, _CERTAIN = 0.9, 0.99
"""A line that was read like this twice, or once for certain, goes on while its strokes do, whatever the ground. Another
may be read better on the next one."""
_REMEMBERED = 32
_CELL = 8
_SAME = 10
"""Side of the cells by which those are compared, and the levels of light by which they may differ."""
_TWICE = 0.5
"""Share of the smaller one from which two lines that overlap are one."""

_Sides = tuple[int, int, int, int]
"""left, top, right, bottom"""


class _Line:
    """A line that was looked at within `sides` of a picture in grey; `before` are the lines of frames before."""

    def __init__(self, sides: _Sides, reading: Reading, light: Picture, before: Iterable["_Line"]) -> None:
        self.sides, self.reading = sides, reading
        part = light.crop(sides)
        self._cells = _cells(part)
        again = (line for line in before if line.reading.text == reading.text)
        known = reading.score >= _CERTAIN or (reading.score >= _CLEAR and _among(sides, again))
        self._ink = Ink(np.asarray(part)) if known else None

    def stands_in(self, light: Picture) -> bool:
        """Whether a picture in grey shows it at its place."""
        part = light.crop(self.sides)
        if self._ink:
            return self._ink.is_in(np.asarray(part))
        return bool((np.abs(_cells(part) - self._cells) <= _SAME).all())


@dataclass(frozen=True)
class _Region:
    """A part of the large picture to look at, at a scale."""

    sides: _Sides
    scale: float

    def joined(self, other: "_Region") -> "_Region":
        (left, top, right, bottom), (west, north, east, south) = self.sides, other.sides
        sides = (min(left, west), min(top, north), max(right, east), max(bottom, south))
        return _Region(sides, max(self.scale, other.scale))


class Ocr:
    """One observation for each line that is read with a certainty of at least .6, from top to bottom.

    It remembers the lines of the last frames with what they say, and so should look at one video, in whichever order
    threads bring its frames. A line that stands is told as it was read, of which every frame that tells it shows the
    strokes.
    """

    name: ClassVar[str] = "ocr"
    _boxes: ClassVar[str] = "text_boxes"
    _lines: ClassVar[str] = "text_lines"

    def __init__(self) -> None:
        self._known: tuple[_Line, ...] = ()

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._observations(frame) for frame in frames]

    def _observations(self, frame: Frame) -> list[Observation]:
        lines = self._on_cover(frame) if frame.form is Form.COVER else self._on_frame(frame)
        shown = sorted(lines, key=lambda line: (line.sides[1], line.sides[0]))
        return [
            frame.observation(
                self.name,
                "text",
                "line",
                line.reading.score,
                form=Form.OCR,
                box=_box(line.sides, frame.gray(DETAIL)),
                text=line.reading.text,
            )
            for line in shown
            if line.reading.score >= _SURE and line.reading.text.strip()
        ]

    def _on_cover(self, frame: Frame) -> Iterable[_Line]:
        """Covers are few: all of them is looked at closely."""
        picture = frame.rgb(DETAIL)
        return self._read(frame, picture, TextBoxes(frame.weights, self._boxes).find(picture))

    def _on_frame(self, frame: Frame) -> Iterable[_Line]:
        small = _small(frame)
        still = _distinct(line for line in self._known if line.stands_in(frame.gray(DETAIL)))
        known = _covered(still, frame.gray(DETAIL), small) if still else np.zeros(small.size[::-1], bool)
        found = self._glance(frame, small, known)
        suspects = [blot for blot in blots(found > _GLANCE) if _outside(blot, known) > _STRAY]
        if not suspects:
            return still
        picture = frame.rgb(DETAIL)
        scales = picture.width / small.width, picture.height / small.height
        regions, still = _whole([_region(blot, scales, picture) for blot in suspects], still)
        boxes = [box for region in _apart(regions, picture) for box in self._look(frame, picture, region)]
        read = self._read(frame, picture, [box for box in boxes if not _among(_sides(box), still)])
        fresh = _distinct(sorted(read, key=lambda line: line.reading.score))
        # What now stands in a place is compared with, not all that ever stood there.
        others = (line for line in self._known if line not in still and not _among(line.sides, fresh))
        self._known = (*others, *still, *fresh)[-_REMEMBERED:]
        return *still, *fresh

    def _glance(self, frame: Frame, small: Picture, known: Mask) -> Floats:
        """How surely (0..1) each pixel of the small picture is inside a line of text that is not known."""
        found = np.zeros(known.shape, np.float32)
        for left, top, right, bottom in places(np.asarray(small.convert("L")), known):
            part = TextBoxes(frame.weights, Ocr._boxes).map(small.crop((left, top, right, bottom)))
            found[top:bottom, left:right] = part
        return found

    def _look(self, frame: Frame, picture: Picture, region: _Region) -> Iterator[Rectangle]:
        left, top, _, _ = region.sides
        for place in TextBoxes(frame.weights, self._boxes).find(picture.crop(region.sides), region.scale):
            yield place.placed(left, top, 1, 1)

    def _read(self, frame: Frame, picture: Picture, places: Sequence[Rectangle]) -> list[_Line]:
        readings = TextLines(frame.weights, self._lines).read([place.cut(picture, HEIGHT) for place in places])
        sides = [_sides(place) for place in places]
        light = frame.gray(DETAIL)
        return [_Line(at, said, light, self._known) for at, said in zip(sides, readings, strict=True)]


class SmallOcr(Ocr):
    """The same by networks that read more symbols. For the glance the smaller one is good enough."""

    name: ClassVar[str] = "ocr_small"
    _boxes: ClassVar[str] = "text_boxes_small"
    _lines: ClassVar[str] = "text_lines_small"


def _whole(regions: Sequence[_Region], lines: tuple[_Line, ...]) -> tuple[list[_Region], tuple[_Line, ...]]:
    """The regions, each with all of the lines that it is in a row with, and the other lines.

    A line may have been found in part at first.
    """
    grown, apart = [], list(lines)
    for region in regions:
        while beside := next((line for line in apart if _in_row(region.sides, line.sides)), None):
            apart.remove(beside)
            region = region.joined(_Region(beside.sides, region.scale))
        grown.append(region)
    return grown, tuple(apart)


def _apart(regions: Iterable[_Region], picture: Picture) -> list[_Region]:
    """The regions, those that overlap joined."""
    apart: list[_Region] = []
    for region in regions:
        while touched := next((other for other in apart if _shared(region.sides, other.sides)), None):
            apart.remove(touched)
            region = region.joined(touched)
        apart.append(region)
    if sum(_area(region.sides) * region.scale**2 for region in apart) > _MOST * picture.width * picture.height:
        return [_Region((0, 0, *picture.size), max(region.scale for region in apart))]
    return apart


def _region(blot: Sequence[Run], scales: tuple[float, float], picture: Picture) -> _Region:
    line = around(blot).grown()
    height = min(line.width, line.height)
    level = line.width >= line.height
    wide, high = (_ALONG, _ACROSS) if level else (_ACROSS, _ALONG)
    left, top, right, bottom = line.bounds()
    sides = (
        max(0, floor((left - wide * height) * scales[0] / _SNAP) * _SNAP),
        max(0, floor((top - high * height) * scales[1] / _SNAP) * _SNAP),
        min(picture.width, ceil((right + wide * height) * scales[0] / _SNAP) * _SNAP),
        min(picture.height, ceil((bottom + high * height) * scales[1] / _SNAP) * _SNAP),
    )
    return _Region(sides, min(1.0, max(_COARSEST, _CLOSE / (height * scales[1]))))


def _small(frame: Frame) -> Picture:
    """The picture for the glance."""
    picture = frame.rgb(CLASSIFY if frame.has(CLASSIFY) else DETAIL)
    scale = min(1.0, CLASSIFY.pixels / min(picture.size)) / GRID
    width, height = (max(1, round(side * scale)) * GRID for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def _covered(lines: Iterable[_Line], picture: Picture, small: Picture) -> Mask:
    """Where the small picture shows these lines of the large one, and one pixel around them."""
    scale_x, scale_y = small.width / picture.width, small.height / picture.height
    mask = np.zeros((small.height, small.width), bool)
    for line in lines:
        left, top, right, bottom = line.sides
        rows = slice(max(0, floor(top * scale_y) - 1), ceil(bottom * scale_y) + 1)
        mask[rows, max(0, floor(left * scale_x) - 1) : ceil(right * scale_x) + 1] = True
    return mask


def _outside(blot: Iterable[Run], mask: Mask) -> int:
    """How many pixels of a blot the mask does not hold."""
    return sum(int((~mask[run.row, run.start : run.end]).sum()) for run in blot)


def _distinct(lines: Iterable[_Line]) -> tuple[_Line, ...]:
    """Of lines in one place the last: threads may have read the same at once."""
    kept: list[_Line] = []
    for line in reversed(list(lines)):
        if not _among(line.sides, kept):
            kept.append(line)
    return tuple(kept)


def _among(sides: _Sides, lines: Iterable[_Line]) -> bool:
    return any(_shared(sides, line.sides) > _TWICE * min(_area(sides), _area(line.sides)) for line in lines)


def _shared(one: _Sides, other: _Sides) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _in_row(region: _Sides, line: _Sides) -> bool:
    """Whether a region holds a part of a line in all of its height, or most of it."""
    level = min(region[3], line[3]) - max(region[1], line[1]) > _TWICE * (line[3] - line[1])
    return level and _shared(region, line) > 0


def _area(sides: _Sides) -> int:
    return (sides[2] - sides[0]) * (sides[3] - sides[1])


def _sides(place: Rectangle) -> _Sides:
    left, top, right, bottom = place.bounds()
    return floor(left), floor(top), ceil(right), ceil(bottom)


def _cells(light: Picture) -> npt.NDArray[np.int16]:
    return np.asarray(light.reduce(_CELL), np.int16)


def _box(sides: _Sides, picture: Picture) -> Box:
    left, right = (min(1.0, max(0.0, side / picture.width)) for side in sides[::2])
    top, bottom = (min(1.0, max(0.0, side / picture.height)) for side in sides[1::2])
    return Box(left=left, top=top, width=right - left, height=bottom - top)
