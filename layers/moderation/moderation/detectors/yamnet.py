"""YAMNet: 521 kinds of sound of the AudioSet ontology, each second of sound by itself."""

from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from moderation.detectors.inference import Floats, Network
from moderation.detectors.speech import RATE

KINDS = 521
WINDOW, HOP = 0.96, 0.48
"""Seconds that one judgement is about, and from one to the next."""
Doubles = npt.NDArray[np.float64]

_FRAME, _STEP, _SPECTRUM = 400, 160, 512
_BANDS, _LOWEST, _HIGHEST = 64, 125.0, 7500.0
_FRAMES, _FRAME_HOP = 96, 48
_OFFSET = 0.001
_BATCH = 32


class YamNet:
    """Sound of 16 kHz, one channel, in -1..1."""

    name: ClassVar[str] = "yamnet"

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, samples: Floats) -> Floats:
        """Windows x 521 probabilities; window n is about 0.96 s from n * 0.48 s on.

        The last window begins earlier where less sound is left than it needs: what breaks off into silence is a gasp
        to the network. Less sound than one window is filled up with silence; no sound has no windows.
        """
        hop, whole = _FRAME_HOP * _STEP, (_FRAMES - 1) * _STEP + _FRAME
        count = max(1, -(-(len(samples) - _FRAMES * _STEP) // hop) + 1) if len(samples) else 0
        found = [np.zeros((0, KINDS), np.float32)]
        for first in range(0, count, _BATCH):
            windows = min(_BATCH, count - first)
            length = ((windows - 1) * _FRAME_HOP + _FRAMES - 1) * _STEP + _FRAME
            piece = samples[first * hop : first * hop + length]
            found.append(self._scores(np.pad(piece, (0, length - len(piece)))))
        if whole <= len(samples) < (count - 1) * hop + whole:
            found[-1][-1:] = self._scores(samples[-whole:])
        return np.concatenate(found)

    def _scores(self, samples: Floats) -> Floats:
        batch = np.lib.stride_tricks.sliding_window_view(log_mel(samples), _FRAMES, axis=0)[::_FRAME_HOP]
        scores: Floats
        (scores,) = self._network.run(["scores"], np.ascontiguousarray(batch.transpose(0, 2, 1)[:, np.newaxis]))
        return scores


def log_mel(samples: Floats) -> Floats:
    """Frames x 64: the logarithm of the magnitude in each mel band, 25 ms every 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_STEP] * _hann()
    magnitude = np.abs(np.fft.rfft(frames, _SPECTRUM)).astype(np.float32)
    levels: Floats = np.log(magnitude @ _bands() + _OFFSET)
    return levels


@cache
def _hann() -> Floats:
    """A periodic Hann window."""
    window: Floats = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)
    return window


@cache
def _bands() -> Floats:
    """Bins of the spectrum x bands: triangles that are straight on the mel scale and know no direct current."""
    bins = _mel(np.linspace(0, RATE / 2, _SPECTRUM // 2 + 1))[:, np.newaxis]
    edges = np.linspace(_mel(np.array(_LOWEST)), _mel(np.array(_HIGHEST)), _BANDS + 2)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    weights: Floats = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    weights[0] = 0
    return weights


def _mel(hertz: Doubles) -> Doubles:
    return 2595 * np.log10(1 + hertz / 700)
