"""Overlays that stay in a corner while the picture behind them moves: television logos of the owner's libraries.

Over the frames of a segment, edges that stay and edges that move are told apart by averaging their directions: what
moves cancels out. A logo is where the edges that stay are its edges and the levels over time are its levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from moderation.detectors.base import Frame, Moment, Picture
from moderation.detectors.catalog import DETAIL
from moderation.detectors.library import FILLING, Entry, entries, render
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

Floats = npt.NDArray[np.float32]
Phasors = npt.NDArray[np.complex64]
Levels = npt.NDArray[np.uint8]

WIDTH = 640
"""Frames are looked at in this width, or at most double, or in their own."""
_ACROSS, _DOWN = 0.28, 0.36
"""The share of the frame's sides that a corner takes."""
_SMALLEST, _GROWTH, _SIZES = 0.04, 1.14, 8
"""Widths of a logo, in shares of the frame's, that are tried first; the neighbourhood of the best is tried next."""
_NEARBY = (0.92, 0.95, 0.975, 1.0, 1.025, 1.05, 1.08)
_REACH = 3
_EDGE = 8.0
_SPREAD = 45.0
_ALIKE = 24.0
_FLOOR = 0.03
_CANDIDATES, _PER_ENTRY = 20, 2
_MARGIN = 2
_REPORTED = 0.1


class Corners(NamedTuple):
    """The four corners of a frame, row by row: 4 x height x width levels, of a frame of `frame` height and width."""

    frame: tuple[int, int]
    levels: Levels


class Match(NamedTuple):
    """Where an entry was found, in pixels of the frame, and how surely, 0..1 above what chance brings."""

    score: float
    entry: Entry
    left: int
    top: int
    width: int
    height: int


class Overlays:
    """The surest match of each label over the segment, reported on all of its frames."""

    name: ClassVar[str] = "overlays"

    def __init__(self, documents: Mapping[str, bytes | None]) -> None:
        self._documents = documents

    def note(self, frame: Frame) -> Corners:
        return corners(frame.gray(DETAIL))

    def follow(self, moments: Sequence[Moment[Corners]]) -> list[list[Observation]]:
        wanted = [entry for entry in entries(self._documents) if (entry.label, entry.sub_label) == ("logo", "tv")]
        notes = {moment.picture: moment.note for moment in moments}
        seen: dict[tuple[int, int], list[Observation]] = {}
        for frame in {note.frame for note in notes.values()}:
            stack = np.stack([note.levels for note in notes.values() if note.frame == frame])
            match = max(matches(stack, frame, wanted), default=None, key=lambda one: one.score)
            seen[frame] = [self._observed(match, frame)] if match and match.score >= _REPORTED else []
        return [list(seen[moment.note.frame]) for moment in moments]

    def _observed(self, match: Match, frame: tuple[int, int]) -> Observation:
        height, width = frame
        return Observation(
            detector=self.name,
            form=Form.IMAGE,
            label=match.entry.label,
            sub_label=match.entry.sub_label,
            score=round(min(1.0, match.score), 4),
            box=Box(
                left=max(0.0, match.left / width),
                top=max(0.0, match.top / height),
                width=min(1.0, match.width / width),
                height=min(1.0, match.height / height),
            ),
            text=match.entry.name,
        )


def corners(picture: Picture) -> Corners:
    """`picture` is of mode L."""
    if picture.width >= 2 * WIDTH:
        picture = picture.reduce(picture.width // WIDTH)
    luma = np.asarray(picture)
    down, across = round(luma.shape[0] * _DOWN), round(luma.shape[1] * _ACROSS)
    down, across = down - down % 2, across - across % 2
    parts = (luma[:down, :across], luma[:down, -across:], luma[-down:, :across], luma[-down:, -across:])
    return Corners(luma.shape, np.stack(parts))


def matches(stack: Levels, frame: tuple[int, int], wanted: Sequence[Entry]) -> Iterator[Match]:
    """What of `wanted` is found in frames x 4 corners x height x width levels; scores of chance are left out."""
    corner = stack.shape[2:]
    if min(corner) < 16:
        return
    levels = stack.astype(np.float32)
    staying, usual = phasors(levels).mean(axis=0), np.median(levels, axis=0)
    for place in _places(_halves(stack), frame[1] // 2, wanted):
        raw, left, top, width, height = _fitted(place, staying, usual)
        if raw > place.entry.chance:
            right, lower = place.corner % 2, place.corner // 2
            yield Match(
                (raw - place.entry.chance) / (1 - place.entry.chance),
                place.entry,
                left + _MARGIN + right * (frame[1] - corner[1]),
                top + _MARGIN + lower * (frame[0] - corner[0]),
                width,
                height,
            )


def calibrated(entry: Entry, scenes: Sequence[Levels], frame: tuple[int, int]) -> Entry:
    """An entry with what it reaches in scenes (frames x 4 corners x height x width) that do not show it."""
    bare = entry.model_copy(update={"promise": 1.0})
    promises, reached = [], [0.0]
    for scene in scenes:
        places = _places(_halves(scene), frame[1] // 2, [bare])
        staying, usual = phasors(scene.astype(np.float32)).mean(axis=0), np.median(scene, axis=0)
        promises += [place.promise for place in places[:1]]
        reached += [_fitted(place, staying, usual)[0] for place in places]
    promise = float(np.mean(promises)) if promises else 1.0
    return entry.model_copy(
        update={"chance": round(min(0.9, max(reached)), 4), "promise": min(1.0, max(0.05, round(promise, 4)))}
    )


def phasors(levels: Floats) -> Phasors:
    """Per pixel the direction of its edge, with length 0..1 by strength. Opposite directions are one: angles count
    double, so that neither light on dark nor a change of what is behind turns an edge around.
    """
    slope = np.zeros(levels.shape, np.complex64)
    slope.real[..., :, 1:-1] = levels[..., :, 2:] - levels[..., :, :-2]
    slope.imag[..., 1:-1, :] = levels[..., 2:, :] - levels[..., :-2, :]
    strength = np.abs(slope)
    directed: Phasors = slope * slope / (strength * (strength + _EDGE) + np.float32(1e-6))
    return directed


@dataclass(frozen=True)
class _Place:
    """A size and place to look closer at, in pixels of frames of half the size."""

    promise: float
    entry: Entry
    width: int
    corner: int
    top: int
    left: int


class _Template(NamedTuple):
    """An entry at one width, as what its correlations need in the frequencies of a tile."""

    width: int
    shape: tuple[int, int]
    edges: Phasors
    opacity: Phasors
    levels: Phasors
    energy: float


def _halves(stack: Levels) -> Floats:
    high, wide = stack.shape[2:]
    halves: Floats = stack.reshape(-1, 4, high // 2, 2, wide // 2, 2).mean(axis=(3, 5), dtype=np.float32)
    return halves


def _places(halves: Floats, width: int, wanted: Sequence[Entry]) -> list[_Place]:
    """The most promising places of all entries at all sizes, against what each promises by chance.

    Promise is the correlation of edges, lessened by the mean square of what levels differ over time, all by FFT.
    """
    shape = halves.shape[2:]
    tile = (_tile(shape[0]), _tile(shape[1]))
    staying = phasors(halves).mean(axis=0)
    edges = np.fft.fft2(staying, tile)
    strength = np.pad((np.abs(staying) ** 2).cumsum(axis=-1).cumsum(axis=-2), ((0, 0), (1, 0), (1, 0)))
    centred = halves - FILLING
    means, squares = np.fft.rfft2(centred.mean(axis=0), tile), np.fft.rfft2((centred**2).mean(axis=0), tile)
    found = []
    for entry in wanted:
        for one in _templates(entry, width, shape, tile):
            high, wide = one.shape
            rows, columns = shape[0] - high + 1, shape[1] - wide + 1
            alike = np.fft.ifft2(edges * one.edges).real[:, :rows, :columns]
            there = strength[:, high:, wide:] - strength[:, :-high, wide:]
            there = there - strength[:, high:, :-wide] + strength[:, :-high, :-wide]
            differ = np.fft.irfft2(squares * one.opacity + means * one.levels, tile)[:, :rows, :columns] + one.energy
            promise = alike / np.sqrt(np.maximum(there, _FLOOR * high * wide))
            promise = promise * np.exp(-np.maximum(differ, 0) / (2 * _SPREAD**2))
            corner, top, left = (int(index) for index in np.unravel_index(promise.argmax(), promise.shape))
            found.append(_Place(float(promise[corner, top, left]) / entry.promise, entry, one.width, corner, top, left))
    found.sort(key=lambda place: -place.promise)
    kept: list[_Place] = []
    for place in found:
        if sum(place.entry is other.entry for other in kept) < _PER_ENTRY and len(kept) < _CANDIDATES:
            kept.append(place)
    return kept


def _templates(entry: Entry, width: int, shape: tuple[int, ...], tile: tuple[int, int]) -> Iterator[_Template]:
    picture = entry.picture
    for size in range(_SIZES):
        wide = round(width * _SMALLEST * _GROWTH**size)
        luma, alpha = render(picture, wide, 1)
        if luma.shape[0] >= shape[0] or luma.shape[1] >= shape[1]:
            return
        edges = phasors(luma)
        edges = edges / max(1e-6, float(np.sqrt((np.abs(edges) ** 2).sum())))
        weight, level = alpha / max(1e-6, float(alpha.sum())), luma - FILLING
        yield _Template(
            wide,
            (luma.shape[0], luma.shape[1]),
            np.conj(np.fft.fft2(edges, tile)),
            np.conj(np.fft.rfft2(weight, tile)),
            np.conj(np.fft.rfft2(-2 * weight * level, tile)),
            float((weight * level**2).sum()),
        )


def _fitted(place: _Place, staying: Phasors, usual: Floats) -> tuple[float, int, int, int, int]:
    """The best fit near a place: raw score 0..1, then left, top, width and height in its corner.

    The score is the correlation of edges times the share of opaque pixels that have the entry's level.
    """
    picture = place.entry.picture
    best: tuple[float, int, int, Any] | None = None
    for factor in _NEARBY:
        drawn = render(picture, max(3, round(2 * place.width * factor)), _MARGIN)
        high, wide = drawn.luma.shape
        top, left = (max(0, 2 * at - _REACH) for at in (place.top, place.left))
        around = usual[place.corner, top : top + 2 * _REACH + 1 + high, left : left + 2 * _REACH + 1 + wide]
        if around.shape[0] < high or around.shape[1] < wide:
            continue
        differ = (drawn.alpha * (sliding_window_view(around, (high, wide)) - drawn.luma) ** 2).sum(axis=(2, 3))
        down, across = (int(index) for index in np.unravel_index(differ.argmin(), differ.shape))
        mean = float(differ[down, across]) / max(1e-6, float(drawn.alpha.sum()))
        if best is None or mean < best[0]:
            best = (mean, top + down, left + across, drawn)
    if best is None:
        return 0.0, 0, 0, 1, 1
    _, top, left, drawn = best
    high, wide = drawn.luma.shape
    part = (place.corner, slice(top, top + high), slice(left, left + wide))
    edges, seen = phasors(drawn.luma), staying[part]
    norm = max(float((np.abs(seen) ** 2).sum()), _FLOOR * high * wide) * max(1e-6, float((np.abs(edges) ** 2).sum()))
    alike = float((seen * edges.conj()).real.sum()) / norm**0.5
    opaque = drawn.alpha > 0.9
    share = float((np.abs(usual[part] - drawn.luma)[opaque] < _ALIKE).mean()) if opaque.any() else 0.0
    return max(0.0, alike * share), left, top, wide - 2 * _MARGIN, high - 2 * _MARGIN


@cache
def _tile(length: int) -> int:
    """A length for FFT, at least as long, with small factors."""
    return next(n for n in range(length, 2 * length + 8) if all(n % p for p in (7, 11, 13, 17, 19, 23)) and n % 8 == 0)
