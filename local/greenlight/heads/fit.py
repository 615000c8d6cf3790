"""Regularised logistic regression, Platt's calibration and folds that keep a group on one side."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

PENALTY = 0.1
DIRECTIONS = 512
BASE_RATE = 0.05
"""Calibrated scores are probabilities where one picture in twenty shows the label."""

_STEPS = 25
_LONGEST = 10
_CALM = 1e-4


class Line(NamedTuple):
    """A linear score: `weights @ x + bias`."""

    weights: Doubles
    bias: float

    def __call__(self, features: Floats) -> Doubles:
        """The score of each of n x width."""
        return features @ self.weights + self.bias


class Basis(NamedTuple):
    """Standardised embeddings along their principal directions: faster to learn from, and as good."""

    mean: Doubles
    directions: Doubles
    """width x size; divided by the deviation of each feature."""

    @classmethod
    def of(cls, embeddings: Floats, size: int = DIRECTIONS) -> "Basis":
        """Of n x width embeddings. Labels have no part in it."""
        mean = embeddings.mean(axis=0, dtype=float)
        deviation = np.sqrt(embeddings.var(axis=0, dtype=float) + 1e-6)
        standard = ((embeddings - mean) / deviation).astype(np.float32)
        _, axes = np.linalg.eigh((standard.T @ standard / len(standard)).astype(float))
        return cls(mean, axes[:, ::-1][:, :size] / deviation[:, np.newaxis])

    def __call__(self, embeddings: Floats) -> Floats:
        """n x size features."""
        features: Floats = ((embeddings - self.mean) @ self.directions).astype(np.float32)
        return features

    def unfold(self, line: Line) -> Line:
        """The same line over embeddings instead of features."""
        weights = self.directions @ line.weights
        return Line(weights, line.bias - float(weights @ self.mean))


def balanced(positive: Flags, groups: Numbers, *, base_rate: float = 0.5) -> Doubles:
    """Weights that sum to 1: each group counts once on its side, and positives have the share `base_rate`."""
    weights = np.zeros(len(positive))
    for side, share in ((positive, base_rate), (~positive, 1 - base_rate)):
        _, member, sizes = np.unique(groups[side], return_inverse=True, return_counts=True)
        weights[side] = share / (len(sizes) * sizes[member])
    return weights


def fit(features: Floats, positive: Flags, weights: Doubles, *, penalty: float = PENALTY) -> Line:
    """Logistic regression of least weighted loss; `penalty` is that on the squared slopes, the bias goes free."""
    extended = np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)
    line = _newton(extended, positive.astype(float), weights, np.append(np.full(features.shape[1], penalty), 1e-9))
    return Line(line[:-1], float(line[-1]))


def platt(scores: Doubles, positive: Flags, weights: Doubles) -> tuple[float, float]:
    """Slope and offset that make sigmoid(slope * score + offset) a probability. The slope is never negative.

    Targets are softened as Platt proposed, so that separable scores do not become certainties.
    """
    hits, misses = positive.sum(), (~positive).sum()
    targets = np.where(positive, (hits + 1) / (hits + 2), 1 / (misses + 2))
    spread = max(float(scores.std()), 1e-9)
    features = np.stack([scores / spread, np.ones(len(scores))], axis=1).astype(np.float32)
    slope, offset = _newton(features, targets, weights, np.array([1e-6, 1e-9]))
    if slope < 0:  # scores that say the opposite say nothing
        return 0.0, float(np.log(weights @ targets) - np.log(weights @ (1 - targets)))
    return float(slope / spread), float(offset)


def deal(groups: Numbers, positive: Flags, folds: int, seed: int) -> Numbers:
    """The fold of each sample. A group lies in one fold; groups with positives are dealt out evenly, then the rest."""
    chance = np.random.default_rng(seed)
    having = np.unique(groups[positive])
    others = np.setdiff1d(groups, having)
    order = np.concatenate([chance.permutation(having), chance.permutation(others)])
    fold_of = np.zeros(int(groups.max()) + 1, np.int64)
    fold_of[order] = np.arange(len(order)) % folds
    return fold_of[groups]


def sigmoid(values: Doubles | Floats) -> Doubles:
    """The logistic function, safe at both ends."""
    return 0.5 * (1 + np.tanh(values.astype(float) / 2))


def _newton(features: Floats, targets: Doubles, weights: Doubles, ridge: Doubles) -> Doubles:
    line = np.zeros(features.shape[1])
    for _ in range(_STEPS):
        # In single precision: numpy would copy all features to mix them with doubles.
        chances = sigmoid(features @ line.astype(np.float32))
        slope = features.T @ (weights * (chances - targets)).astype(np.float32) + ridge * line
        if np.abs(slope).max() < _CALM:
            break
        curvature = (weights * np.maximum(chances * (1 - chances), 1e-9)).astype(np.float32)
        bend = (features * curvature[:, np.newaxis]).T @ features + np.diag(ridge)
        step = np.linalg.solve(bend, -slope)
        # Far steps overshoot where all chances are near 0 or 1.
        line += step * min(1.0, _LONGEST / float(np.abs(features @ step.astype(np.float32)).max()))
    return line
