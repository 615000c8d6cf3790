"""PDQ, the perceptual hash of pictures published by Facebook: 256 bits, near pictures differ in few of them."""

from functools import cache

import numpy as np
import numpy.typing as npt

from moderation.detectors.base import Pixels

Floats = npt.NDArray[np.float64]

_GRID = 64
_WAVES = 16


def pdq(picture: Pixels) -> str:
    """64 hexadecimal digits for an RGB picture of any size."""
    luma = picture @ np.array([0.299, 0.587, 0.114])
    height, width = luma.shape
    for _ in range(2):
        luma = _box_filter(_box_filter(luma, 1), 0)
    rows = ((np.arange(_GRID) + 0.5) * height / _GRID).astype(int)
    columns = ((np.arange(_GRID) + 0.5) * width / _GRID).astype(int)
    waves = _cosines() @ luma[np.ix_(rows, columns)] @ _cosines().T
    bits = (waves > np.median(waves)).ravel()
    # The first wave is the lowest bit, and hexadecimal digits run from the highest.
    return np.packbits(bits[::-1]).tobytes().hex()


def distance(one: str, other: str) -> int:
    """The number of bits in which two hashes differ; 31 or fewer means the same picture."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


@cache
def _cosines() -> Floats:
    """The second to seventeenth row of the discrete cosine transform of 64 values."""
    wave = np.arange(1, _WAVES + 1)[:, np.newaxis]
    cosines: Floats = np.sqrt(2 / _GRID) * np.cos(np.pi / (2 * _GRID) * wave * (2 * np.arange(_GRID) + 1))
    return cosines


def _box_filter(values: Floats, axis: int) -> Floats:
    """The mean over a sliding window along an axis, narrower where it meets the edge."""
    values = np.moveaxis(values, axis, 0)
    length = len(values)
    window = -(-length // (2 * _GRID))
    ahead = (window + 2) // 2
    sums = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])
    ends = np.arange(length) + ahead
    starts = np.maximum(ends - window, 0)
    ends = np.minimum(ends, length)
    means: Floats = (sums[ends] - sums[starts]) / (ends - starts)[:, np.newaxis]
    return np.moveaxis(means, 0, axis)
