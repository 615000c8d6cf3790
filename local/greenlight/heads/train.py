"""From labelled pictures to heads and their figures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from greenlight.heads import figures
from greenlight.heads.data import HeadPlan, Sample
from greenlight.heads.figures import AtThreshold, Figure
from greenlight.heads.fit import (
    BASE_RATE,
    Basis,
    Doubles,
    Flags,
    Floats,
    Line,
    Numbers,
    balanced,
    deal,
    fit,
    platt,
    sigmoid,
)
from moderation.detectors.heads import Head, encode

RATES = (0.01, 0.002)
"""The false-positive rates that thresholds are proposed for."""
LEAST = 8
"""A head needs pictures of as many different groups."""
_SEED = 4


@dataclass(frozen=True)
class Report:
    """What is known of one head. `sources` are figures of training without an origin and testing on it."""

    plan: HeadPlan
    pictures: int
    groups: int
    permissive: bool
    precision: Figure
    thresholds: tuple[AtThreshold, ...]
    sources: dict[str, Figure]
    tested: "Test | None" = None


@dataclass(frozen=True)
class Test:
    """Figures on other data, at the same thresholds. `precision` is None where they show the label nowhere."""

    pictures: int
    negatives: int
    precision: Figure | None
    thresholds: tuple[AtThreshold, ...]


@dataclass(frozen=True)
class Set:
    """Pictures with embeddings, (1 + altered copies) x pictures x width."""

    samples: Sequence[Sample]
    embeddings: Floats

    @cached_property
    def groups(self) -> Numbers:
        """The number of each picture's group."""
        return np.unique([sample.group for sample in self.samples], return_inverse=True)[1]

    @cached_property
    def basis(self) -> Basis:
        return Basis.of(self.embeddings[0])

    @cached_property
    def features(self) -> Floats:
        """The embeddings along the basis."""
        return np.array([self.basis(copies) for copies in self.embeddings])

    def showing(self, plan: HeadPlan) -> Flags:
        """Which pictures have any of a head's labels."""
        return np.array([not sample.labels.isdisjoint(plan.of) for sample in self.samples])

    def trainable(self, plans: Sequence[HeadPlan]) -> tuple[list[HeadPlan], list[str]]:
        """The heads that there are enough groups for, with and without the label, and the names of the others."""
        enough, scarce = [], []
        for plan in plans:
            positive = self.showing(plan)
            if min(len(np.unique(self.groups[side])) for side in (positive, ~positive)) >= LEAST:
                enough.append(plan)
            else:
                scarce.append(plan.name)
        return enough, scarce

    def line(self, positive: Flags, chosen: Flags) -> Line:
        """Trained on the chosen pictures and their altered copies."""
        copies = len(self.embeddings)
        learnt = np.tile(positive[chosen], copies)
        weights = balanced(learnt, np.tile(self.groups[chosen], copies))
        return fit(self.features[:, chosen].reshape(len(learnt), -1), learnt, weights)


def train(
    plans: Sequence[HeadPlan],
    data: Set,
    test: Set | None = None,
    *,
    folds: int = 5,
    progress: Callable[[str], None] = lambda name: None,
) -> Iterator[tuple[Head, Report]]:
    """Each head with its report; `progress` is told the name of each before it is trained.

    Scores that figures, calibration and thresholds are made of come from heads that have seen no picture of the same
    group.
    """
    for plan in plans:
        progress(plan.name)
        positive = data.showing(plan)
        count = len(np.unique(data.groups[positive]))
        dealt = deal(data.groups, positive, folds, _SEED)
        raw = np.zeros(len(positive))
        for fold in range(folds):
            aside = dealt == fold
            raw[aside] = data.line(positive, ~aside)(data.features[0, aside])
        weights = balanced(positive, data.groups, base_rate=BASE_RATE)
        slope, offset = platt(raw, positive, weights)
        scores = sigmoid(slope * raw + offset)
        proposed = [figures.threshold_for(scores, positive, rate) for rate in RATES]
        line = data.basis.unfold(data.line(positive, np.ones(len(positive), bool)))
        head = Head(
            name=plan.name,
            weights=encode(slope * line.weights),
            bias=slope * line.bias + offset,
            thresholds={str(rate): threshold for rate, threshold in zip(RATES, proposed, strict=True)},
            permissive=all(sample.permissive for sample in data.samples),
        )
        report = Report(
            plan,
            int(positive.sum()),
            count,
            head.permissive,
            figures.average_precision(scores, positive, data.groups),
            tuple(figures.at_threshold(scores, positive, data.groups, one) for one in proposed),
            dict(_across(data, positive)),
            _test(test, plan, sigmoid(slope * line(test.embeddings[0]) + offset), proposed) if test else None,
        )
        yield head, report


def _across(data: Set, positive: Flags) -> Iterator[tuple[str, Figure]]:
    """For each origin with positives of enough groups, given that others have some too: trained without any picture of
    it, tested on its positives and on benign pictures that were held out."""
    origins = np.array([sample.origin for sample in data.samples])
    aside = deal(data.groups, positive, 2, _SEED) == 0
    for origin in np.unique(origins[positive]):
        here = origins == origin
        if min(len(np.unique(data.groups[positive & one])) for one in (here, ~here)) >= LEAST:
            learnt = ~here & (positive | ~aside)
            asked = (here & positive) | (aside & ~positive)
            line = data.line(positive, learnt)
            scores = line(data.features[0, asked])
            yield str(origin), figures.average_precision(scores, positive[asked], data.groups[asked])


def _test(test: Set, plan: HeadPlan, scores: Doubles, thresholds: Sequence[float]) -> Test:
    positive = test.showing(plan)
    return Test(
        int(positive.sum()),
        int((~positive).sum()),
        figures.average_precision(scores, positive, test.groups) if positive.any() else None,
        tuple(figures.at_threshold(scores, positive, test.groups, one) for one in thresholds),
    )
