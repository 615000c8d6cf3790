"""Where a picture may hold text at all, told from its light alone for a fraction of what looking for text costs.

Writing is thin strokes close to each other: along a row, light bends up and down again within few pixels, as edges of
things and soft surfaces do not. Foliage and fabric do, so that this says only where there is no text.
"""

from itertools import groupby

import numpy as np
import numpy.typing as npt

from moderation.detectors.inference import Floats

GRID = 32
"""Places begin and end at multiples of this."""
_BENT = 12.0
"""Levels of light by which a row bends on average where there is text. The faintest line 24 pixels high at 720p, of
a dozen fonts on frames of a film, had 23, and 13 at half its contrast."""
_SHARPEST = 60
"""Levels that one bend counts at most: the edge of a thing is sharp, but alone."""
_ROWS, _COLUMNS = 4, 12
"""A block to average over. Two by two of them, which is about three letters, are judged together."""
_AROUND = 20
"""Pixels around strokes that belong to the place."""

Place = tuple[int, int, int, int]
"""left, top, right, bottom"""


def places(light: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_]) -> list[Place]:
    """Rectangles one below the other that hold all strokes but those at pixels that are `known`.

    `light` has sides that are multiples of 32, the shorter one near 256: smaller text than of six pixels is missed.
    """
    height, width = light.shape
    rows, columns = np.nonzero(_bends(light, known) > _BENT)
    tops = np.maximum(0, rows * _ROWS - _AROUND) // GRID
    bottoms = -(-np.minimum(height, (rows + 2) * _ROWS + _AROUND) // GRID)
    found = []
    bands = [band for band in range(height // GRID) if ((tops <= band) & (band < bottoms)).any()]
    for _, numbered in groupby(enumerate(bands), lambda item: item[1] - item[0]):
        band = [number for _, number in numbered]
        inside = columns[(tops <= band[-1]) & (band[0] < bottoms)]
        left = max(0, int(inside.min()) * _COLUMNS - _AROUND) // GRID * GRID
        right = -(-min(width, (int(inside.max()) + 2) * _COLUMNS + _AROUND) // GRID) * GRID
        found.append((left, band[0] * GRID, right, (band[-1] + 1) * GRID))
    return found


def _bends(light: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_]) -> Floats:
    """The mean of second differences along rows, for every block with those on its right, below, and below that."""
    levels = light.astype(np.int16)
    bends = np.minimum(_SHARPEST, np.abs(2 * levels[:, 1:-1] - levels[:, :-2] - levels[:, 2:]))
    bends[known[:, 1:-1]] = 0
    high, wide = bends.shape[0] // _ROWS, bends.shape[1] // _COLUMNS
    blocks = bends[: high * _ROWS, : wide * _COLUMNS].reshape(high, _ROWS, wide, _COLUMNS).mean((1, 3), np.float32)
    means: Floats = (blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:]) / np.float32(4)
    return means
