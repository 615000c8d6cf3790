"""MC3-18, a network that looks along time: whether the people in two seconds of pictures fight."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from moderation.detectors.base import Picture
from moderation.detectors.inference import Floats, Network

FRAMES, SIDE = 16, 112
_MEAN = np.array([0.43216, 0.394666, 0.37645], np.float32)
_DEVIATION = np.array([0.22803, 0.22145, 0.216989], np.float32)


class FightClip:
    """Clips of two seconds, whatever the number of their pictures."""

    name: ClassVar[str] = "fight"

    def __init__(self, weights: Path) -> None:
        self._network = Network(weights, self.name)

    def run(self, pictures: Sequence[Picture]) -> float:
        """The probability of a fight. `pictures` are squares of 112 pixels in order of time, at least one."""
        (probabilities,) = self._network.run(["probs"], prepare(pictures))
        return float(probabilities[0, 0])


def prepare(pictures: Sequence[Picture]) -> Floats:
    """16 x 3 x 112 x 112, RGB normalised as for Kinetics; pictures are left out or repeated evenly."""
    chosen = np.linspace(0, len(pictures) - 1, FRAMES).round().astype(int)
    levels = np.array([np.asarray(pictures[index], np.float32) for index in chosen])
    normal = (levels / np.float32(255) - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2), np.float32)
