"""Speech without the silence between, in windows as long as recognisers listen at once, and the way back."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from moderation.detectors.inference import Floats
from moderation.detectors.speech import RATE
from moderation.detectors.vad import FRAME, Stretch

LONGEST = 28 * RATE
_PAUSE = round(1.2 * RATE)
"""Silence that stands for a longer one. Recognisers take it for the end of what was said before."""
_BACK = 8 * RATE
"""How far back from the end of a full window a pause is looked for."""


@dataclass(frozen=True)
class Window:
    """Samples of several stretches: what begins at offset `offsets[n]` of `samples` is `pieces[n]` of the sound."""

    samples: Floats
    pieces: Sequence[Stretch]
    offsets: Sequence[int]

    @property
    def speech(self) -> int:
        """Samples of speech in it."""
        return sum(piece.end - piece.start for piece in self.pieces)

    def second(self, second: float) -> float:
        """Where in the sound a second of the window is; what is in the silence between belongs to the nearer piece."""
        place = round(second * RATE)
        number = max(0, bisect_right(self.offsets, place) - 1)
        if number + 1 < len(self.offsets) and self.offsets[number + 1] - place < _PAUSE / 2:
            number += 1
        piece = self.pieces[number]
        return min(max(piece.start, piece.start + place - self.offsets[number]), piece.end) / RATE


def windows(samples: Floats, spoken: Sequence[Stretch], probabilities: Floats) -> Iterator[Window]:
    """Windows of at most 28 s with all that is `spoken`. Longer stretches are cut where speech is least likely."""
    pieces: list[Stretch] = []
    for piece in (cut for stretch in spoken for cut in _cut(stretch, probabilities)):
        if pieces and _length([*pieces, piece]) > LONGEST:
            yield _window(samples, pieces)
            pieces = []
        if pieces and piece.start - pieces[-1].end <= _PAUSE:
            pieces[-1] = Stretch(pieces[-1].start, piece.end)
        else:
            pieces.append(piece)
    if pieces:
        yield _window(samples, pieces)


def within(spoken: Sequence[Stretch], end: int, probabilities: Floats) -> list[Stretch]:
    """What begins before sample `end`. What goes on is cut where speech is least likely behind it."""
    kept = [stretch for stretch in spoken if stretch.start < end]
    if kept and kept[-1].end > end:
        first, last = -(-end // FRAME), kept[-1].end // FRAME
        cut = end if last <= first else (first + int(probabilities[first:last].argmin()) + 1) * FRAME
        kept[-1] = Stretch(kept[-1].start, cut)
    return kept


def _cut(stretch: Stretch, probabilities: Floats) -> Iterator[Stretch]:
    start, end = stretch
    while end - start > LONGEST:
        first, last = (start + LONGEST - _BACK) // FRAME, (start + LONGEST) // FRAME
        # The middle of three frames, of which a single quiet one is a stop within a word.
        around = np.convolve(probabilities[first:last], np.ones(3), "same")[1:-1]
        cut = (first + 1 + int(around.argmin())) * FRAME + FRAME // 2
        yield Stretch(start, cut)
        start = cut
    yield Stretch(start, end)


def _length(pieces: Sequence[Stretch]) -> int:
    pauses = (min(after.start - before.end, _PAUSE) for before, after in pairwise(pieces))
    return sum(piece.end - piece.start for piece in pieces) + sum(pauses)


def _window(samples: Floats, pieces: Sequence[Stretch]) -> Window:
    parts: list[Floats] = []
    offsets: list[int] = []
    length = 0
    for piece in pieces:
        if parts:
            parts.append(np.zeros(_PAUSE, np.float32))
            length += _PAUSE
        offsets.append(length)
        parts.append(samples[piece.start : piece.end])
        length += len(parts[-1])
    return Window(np.concatenate(parts), tuple(pieces), tuple(offsets))
