"""Pictures with nothing to see: black, white, one colour, too dark, framed by black bars."""

from typing import ClassVar

import numpy as np

from moderation.detectors.base import Batch, Frame, Pixels
from moderation.detectors.catalog import CLASSIFY
from moderation.models.observation import Observation

_BLACK = 24
_WHITE = 231
_SAME = 8
_DARK, _LIT = 48.0, 96.0


class Screens:
    """Scores from pixels alone; see `measure` for what each means."""

    name: ClassVar[str] = "screens"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> list[Observation]:
        scores = measure(frame.rgb(CLASSIFY))
        return [frame.observation(self.name, "undesirable", name, score) for name, score in scores.items()]


def measure(picture: Pixels) -> dict[str, float]:
    """Scores 0..1 by sub_label for an RGB picture.

    black, white, solid: from 0 where a tenth of the picture is something else to 1 where nothing is; solid
    leaves black and white to the other two. dark: 1 where even the brightest twentieth is dim, 0 where it is
    lit. black_bars: the share of the picture that lies in black rows and columns along its edges.
    """
    luma = (picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.uint8)
    black = _filled(luma <= _BLACK)
    white = _filled(luma >= _WHITE)
    middle = np.median(picture, axis=(0, 1))
    solid = _filled((np.abs(picture - middle) <= _SAME).all(axis=2))
    brightest = float(np.percentile(luma, 95))
    dark = min(1.0, max(0.0, (_LIT - brightest) / (_LIT - _DARK)))
    return {
        "black": black,
        "white": white,
        "solid": max(0.0, solid - black - white),
        "dark": dark * (1 - black),
        "black_bars": _bars(luma) if brightest > _LIT else 0.0,
    }


def _filled(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return max(0.0, (float(mask.mean()) - 0.9) / 0.1)


def _bars(luma: Pixels) -> float:
    lit = luma > _BLACK
    # A row belongs to a bar when it is black but for a hundredth: compression noise, a hair of a subtitle.
    rows = np.flatnonzero(lit.mean(axis=1) > 0.01)
    columns = np.flatnonzero(lit.mean(axis=0) > 0.01)
    if not rows.size or not columns.size:
        return 0.0
    inner = float(rows[-1] - rows[0] + 1) * float(columns[-1] - columns[0] + 1)
    return 1 - inner / luma.size
