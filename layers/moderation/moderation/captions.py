"""Lines of text followed through a video: a caption that stands for seconds is one text. Pure.

A line goes on while looks show about the same at about the same place, or the very same anywhere (credits that roll).
One that grows (typed letter by letter) goes on as what it has grown to, one that scrolls through its place (a ticker)
as all that it has shown.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from moderation.models.observation import Box, FrameLook, Observation, Scan
from moderation.models.reading import Text
from moderation.timeline import looks_in_order

_GAP_LOOKS, _GAP_SECONDS = 2, 3.0
"""A line that was missing in so many looks, or for so long, is still the same."""
_ALIKE = 0.85
"""Share of the characters that two readings of one line have in common: of up to six characters all."""
_SHARED_PLACE, _SHARED_ROW = 0.3, 0.6
_DISTINCTIVE = 4
"""Characters from which a text that turns up elsewhere, or within another, is the same line."""
_BLOCK, _KEPT, _CUT = 3, 0.7, 3
"""Of a scrolled line: characters in a row that count, their share of what should be left of the reading before, and
how many at the ends are cut through and misread."""
_SHIFT, _UNEVEN = 1.5, 0.15
"""Characters by which a line at least has scrolled, and by how much their widths differ from the mean."""
_LONGEST = 2000
"""Characters of a scrolled text after which another one begins."""


@dataclass
class _Reading:
    """One reading of a line: how much speaks for it, and where and when it was surest."""

    weight: float
    best: Observation
    time: float


@dataclass
class _Line:
    """A line while it goes on. `shown` in `box` is a late reading, `gone` what has scrolled out of it to the left."""

    start: float
    end: float
    position: int
    shown: str
    box: Box
    readings: dict[str, _Reading]
    gone: str = ""

    def text(self, track: int, cover: int | None) -> Text:
        likeliest = max(self.readings, key=lambda text: (self.readings[text].weight, text))
        fullest = max((text for text in self.readings if likeliest in text), key=len)
        reading = self.readings[fullest]
        return Text(
            form=reading.best.form,
            text=self.gone + self.shown if self.gone else fullest,
            start=self.start,
            end=self.end,
            track=track,
            cover=cover,
            area=reading.best.box,
            picture_time=reading.time,
            score=reading.best.score,
        )


@dataclass(frozen=True)
class _Sight:
    """A line as one look shows it."""

    text: str
    box: Box
    observation: Observation


def texts_of(scans: Iterable[Scan], covers: Iterable[Scan] = ()) -> list[Text]:
    """All texts that the looks of a video show, in order of track and beginning, and those of its covers after them.

    Scans may come in any order and more than once. `area`, `score` and `picture_time` are of the look that reads a
    text best. A text ends when the next look does not show it any more.
    """
    texts: list[Text] = []
    for track, looks in looks_in_order(scans).items():
        texts += (line.text(track, None) for line in _lines(looks))
    for cover in sorted(covers, key=lambda scan: scan.index):
        texts += (line.text(0, cover.index) for line in _lines(cover.looks))
    return texts


def _lines(looks: Sequence[FrameLook]) -> list[_Line]:
    lines: list[_Line] = []
    going: list[_Line] = []
    ends = [look.time for look in [*looks[1:], *looks[-1:]]]
    for position, (look, end) in enumerate(zip(looks, ends, strict=True)):
        going = [line for line in going if _may_go_on(line, position, look.time)]
        waiting = list(going)
        sights = _sights(look)
        for continues in (_stands, _scrolls, _reads_alike, _holds, _moves):
            new = []
            for sight in sights:
                line = next((line for line in waiting if continues(line, sight)), None)
                if line is None:
                    new.append(sight)
                else:
                    waiting.remove(line)
                    _see(line, sight, look.time, end, position)
                    # A ticker may creep: what it has moved is told by where it was before readings were alike.
                    if continues is not _reads_alike:
                        _show(line, sight, scrolled=continues is _scrolls)
            sights = new
        for sight in sights:
            line = _Line(look.time, end, position, sight.text, sight.box, {})
            _see(line, sight, look.time, end, position)
            lines.append(line)
            going.append(line)
    return lines


def _sights(look: FrameLook) -> list[_Sight]:
    """What text detectors report, with its white space evened."""
    return [
        _Sight(" ".join(seen.text.split()), seen.box, seen)
        for seen in look.observations
        if (seen.label, seen.sub_label) == ("text", "line") and seen.text and seen.box
    ]


def _may_go_on(line: _Line, position: int, time: float) -> bool:
    near = position - line.position <= _GAP_LOOKS + 1 or time - line.end <= _GAP_SECONDS
    return near and len(line.gone) + len(line.shown) <= _LONGEST


def _see(line: _Line, sight: _Sight, time: float, end: float, position: int) -> None:
    line.end, line.position = end, position
    reading = line.readings.setdefault(sight.text, _Reading(0.0, sight.observation, time))
    reading.weight += sight.observation.score
    if sight.observation.score > reading.best.score:
        reading.best, reading.time = sight.observation, time


def _show(line: _Line, sight: _Sight, *, scrolled: bool) -> None:
    went, begins = (_step(line.shown, sight.text) if scrolled else None) or (0, 0)
    line.gone += line.shown[:went]
    line.shown, line.box = sight.text[begins:], sight.box


def _stands(line: _Line, sight: _Sight) -> bool:
    return line.shown == sight.text and _overlap(line.box, sight.box) > 0


def _scrolls(line: _Line, sight: _Sight) -> bool:
    if not _in_row(line.box, sight.box):
        return False
    step = _step(line.shown, sight.text)
    if step is None:
        return False
    widths = line.box.width / len(line.shown), sight.box.width / len(sight.text)
    moved = line.box.left + step[0] * widths[0] - sight.box.left - step[1] * widths[1]
    return moved >= (_SHIFT + _UNEVEN * max(step)) * max(widths)


def _reads_alike(line: _Line, sight: _Sight) -> bool:
    if _overlap(line.box, sight.box) < _SHARED_PLACE:
        return False
    matcher = SequenceMatcher(None, _plain(line.shown), _plain(sight.text), autojunk=False)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _holds(line: _Line, sight: _Sight) -> bool:
    """Whether one reading is a part of the other: the line has grown, or was found in part."""
    one, other = sorted((_plain(line.shown), _plain(sight.text)), key=len)
    return len(one) >= _DISTINCTIVE and one in other and _in_row(line.box, sight.box)


def _moves(line: _Line, sight: _Sight) -> bool:
    return line.shown == sight.text and len(sight.text) >= _DISTINCTIVE


def _step(before: str, after: str) -> tuple[int, int] | None:
    """Where in both readings that begins which they share, when the end of one is the beginning of the other."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    blocks = [block for block in blocks if block.size >= _BLOCK]
    if not blocks:
        return None
    first, last = blocks[0], blocks[-1]
    cut = len(before) - last.a - last.size <= _CUT and first.b <= _CUT
    return (first.a, first.b) if cut and sum(b.size for b in blocks) >= _KEPT * (len(before) - first.a) else None


def _plain(text: str) -> str:
    """Without what readings differ by most often: spaces, width, case."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def _overlap(one: Box, other: Box) -> float:
    """The shared part of the smaller of two boxes."""
    shared = _shared(one.left, one.width, other.left, other.width) * _shared(
        one.top, one.height, other.top, other.height
    )
    smaller = min(one.width * one.height, other.width * other.height)
    return shared / smaller if smaller else 0.0


def _in_row(one: Box, other: Box) -> bool:
    height = min(one.height, other.height)
    beside = _shared(one.left, one.width, other.left, other.width) > 0
    return beside and _shared(one.top, one.height, other.top, other.height) >= _SHARED_ROW * height > 0


def _shared(start: float, length: float, other_start: float, other_length: float) -> float:
    return max(0.0, min(start + length, other_start + other_length) - max(start, other_start))
