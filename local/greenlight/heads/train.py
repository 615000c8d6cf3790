"""From labelled pictures to heads and their figures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from greenlight.heads import figures
from greenlight.heads.data import HeadPlan, Sample
from greenlight.heads.embed import Looks
from greenlight.heads.figures import AtThreshold, Figure
from greenlight.heads.fit import (
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
from moderation.detectors.heads import Head, encode, evidence

RATES = (0.01, 0.002)
"""The false-positive rates that thresholds are proposed for."""
LEAST = 8
"""A head needs pictures of as many different groups."""
_SEED = 4
_SPREAD = 0.5
"""Evidence that differs less among pictures without the label is taken to differ so much."""


@dataclass(frozen=True)
class Report:
    """What is known of one head: `scores` are those of pictures that were not learnt from.

    `sources` are figures of training without an origin and testing on it.
    """

    plan: HeadPlan
    scores: Doubles
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
class Together:
    """Figures of the highest of several heads, for the label of one or all: the others' pictures are not counted."""

    name: str
    pictures: int
    precision: Figure
    thresholds: tuple[AtThreshold, ...]


@dataclass(frozen=True)
class Set:
    """Pictures and what the model says of them and their altered copies."""

    samples: Sequence[Sample]
    looks: Looks

    @cached_property
    def groups(self) -> Numbers:
        """The number of each picture's group."""
        return np.unique([sample.group for sample in self.samples], return_inverse=True)[1]

    @cached_property
    def basis(self) -> Basis:
        return Basis.of(self.looks.embeddings[0])

    @cached_property
    def features(self) -> Floats:
        """The embeddings along the basis."""
        return np.array([self.basis(copies) for copies in self.looks.embeddings])

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
        copies = len(self.looks.embeddings)
        learnt = np.tile(positive[chosen], copies)
        weights = balanced(learnt, np.tile(self.groups[chosen], copies))
        return fit(self.features[:, chosen].reshape(len(learnt), -1), learnt, weights)

    def evidence(self, tags: Sequence[int]) -> Doubles:
        """What some tags say of each picture; nothing without any."""
        return evidence(self.looks.chances[0], tags) if tags else np.zeros(len(self.samples))


def train(
    plans: Sequence[HeadPlan],
    data: Set,
    test: Set | None = None,
    *,
    tags: Sequence[str] = (),
    folds: int = 5,
    progress: Callable[[str], None] = lambda name: None,
) -> Iterator[tuple[Head, Report]]:
    """Each head with its report; `progress` is told the name of each before it is trained. `tags` are the model's.

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
        numbers = plan.numbers(tags)
        said = data.evidence(numbers)
        # By fixed shares: a dozen pictures are too few to learn them from.
        share = plan.lean * raw[~positive].std() / max(said[~positive].std(), _SPREAD) if numbers else 0.0
        mixed = raw + share * said
        weights = balanced(positive, data.groups, base_rate=plan.base_rate)
        slope, offset = platt(mixed, positive, weights)
        scores = sigmoid(slope * mixed + offset)
        proposed = [figures.threshold_for(scores, positive, rate) for rate in RATES]
        line = data.basis.unfold(data.line(positive, np.ones(len(positive), bool)))
        head = Head(
            name=plan.name,
            weights=encode(slope * line.weights),
            bias=slope * line.bias + offset,
            thresholds={str(rate): threshold for rate, threshold in zip(RATES, proposed, strict=True)},
            permissive=all(sample.permissive for sample in data.samples),
            tags=numbers,
            tag_weight=float(slope * share),
        )
        report = Report(
            plan,
            scores,
            int(positive.sum()),
            count,
            head.permissive,
            figures.average_precision(scores, positive, data.groups),
            tuple(figures.at_threshold(scores, positive, data.groups, one) for one in proposed),
            dict(_across(data, positive, share * said)),
            _test(test, plan, _score(test, head), proposed) if test else None,
        )
        yield head, report


def together(name: str, members: Sequence[Report], data: Set) -> Iterator[Together]:
    """The highest score of some heads, as the product reports it: for all their labels, and for each."""
    highest = np.max([one.scores for one in members], axis=0)
    shown = {one.plan.name: data.showing(one.plan) for one in members}
    anything = np.any(list(shown.values()), axis=0)
    proposed = [figures.threshold_for(highest, anything, rate) for rate in RATES]
    for label, positive in {name: anything, **shown}.items():
        counted = positive | ~anything
        asked = highest[counted], positive[counted], np.unique(data.groups[counted], return_inverse=True)[1]
        yield Together(
            label,
            int(positive.sum()),
            figures.average_precision(*asked),
            tuple(figures.at_threshold(*asked, one) for one in proposed),
        )


def _across(data: Set, positive: Flags, said: Doubles) -> Iterator[tuple[str, Figure]]:
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
            scores = line(data.features[0, asked]) + said[asked]
            yield str(origin), figures.average_precision(scores, positive[asked], data.groups[asked])


def _score(test: Set, head: Head) -> Doubles:
    """As the product scores."""
    logits = test.looks.embeddings[0] @ head.vector.astype(float) + head.bias
    return sigmoid(logits + head.tag_weight * test.evidence(head.tags))


def _test(test: Set, plan: HeadPlan, scores: Doubles, thresholds: Sequence[float]) -> Test:
    positive = test.showing(plan)
    return Test(
        int(positive.sum()),
        int((~positive).sum()),
        figures.average_precision(scores, positive, test.groups) if positive.any() else None,
        tuple(figures.at_threshold(scores, positive, test.groups, one) for one in thresholds),
    )
