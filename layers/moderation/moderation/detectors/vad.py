"""Silero VAD: where in a sound somebody speaks."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from moderation.detectors.inference import Floats, Network

FRAME = 512
"""Samples that one probability is about: 32 ms."""
_CONTEXT = 64
"""Samples that the network sees of the frame before."""
_BLOCK = 1000
"""Frames of one run: its state is carried on, so that only memory depends on this."""
_WIDTH = 128

_BEGIN, _GO_ON = 0.5, 0.35
"""Speech begins at the one probability and lasts while it stays above the other."""
_SHORTEST = 8
_PAUSE = 10
_AROUND = 3
"""All in frames: what is shorter is no speech, a pause that is shorter belongs to it, what is added at both ends."""


class Stretch(NamedTuple):
    """From sample `start` to before sample `end`."""

    start: int
    end: int


class Silero:
    """Sound of 16 kHz, one channel, in -1..1."""

    name: ClassVar[str] = "silero"

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, samples: Floats) -> Floats:
        """The probability of speech in each frame of 512 samples, the last one filled up with silence."""
        state = {"h": np.zeros((1, 1, _WIDTH), np.float32), "c": np.zeros((1, 1, _WIDTH), np.float32)}
        found = []
        for block in _blocks(samples):
            speech, state["h"], state["c"] = self._network.run(["speech_probs", "hn", "cn"], {"input": block, **state})
            found.append(speech)
        return np.concatenate(found) if found else np.zeros(0, np.float32)


def stretches(probabilities: Floats) -> list[Stretch]:
    """Where there is speech, in order and apart from each other; `probabilities` are those of `Silero.run`."""
    count = len(probabilities)
    going_on = np.flatnonzero(probabilities >= _GO_ON)
    if not len(going_on):
        return []
    # Runs above the lower threshold, cut where a pause is long; kept where the higher one is reached for long enough.
    runs = np.split(going_on, np.flatnonzero(np.diff(going_on) > _PAUSE) + 1)
    kept = [run for run in runs if np.count_nonzero(probabilities[run] >= _BEGIN) >= _SHORTEST]
    found: list[Stretch] = []
    for run in kept:
        start, end = max(0, int(run[0]) - _AROUND), min(count, int(run[-1]) + 1 + _AROUND)
        found.append(Stretch(start * FRAME, end * FRAME))
    return found


def _blocks(samples: Floats) -> Iterator[Floats]:
    """Frames side by side, each with the end of the one before it in front."""
    for first in range(0, len(samples), _BLOCK * FRAME):
        count = -(-min(len(samples) - first, _BLOCK * FRAME) // FRAME)
        padded = np.zeros(_CONTEXT + count * FRAME, np.float32)
        begin = max(0, first - _CONTEXT)
        piece = samples[begin : first + count * FRAME]
        offset = _CONTEXT - (first - begin)
        padded[offset : offset + len(piece)] = piece
        yield np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + FRAME)[::FRAME]
