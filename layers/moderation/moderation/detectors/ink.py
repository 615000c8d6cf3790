"""How a line is written, whatever moves behind it: its strokes stand out from what is around them."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from moderation.detectors.inference import Levels

_AROUND = 4
"""Pixels on each side that a pixel is compared with."""
_REACH = 97
"""Percentile of how far pixels stand out: that of strokes, which are more of a line than the rest."""
_BOLD, _FAINT = 0.65, 0.1
"""Shares of it: from the one a pixel is of a stroke, below the other it is of none."""
_LEAST = 16.0
"""Levels of light: what stands out less is noise."""
_PALER = 30.0
"""Levels by which strokes may have become lighter or darker: a line that is being faded in may have been misread."""
_WINDOW, _STRAY = 8, 2
"""Side of a square, and its pixels that may differ. Of 2,156 lines 14 to 56 pixels high in which one character was
another one, nine were taken for the same; of 539 that were the same on another ground, 91 of 100."""

_Marks = npt.NDArray[np.bool_]
_Relief = npt.NDArray[np.int16]


class Ink:
    """The strokes of a line, be they lighter or darker than what is around them."""

    def __init__(self, light: Levels) -> None:
        relief = _relief(light)
        low, high = np.percentile(relief, (100 - _REACH, _REACH)).tolist()
        self._sign, self._reach = (1, high) if high >= -low else (-1, -low)
        self._bold, self._faint = self._marks(relief)
        self._level = float(light[self._bold].sum()) / max(1, int(self._bold.sum()))

    def is_in(self, light: Levels) -> bool:
        """Whether levels of light of the same size show the same strokes."""
        shown = light[self._bold]
        if not shown.size or abs(float(shown.mean()) - self._level) > _PALER:
            return False
        bold, faint = self._marks(_relief(light))
        return _densest(self._bold & ~faint | bold & ~self._faint) <= _STRAY

    def _marks(self, relief: _Relief) -> tuple[_Marks, _Marks]:
        """The pixels that are of a stroke for certain, and those that may be."""
        height = self._sign * relief
        return height > max(_LEAST, _BOLD * self._reach), height > max(_LEAST, _FAINT * self._reach)


def _relief(light: Levels) -> _Relief:
    """By how many levels each pixel is lighter than what is around it."""
    around = Image.fromarray(light).filter(ImageFilter.BoxBlur(_AROUND))
    return light.astype(np.int16) - np.asarray(around, np.int16)


def _densest(marks: _Marks) -> int:
    """The most marks in any square."""
    sums = np.pad(marks, ((_WINDOW, 0), (_WINDOW, 0))).astype(np.int32).cumsum(0).cumsum(1)
    inside = (
        sums[_WINDOW:, _WINDOW:] - sums[:-_WINDOW, _WINDOW:] - sums[_WINDOW:, :-_WINDOW] + sums[:-_WINDOW, :-_WINDOW]
    )
    return int(inside.max())
