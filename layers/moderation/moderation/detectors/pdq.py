"""PDQ, the perceptual hash of pictures published by Facebook: 256 bits, near pictures differ in few of them."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moderation.detectors.base import Picture

Floats = npt.NDArray[np.float32]

_GRID = 64
_WAVES = 16


def pdq(picture: Picture) -> str:
    """64 hexadecimal digits for a picture of any size; zeros for one without any contrast."""
    luma = np.asarray(picture.convert("L"), dtype=np.float32)
    height, width = luma.shape
    # Not `@`: for so small a product the threads of the linear algebra library cost far more than they save.
    rows = np.einsum("wy,yx->wx", _waves(height), luma)
    # Rounded, so that the noise of the calculation does not become bits where there is nothing to see.
    waves = np.einsum("wx,vx->wv", rows, _waves(width)).round(1)
    bits = (waves > np.median(waves)).ravel()
    # The first wave is the lowest bit, and hexadecimal digits run from the highest.
    return np.packbits(bits[::-1]).tobytes().hex()


def distance(one: str, other: str) -> int:
    """The number of bits in which two hashes differ; 31 or fewer means the same picture."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


@lru_cache(maxsize=16)
def _waves(length: int) -> Floats:
    """16 x length: what a line of pixels is multiplied with to get its second to seventeenth wave.

    PDQ smooths a line twice, takes 64 of its pixels and transforms these by cosines. All of this is linear, so it
    is done once per length to the cosines, from the last step back to the first.
    """
    wave = np.arange(1, _WAVES + 1)[:, np.newaxis]
    cosines = np.sqrt(2 / _GRID) * np.cos(np.pi / (2 * _GRID) * wave * (2 * np.arange(_GRID) + 1))
    taken = ((np.arange(_GRID) + 0.5) * length / _GRID).astype(int)
    weights = np.zeros((length, _WAVES))
    np.add.at(weights, taken, cosines.T)
    return np.ascontiguousarray(_smoothed(_smoothed(weights)).T, dtype=np.float32)


def _smoothed(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weights of the pixels, given weights of their means over a sliding window (narrower where it meets the edge)."""
    length = len(weights)
    window = -(-length // (2 * _GRID))
    ends = np.arange(length) + (window + 2) // 2
    starts = np.maximum(ends - window, 0)
    ends = np.minimum(ends, length)
    shares = weights / (ends - starts)[:, np.newaxis]
    steps = np.zeros((length + 1, weights.shape[1]))
    np.add.at(steps, starts, shares)
    np.subtract.at(steps, ends, shares)
    return steps.cumsum(axis=0)[:-1]
