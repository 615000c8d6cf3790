"""Figures of a head on scored pictures, with intervals from a bootstrap over groups."""

from typing import NamedTuple

import numpy as np

from greenlight.heads.fit import Doubles, Flags, Numbers

_REPEATS = 1000


class Figure(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


class AtThreshold(NamedTuple):
    """What a threshold does."""

    threshold: float
    precision: Figure
    recall: Figure
    false_positives: Figure


def average_precision(scores: Doubles, positive: Flags, groups: Numbers) -> Figure:
    """The area under the precision-recall curve, in steps."""
    order = np.argsort(-scores, kind="stable")
    hit = positive[order]

    def area(counts: Doubles) -> Doubles:
        ordered = counts[:, order]
        true = np.cumsum(ordered * hit, axis=1)
        precision = true / np.maximum(np.cumsum(ordered, axis=1), 1e-9)
        areas: Doubles = (precision * ordered * hit).sum(axis=1) / np.maximum(true[:, -1], 1e-9)
        return areas

    return _interval(area(np.ones((1, len(scores))))[0], area(_resampled(groups, positive)))


def at_threshold(scores: Doubles, positive: Flags, groups: Numbers, threshold: float) -> AtThreshold:
    """Precision, recall and the share of negatives that reach the threshold."""
    over = scores >= threshold

    def shares(counts: Doubles) -> Doubles:
        true, false = counts[:, over & positive].sum(axis=1), counts[:, over & ~positive].sum(axis=1)
        return np.stack(
            [
                # A threshold that nothing reaches has made no mistake.
                np.where(true + false > 0, true / np.maximum(true + false, 1), 1.0),
                true / np.maximum(counts[:, positive].sum(axis=1), 1),
                false / np.maximum(counts[:, ~positive].sum(axis=1), 1),
            ]
        )

    values, repeats = shares(np.ones((1, len(scores))))[:, 0], shares(_resampled(groups, positive))
    return AtThreshold(threshold, *(_interval(value, repeat) for value, repeat in zip(values, repeats, strict=True)))


def threshold_for(scores: Doubles, positive: Flags, rate: float) -> float:
    """The least confidence, in hundredths, that at most this share of the negatives reaches."""
    negatives = scores[~positive]
    for hundredth in range(1, 101):
        if (negatives >= hundredth / 100).mean() <= rate:
            return hundredth / 100
    return 1.0


def _resampled(groups: Numbers, positive: Flags) -> Doubles:
    """How often each sample is drawn (repeats x samples), whole groups at a time, those with positives apart."""
    chance = np.random.default_rng(0)
    counts = np.zeros((_REPEATS, int(groups.max()) + 1))
    having = np.unique(groups[positive])
    for side in (having, np.setdiff1d(groups, having)):
        if len(side):
            counts[:, side] = chance.multinomial(len(side), np.full(len(side), 1 / len(side)), _REPEATS)
    return counts[:, groups]


def _interval(value: float, repeats: Doubles) -> Figure:
    low, high = np.quantile(repeats, [0.025, 0.975])
    return Figure(float(value), min(float(value), float(low)), max(float(value), float(high)))
