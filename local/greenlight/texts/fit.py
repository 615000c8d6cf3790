"""Regularised logistic regression over sparse n-grams beside dense vectors, in numpy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from moderation.text.encoder import WIDTH, Floats
from moderation.text.linear import BUCKETS, Spelling

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PENALTY = 8e-5
STEPS = 250
_CALM = 5e-5


class Table(NamedTuple):
    """Texts as rows: of the n-grams only what is not zero, row by row, and all of the vectors."""

    buckets: npt.NDArray[np.int64]
    values: Floats
    lengths: npt.NDArray[np.int64]
    vectors: Floats

    @classmethod
    def of(cls, spellings: Sequence[Spelling], vectors: Floats) -> "Table":
        return cls(
            np.concatenate([one.buckets for one in spellings]),
            np.concatenate([one.values for one in spellings]),
            np.array([len(one.buckets) for one in spellings], np.int64),
            vectors,
        )

    def rows(self, chosen: Flags) -> "Table":
        kept = np.repeat(chosen, self.lengths)
        return Table(self.buckets[kept], self.values[kept], self.lengths[chosen], self.vectors[chosen])

    def and_rows(self, other: "Table") -> "Table":
        """These rows and then those."""
        return Table(
            np.concatenate([self.buckets, other.buckets]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.lengths, other.lengths]),
            np.concatenate([self.vectors, other.vectors]),
        )


class Plane(NamedTuple):
    """A linear score over a table."""

    grams: Doubles
    meaning: Doubles
    bias: float

    def __call__(self, table: Table) -> Doubles:
        """The score of each row."""
        starts = np.concatenate([[0], np.cumsum(table.lengths)[:-1]])
        products = table.values * self.grams[table.buckets]
        return np.add.reduceat(products, starts) + table.vectors @ self.meaning + self.bias


def fit(table: Table, positive: Flags, *, penalty: float = PENALTY) -> Plane:
    """The plane of least loss; both sides weigh the same. By Nesterov's accelerated descent."""
    weights = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())
    targets = positive.astype(float)
    owner = np.repeat(np.arange(len(table.lengths)), table.lengths)
    plane = Plane(np.zeros(BUCKETS), np.zeros(WIDTH), 0.0)
    ahead = plane
    rate = 1 / (0.25 * 3 + penalty)  # rows are of length 1 in each of the three parts
    momentum = (1 - np.sqrt(rate * penalty)) / (1 + np.sqrt(rate * penalty))
    for _ in range(STEPS):
        slope = weights * (0.5 * (1 + np.tanh(ahead(table) / 2)) - targets)
        grams = np.bincount(table.buckets, table.values * slope[owner], BUCKETS) + penalty * ahead.grams
        meaning = table.vectors.T @ slope + penalty * ahead.meaning
        bias = float(slope.sum())
        stepped = Plane(ahead.grams - rate * grams, ahead.meaning - rate * meaning, ahead.bias - rate * bias)
        ahead = Plane(
            stepped.grams + momentum * (stepped.grams - plane.grams),
            stepped.meaning + momentum * (stepped.meaning - plane.meaning),
            stepped.bias + momentum * (stepped.bias - plane.bias),
        )
        plane = stepped
        if max(np.abs(grams).max(), np.abs(meaning).max(), abs(bias)) < _CALM:
            break
    return plane
