"""Round codes of mini-programs: told from how they are drawn, never read.

Such a code has three round eyes, a dot in a ring, at three corners of a square, and short dashes that point to the
middle. What is drawn so is like a code; what it says stays unknown.
"""

from collections.abc import Iterator
from itertools import combinations
from math import hypot
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from moderation.detectors.base import Picture
from moderation.models.observation import Box

Dark = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.floating[Any]]

_WIDTH = 640
_BLOCK, _AROUND = 8, 1.5
_DARKER = 8
_LEAST = 7
_TOLERANCE = 0.45
_ROUGH_RIM, _RIM = 0.11, 0.075
"""Spread of the distances from an eye's middle to its rim, where eyes are looked for and from close by: 0 on a circle,
.13 on a square, as the eyes of a QR code are."""
_MOST_EYES = 24
_ANGLES = 360
_DASHES = 16


class Eye(NamedTuple):
    """A dot in a ring: its middle and how wide it is, in pixels."""

    x: float
    y: float
    size: float

    def enlarged(self, factor: int) -> "Eye":
        return Eye(factor * (self.x + 0.5) - 0.5, factor * (self.y + 0.5) - 0.5, factor * self.size)


class Radial(NamedTuple):
    """Something like a round code, how much its dashes point to its middle (0..1), and where it is."""

    score: float
    box: Box


def radial(picture: Picture) -> Radial | None:
    """The surest round code of a picture of mode L. Eyes are looked for in less of it, dashes in all of it."""
    factor = max(1, picture.width // _WIDTH)
    squares = list(_squares(_eyes(_dark(picture.reduce(factor)))))
    if not squares:
        return None
    dark = _dark(picture)
    closer = ([eye.enlarged(factor) for eye in eyes] for eyes in squares)
    found = (_judged(dark, *eyes) for eyes in closer if all(_is_round(dark, eye, _RIM) for eye in eyes))
    return max((one for one in found if one.score > 0), default=None, key=lambda one: one.score)


def _dark(picture: Picture) -> Dark:
    """Where it is darker than the mean of what is around."""
    coarse = picture.reduce(_BLOCK).filter(ImageFilter.BoxBlur(_AROUND))
    around = np.asarray(coarse.resize(picture.size, Image.Resampling.BILINEAR)).astype(np.int16)
    dark: Dark = np.asarray(picture) < around - _DARKER
    return dark


def _eyes(dark: Dark) -> list[Eye]:
    """Round dots in rings: where lines across and lines down both go through one, of one size."""
    across, down = _rings(dark), _rings(dark.T)
    crossed = np.zeros((dark.shape[0] // 2 + 3, dark.shape[1] // 2 + 3), np.bool_)
    row, column = (down[:, at].astype(np.intp) // 2 for at in (1, 0))
    for shift in range(9):
        crossed[row + shift // 3, column + shift % 3] = True
    across = across[crossed[across[:, 0].astype(np.intp) // 2 + 1, across[:, 1].astype(np.intp) // 2 + 1]]
    eyes: list[Eye] = []
    for line, middle, size in across.tolist():
        near = (np.abs(down[:, 0] - middle) <= 1.5) & (np.abs(down[:, 1] - line) <= 1.5)
        near &= np.abs(down[:, 2] - size) <= 0.25 * size
        if near.any():
            eye = Eye(middle, float(down[near, 1].mean()), (size + float(down[near, 2].mean())) / 2)
            if all(hypot(eye.x - one.x, eye.y - one.y) > one.size / 2 for one in eyes) and _is_round(
                dark, eye, _ROUGH_RIM
            ):
                eyes.append(eye)
    return eyes[:_MOST_EYES]


def _rings(dark: Dark) -> Numbers:
    """Line, middle and width (n x 3) of what a row shows of an eye: dark, light, dark, light, dark in proportion."""
    width = dark.shape[1]
    flat = np.pad(dark, ((0, 0), (1, 1))).ravel()
    changes = (np.flatnonzero(flat[1:] != flat[:-1]) + 1).astype(np.int32)
    if len(changes) < 6:
        return np.zeros((0, 3))
    runs = np.diff(changes)
    ring, gap, dot, other_gap, other_ring = (runs[at : len(runs) - 4 + at] for at in range(5))
    first, last = changes[:-5], changes[5:]
    total = last - first
    fits = flat[first] & (total >= _LEAST) & (total <= width // 4)
    fits &= np.abs(ring - other_ring) <= np.maximum(1, _TOLERANCE * np.maximum(ring, other_ring))
    fits &= np.abs(gap - other_gap) <= np.maximum(1, _TOLERANCE * np.maximum(gap, other_gap))
    fits &= (dot >= 0.7 * ring) & (dot <= 6 * ring) & (gap <= 2.5 * ring + 1) & (ring <= 2.5 * gap + 1)
    at = np.flatnonzero(fits)
    line, place = np.divmod(first[at], width + 2)
    within = line == last[at] // (width + 2)
    middle = place - 1 + ring[at] + gap[at] + dot[at] / 2
    rings: Numbers = np.stack([line, middle, total[at]], axis=1)[within].astype(float)
    return rings


def _is_round(dark: Dark, eye: Eye, spread: float) -> bool:
    """Whether a ring closes around the middle at one distance."""
    steps = np.arange(0, eye.size * 0.85, 0.5)
    angles = np.arange(24) * (2 * np.pi / 24)
    rays = _sample(dark, eye.x + np.outer(np.cos(angles), steps), eye.y + np.outer(np.sin(angles), steps))
    beyond = rays & (steps > eye.size * 0.28)
    if not beyond.any(axis=1).all():
        return False
    first = beyond.argmax(axis=1)
    out = ~rays & (np.arange(len(steps)) > first[:, np.newaxis])
    rims = steps[out.argmax(axis=1)][out.any(axis=1)]
    return len(rims) >= 22 and bool(rims.std() <= spread * rims.mean() + 0.25)


def _squares(eyes: list[Eye]) -> Iterator[tuple[Eye, Eye, Eye]]:
    """Three eyes of a size at corners of a square, the one between the other two first."""
    for three in combinations(eyes, 3):
        if max(eye.size for eye in three) > 1.35 * min(eye.size for eye in three):
            continue
        for corner in three:
            one, other = (eye for eye in three if eye is not corner)
            a, b = (hypot(eye.x - corner.x, eye.y - corner.y) for eye in (one, other))
            along = (one.x - corner.x) * (other.x - corner.x) + (one.y - corner.y) * (other.y - corner.y)
            if abs(a - b) <= 0.12 * max(a, b) and abs(along) <= 0.2 * a * b and 2 <= a / corner.size <= 12:
                yield corner, one, other


def _judged(dark: Dark, corner: Eye, one: Eye, other: Eye) -> Radial:
    """How alike neighbouring circles around the middle are: dashes that point to it go through several."""
    x, y = (one.x + other.x) / 2, (one.y + other.y) / 2
    reach = hypot(one.x - other.x, one.y - other.y) / 2
    radii = np.linspace(0.62, 1.0, 12) * reach
    angles = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    rings = _sample(dark, x + np.outer(radii, np.cos(angles)), y + np.outer(radii, np.sin(angles)))
    # Eyes are not dashes: what lies in their directions is left out.
    towards = np.array([np.arctan2(eye.y - y, eye.x - x) for eye in (corner, one, other)])
    apart = np.abs((angles[:, np.newaxis] - towards + np.pi) % (2 * np.pi) - np.pi)
    rings = rings[:, (apart > 1.2 * corner.size / reach).all(axis=1)].astype(float)
    changes = np.abs(np.diff(rings, axis=1)).sum(axis=1)
    whole = reach + corner.size
    left, right = (float(np.clip(edge / dark.shape[1], 0, 1)) for edge in (x - whole, x + whole))
    top, bottom = (float(np.clip(edge / dark.shape[0], 0, 1)) for edge in (y - whole, y + whole))
    box = Box(left=left, top=top, width=right - left, height=bottom - top)
    centred = rings - rings.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    if np.median(changes) < _DASHES or not norms.all():
        return Radial(0.0, box)
    fits = (centred[:-1] * centred[1:]).sum(axis=1) / (norms[:-1] * norms[1:])
    return Radial(max(0.0, float(np.median(fits))), box)


def _sample(dark: Dark, x: Numbers, y: Numbers) -> Dark:
    """The nearest pixels; outside the picture nothing is dark."""
    column, row = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    inside = (column >= 0) & (column < dark.shape[1]) & (row >= 0) & (row < dark.shape[0])
    sampled: Dark = dark[np.where(inside, row, 0), np.where(inside, column, 0)] & inside
    return sampled
