"""Overlays that stay in a corner while the picture behind them moves: television logos of the owner's libraries.

Over the frames of a segment, edges that stay and edges that move are told apart by averaging their directions: what
moves cancels out. A logo is where the edges that stay are its edges and the levels over time are its levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from moderation.detectors.base import Frame, Moment, Picture
from moderation.detectors.catalog import DETAIL
from moderation.detectors.library import FILLING, Entry, entries, opaque, render
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

Floats = npt.NDArray[np.float32]
Phasors = npt.NDArray[np.complex64]
Spectra = npt.NDArray[np.complexfloating[Any, Any]]
Levels = npt.NDArray[np.uint8]

WIDTH = 640
"""Frames are looked at in this width, or at most double, or in their own."""
_ACROSS, _DOWN = 0.28, 0.36
"""The share of the frame's sides that a corner takes."""
_SMALLEST, _GROWTH, _SIZES = 0.0425, 1.15, 7
"""Widths of a logo, in shares of the frame's, that are tried first; the neighbourhood of the best is tried next."""
_AREA = 100
"""Opaque pixels that a logo has at least where it is compared at less than full size."""
_NEARBY = 1.12
_REACH = 4
_EDGE = 8.0
_LEVELS = 0.3 / (2 * 45.0**2)
"""How much the mean square of levels that differ counts against edges."""
_ALIKE = 24.0
_FLOOR, _OWN = 0.03, 0.05
_CANDIDATES = 24
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
    if not wanted or min(corner) < 16:
        return
    scene = _Scene(stack)
    places = [place for entry in wanted for place in _places(scene, frame[1], entry)]
    places.sort(key=lambda place: place.entry.promise - place.promise)
    for place in places[:_CANDIDATES]:
        raw, left, top, width, height = _fitted(place, scene)
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
    promised, reached = [0.0], [0.0]
    for scene in map(_Scene, scenes):
        for place in _places(scene, frame[1], entry):
            promised.append(place.promise)
            reached.append(_fitted(place, scene)[0])
    update = {"chance": round(min(0.9, max(reached)), 4), "promise": round(min(1.0, max(promised)), 4)}
    return entry.model_copy(update=update)


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
    """A width and place to look closer at, in pixels of the frame."""

    promise: float
    entry: Entry
    width: float
    corner: int
    top: int
    left: int


class _Scene:
    """The corners of a segment's frames: edges that stay, usual levels, and both in the frequencies of a tile."""

    def __init__(self, stack: Levels) -> None:
        self._stack = stack.astype(np.float32)
        self._spectra: dict[int, Spectra] = {}
        self.shape = stack.shape[2:]
        self.staying, self.usual = phasors(self._stack).mean(axis=0), np.median(self._stack, axis=0)
        self.strength = np.abs(self.staying) ** 2

    def reduced(self, by: int) -> tuple[int, int]:
        """Height and width of a corner at a fraction of its size."""
        return self.shape[0] // by, self.shape[1] // by

    def spectra(self, by: int) -> Spectra:
        """Edges (two), levels and squares of levels, each of four corners, at a fraction of the size."""
        if by not in self._spectra:
            high, wide = self.reduced(by)
            cut = self._stack[..., : high * by, : wide * by]
            levels = cut.reshape(*cut.shape[:2], high, by, wide, by).mean(axis=(3, 5), dtype=np.float32)
            staying, centred = phasors(levels).mean(axis=0), levels - FILLING
            parts = (staying.real, staying.imag, centred.mean(axis=0), (centred**2).mean(axis=0))
            self._spectra[by] = np.fft.rfft2(np.stack(parts), _tile((high, wide)))
        return self._spectra[by]


class _Template(NamedTuple):
    """An entry at one width, in the frequencies of a tile: what correlates with each part of a scene's spectra."""

    shape: tuple[int, int]
    spectra: Spectra
    energy: float


def _places(scene: _Scene, width: int, entry: Entry) -> list[_Place]:
    """Where in each corner an entry promises most, in a frame of `width` pixels.

    Promise is the correlation of edges as a share of the entry's own, less the mean square of what levels differ over
    time: one correlation by FFT for each width. Small logos are compared at full size, others at a fraction of it.
    """
    best: dict[int, _Place] = {}
    for size in range(_SIZES):
        wide = width * _SMALLEST * _GROWTH**size
        by = 1
        while opaque(entry, wide / by) >= 4 * _AREA:
            by *= 2
        shape = scene.reduced(by)
        template = _template(entry, round(wide / by), _tile(shape))
        rows, columns = (whole - part + 1 for whole, part in zip(shape, template.shape, strict=True))
        if min(rows, columns) < 1:
            break
        parts = zip(scene.spectra(by), template.spectra, strict=True)
        promise = np.fft.irfft2(sum(part * other for part, other in parts), _tile(shape))[:, :rows, :columns]
        for corner, promises in enumerate(promise - template.energy):
            top, left = divmod(int(promises.argmax()), columns)
            score = float(promises[top, left])
            if corner not in best or score > best[corner].promise:
                # The margin of one pixel around a template is none of the logo.
                best[corner] = _Place(score, entry, wide, corner, (top + 1) * by, (left + 1) * by)
    return list(best.values())


@lru_cache(maxsize=512)
def _template(entry: Entry, wide: int, tile: tuple[int, int]) -> _Template:
    drawn = render(entry, wide, 1)
    edges = phasors(drawn.luma)
    edges = edges / max(1e-6, float((np.abs(edges) ** 2).sum()))
    weight = drawn.alpha * (_LEVELS / max(1e-6, float(drawn.alpha.sum())))
    level = drawn.luma - FILLING
    spectra = np.fft.rfft2(np.stack((edges.real, edges.imag, 2 * weight * level, -weight)), tile)
    return _Template(drawn.luma.shape, spectra.conj()[:, np.newaxis], float((weight * level**2).sum()))


def _fitted(place: _Place, scene: _Scene) -> tuple[float, int, int, int, int]:
    """The best fit near a place: raw score 0..1, then left, top, width and height in its corner.

    The score is the correlation of edges, where the entry is to be seen, times the share of opaque pixels that have
    its level.
    """
    best = (0.0, 0, 0, 1, 1)
    for wide in range(round(place.width / _NEARBY), round(place.width * _NEARBY) + 1):
        drawn = render(place.entry, wide, _MARGIN)
        high, across = drawn.luma.shape
        reach = _REACH + _MARGIN
        top, left = max(0, place.top - reach), max(0, place.left - reach)
        part = (place.corner, slice(top, top + 2 * _REACH + high), slice(left, left + 2 * _REACH + across))
        if scene.usual[part].shape[0] < high or scene.usual[part].shape[1] < across:
            continue
        seen = sliding_window_view(scene.staying[part], (high, across))
        edges = phasors(drawn.luma)
        # What lies beside a logo, behind its transparent parts, is none of it.
        own = np.maximum(np.abs(edges), drawn.alpha) > _OWN
        alike = np.einsum("yxhw,hw->yx", seen.real, edges.real) + np.einsum("yxhw,hw->yx", seen.imag, edges.imag)
        there = np.einsum("yxhw,hw->yx", sliding_window_view(scene.strength[part], (high, across)), own)
        alike /= np.sqrt(np.maximum(there, _FLOOR * own.sum()) * max(1e-6, float((np.abs(edges) ** 2).sum())))
        down, right = (int(index) for index in np.unravel_index(alike.argmax(), alike.shape))
        place_there = scene.usual[place.corner, top + down : top + down + high, left + right : left + right + across]
        solid = drawn.alpha > 0.9
        share = float((np.abs(place_there - drawn.luma)[solid] < _ALIKE).mean()) if solid.any() else 0.0
        score = float(alike[down, right]) * share
        if score > best[0]:
            best = (score, left + right, top + down, across - 2 * _MARGIN, high - 2 * _MARGIN)
    return best


@cache
def _tile(shape: tuple[int, int]) -> tuple[int, int]:
    """Sides for FFT, at least as long, with small factors."""
    high, wide = (
        next(n for n in range(side, 2 * side + 8) if all(n % p for p in (7, 11, 13, 17, 19, 23)) and n % 8 == 0)
        for side in shape
    )
    return high, wide
