"""Thresholds that keep false positives within a budget per hour of video."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenlight.evaluate.figures import Share
from greenlight.evaluate.look import Looked, Pair
from greenlight.evaluate.manifest import Item, Kind
from greenlight.evaluate.score import scores
from moderation.models.template import Rule, Template
from moderation.policy import confidence
from moderation.services.templates import preset_names
from moderation.timeline import courses

BLOCK_SHARE = 0.1
"""Of the budget, what blocking may use."""


@dataclass(frozen=True)
class Rate:
    """So many events in so many hours, with the exact 95 % interval of their rate."""

    events: int
    hours: float

    @property
    def value(self) -> float:
        return self.events / self.hours if self.hours else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.hours:
            return 0.0, math.inf
        low = _root(lambda mean: 1 - _at_most(self.events - 1, mean) - 0.025) if self.events else 0.0
        return low / self.hours, _root(lambda mean: 0.025 - _at_most(self.events, mean)) / self.hours

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2f} ({low:.2f}–{high:.2f})"


@dataclass(frozen=True)
class Proposal:
    """What a rule would become, and what it would do: false positives at its thresholds, and what it finds.

    `hours` are those of benign video that this rests on.
    """

    rule: Rule
    proposed: Rule
    reviews: Rate | None
    blocks: Rate | None
    recall: Share
    hours: float


Seen = Sequence[tuple[Item, Looked]]


def calibrated(
    seen: Seen,
    template: Template,
    meanings: dict[str, frozenset[Pair]],
    *,
    per_hour: float,
    shot_seconds: float,
    progress: Callable[[], None] = lambda: None,
) -> list[Proposal]:
    """For each rule about pictures the thresholds within its share of the budget, which all rules share alike.

    A threshold is raised as far as it has to be, and lowered as far as there are hours enough to show that the budget
    holds: by the upper end of the interval. A benign picture stands for a shot of `shot_seconds`, of which every look
    is like it.
    """
    rules = [rule for rule in template.rules if _looks(rule)]
    tested = [(item, looked, scores(looked, template)) for item, looked in seen if looked.verdict]
    benign = [one for one in tested if not one[0].labels and one[0].kind in (Kind.PICTURE, Kind.CLIP)]
    hours = sum(_seconds(item, looked, shot_seconds) for item, looked, _ in benign) / 3600
    budget = per_hour / max(1, len(rules))
    proposals = []
    for rule in rules:
        pair = (rule.label, rule.sub_label)

        def false(threshold: int, rule: Rule = rule, pair: Pair = pair) -> int:
            tried = _at(rule, threshold, None)
            return sum(
                _segments(looked, template, tried) for _, looked, best in benign if _may(best, pair, threshold, rule)
            )

        review = None if rule.review is None else _fitting(false, rule.review, budget, hours)
        block = None if rule.block is None else _fitting(false, rule.block, BLOCK_SHARE * budget, hours)
        if review is not None and block is not None:
            block = max(review, block)
        proposed = _at(rule, review, block)
        positive = [one for one in tested if any(pair in meanings.get(label, ()) for label in one[0].labels)]
        found = sum(bool(_segments(looked, template, proposed)) for _, looked, _ in positive)
        rates = [None if at is None else Rate(false(at), hours) for at in (review, block)]
        proposals.append(Proposal(rule, proposed, rates[0], rates[1], Share(found, len(positive)), hours))
        progress()
    return proposals


def rewritten(template: Template, proposals: Sequence[Proposal]) -> Template:
    """The template as its next revision, with what is proposed. A preset's name stays the preset's."""
    changed = {(one.rule.label, one.rule.sub_label, one.rule.forms): one.proposed for one in proposals}
    rules = tuple(changed.get((rule.label, rule.sub_label, rule.forms), rule) for rule in template.rules)
    name = f"own_{template.name}" if template.name in preset_names() else template.name
    return template.model_copy(update={"name": name, "revision": template.revision + 1, "rules": rules})


def _looks(rule: Rule) -> bool:
    return bool({"image", "code"} & {str(form) for form in rule.forms})


def _at(rule: Rule, review: int | None, block: int | None) -> Rule:
    single = None if rule.single is None else max(rule.single, review or block or 0)
    return rule.model_copy(update={"review": review, "block": block, "single": single})


def _may(best: dict[Pair, float], pair: Pair, threshold: int, rule: Rule) -> bool:
    """Whether a rule can be met at all, which is soon told."""
    return confidence(best.get(pair, 0.0)) >= threshold


def _seconds(item: Item, looked: Looked, shot_seconds: float) -> float:
    if item.kind is Kind.PICTURE:
        return shot_seconds
    return looked.verdict.duration if looked.verdict else 0.0


def _segments(looked: Looked, template: Template, rule: Rule) -> int:
    """How often one rule is met in a clip."""
    duration = looked.verdict.duration if looked.verdict else 0.0
    alone = template.model_copy(update={"rules": (rule,)})
    return sum(len(course.runs()) for course in courses(looked.scans, alone, {}, duration))


def _fitting(false: Callable[[int], int], now: int, budget: float, hours: float) -> int:
    """The lowest confidence with no more false positives an hour than `budget`; below `now` only if that is certain."""
    threshold = now
    while threshold < 100 and Rate(false(threshold), hours).value > budget:
        threshold += 1
    while threshold == now and now > 1 and Rate(false(now - 1), hours).interval[1] <= budget:
        now = threshold = now - 1
    return threshold


def _at_most(events: int, mean: float) -> float:
    """The probability of so many events or fewer where `mean` are expected."""
    return sum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(events + 1)) if mean else 1.0


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    while rising(high) < 0:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high
