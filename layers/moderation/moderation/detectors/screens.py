"""Pictures with nothing to see: black, white, one colour, too dark, framed by black bars."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from moderation.detectors.base import Batch, Frame, Picture
from moderation.detectors.catalog import CLASSIFY
from moderation.models.observation import Observation

Shares = npt.NDArray[np.float64]

_BLACK = 24
_WHITE = 231
_SAME = 8
_DARK, _LIT = 48, 96
_NAMED = 0.9


class Screens:
    """Scores from pixels alone; see `measure` for what each means."""

    name: ClassVar[str] = "screens"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> list[Observation]:
        scores = measure(frame.rgb(CLASSIFY))
        return [frame.observation(self.name, "undesirable", name, score) for name, score in scores.items()]


def measure(picture: Picture) -> dict[str, float]:
    """Scores 0..1 by sub_label for an RGB picture.

    black, white, solid: from 0 where a tenth of the picture is something else to 1 where nothing is. dark: 1 where
    even the brightest twentieth is dim, 0 where it is lit. A picture that has a name already gets no weaker one: what
    is black or white is not solid, and what is any of these is not dark. black_bars: the share of the picture that
    lies in black rows and columns along its edges.
    """
    gray = picture.convert("L")
    levels = _levels(gray)[0]
    brightest = int(np.searchsorted(levels.cumsum(), 0.95))
    black = _filled(levels[: _BLACK + 1].sum())
    white = _filled(levels[_WHITE:].sum())
    solid = _filled(min(map(_around_median, _levels(picture)))) if max(black, white) < _NAMED else 0.0
    dark = min(1.0, max(0.0, (_LIT - brightest) / (_LIT - _DARK))) if max(black, solid) < _NAMED else 0.0
    bars = _bars(gray) if brightest > _LIT else 0.0
    return {"black": black, "white": white, "solid": solid, "dark": dark, "black_bars": bars}


def _levels(picture: Picture) -> Shares:
    """Channels x 256: the share of the picture at each level."""
    return np.reshape(picture.histogram(), (-1, 256)) / (picture.width * picture.height)


def _around_median(levels: Shares) -> float:
    median = int(np.searchsorted(levels.cumsum(), 0.5))
    return float(levels[max(0, median - _SAME) : median + _SAME + 1].sum())


def _filled(share: float) -> float:
    return max(0.0, (float(share) - 0.9) / 0.1)


def _bars(gray: Picture) -> float:
    lit = np.asarray(gray) > _BLACK
    # A row belongs to a bar when it is black but for a hundredth: compression noise, a hair of a subtitle.
    rows = np.flatnonzero(lit.mean(axis=1) > 0.01)
    columns = np.flatnonzero(lit.mean(axis=0) > 0.01)
    if not rows.size or not columns.size:
        return 0.0
    inner = float(rows[-1] - rows[0] + 1) * float(columns[-1] - columns[0] + 1)
    return 1 - inner / lit.size
