"""Figures of an evaluation, each with what chance alone could have made of it."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from greenlight.evaluate.errors_of_speech import cer, characters, wer, words
from greenlight.evaluate.look import Pair
from greenlight.evaluate.manifest import BENIGN, Kind
from greenlight.evaluate.score import Judged, rule_of
from greenlight.heads.figures import Figure, average_precision
from moderation.models.template import Template
from moderation.models.verdict import Suggestion

_Z = 1.96
GAPS: Pair = ("", "")
"""In the place of a label: not all was looked at."""


@dataclass(frozen=True)
class Share:
    """`hits` of `total`, with its 95 % Wilson interval; all of it 0 to 1 where there was nothing."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        middle = self.value + _Z**2 / (2 * self.total)
        spread = _Z * math.sqrt(self.value * (1 - self.value) / self.total + (_Z / (2 * self.total)) ** 2)
        scale = 1 + _Z**2 / self.total
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.1%} ({low:.1%}–{high:.1%})"


@dataclass(frozen=True)
class LabelFigures:
    """How well one label is found. `threshold` is a confidence, None where the template does not ask about it.

    What the product has no name for has no figures. The members are those items that could have shown the label: of
    the kinds that some positive is of, without those that carry another name for the same.
    """

    name: str
    members: Sequence[Judged]
    positives: int
    precision_curve: Figure | None
    threshold: int | None
    precision: Share | None
    recall: Share | None


@dataclass(frozen=True)
class BenignFigures:
    """What becomes of items that show nothing: `reviewed` counts all that do not pass, `blocked` the worst of them."""

    reviewed: Share
    blocked: Share


@dataclass(frozen=True)
class Mistaken:
    """Of the items with one label of the manifest, or "benign", those taken for what they are not labelled as.

    `pair` is ("", "") for gaps in coverage. `reviewed` are those that do not pass because of it.
    """

    shown: str
    pair: Pair
    reviewed: Share
    blocked: Share


@dataclass(frozen=True)
class SpeechFigures:
    """Errors over all transcripts together, weighted by their length."""

    files: int
    wer: float | None
    cer: float | None
    invented: int


def of_label(
    name: str, pairs: Collection[Pair], judged: Sequence[Judged], siblings: Collection[str], template: Template
) -> LabelFigures:
    """The figures of one label, which stands for some `pairs`; `siblings` are other names for the same pairs."""
    kinds = {one.item.kind for one in judged if name in one.item.labels}
    members = [
        one
        for one in judged
        if one.item.kind in kinds and (name in one.item.labels or not one.item.labels & set(siblings))
    ]
    positive = np.array([name in one.item.labels for one in members], bool)
    curve = None
    if pairs and positive.any():
        scores = np.array([one.score(pairs) for one in members])
        names = {group: number for number, group in enumerate(dict.fromkeys(one.item.group for one in members))}
        groups = np.array([names[one.item.group] for one in members])
        curve = average_precision(scores, positive, groups)
    rule = rule_of(template, pairs)
    precision = recall = None
    if rule is not None:
        found = [one for one in members if one.found(pairs)]
        true = sum(name in one.item.labels for one in found)
        precision, recall = Share(true, len(found)), Share(true, int(positive.sum()))
    return LabelFigures(name, members, int(positive.sum()), curve, rule.review if rule else None, precision, recall)


def of_benign(judged: Sequence[Judged], kind: Kind | None = None) -> BenignFigures:
    """The figures of what shows nothing, of one kind or of all."""
    benign = [one for one in judged if not one.item.labels and kind in (None, one.item.kind)]
    return BenignFigures(
        Share(sum(one.suggestion is not Suggestion.PASS for one in benign), len(benign)),
        Share(sum(one.suggestion is Suggestion.BLOCK for one in benign), len(benign)),
    )


def of_mistaken(judged: Sequence[Judged], meanings: Mapping[str, Collection[Pair]]) -> list[Mistaken]:
    """Everything found that is not labelled: on benign items first, then on those of each label."""
    found = []
    for name in ("", *sorted(meanings)):
        shown = [
            _mistaken(one, meanings) for one in judged if (name in one.item.labels if name else not one.item.labels)
        ]
        for pair in sorted({pair for one in shown for pair in one}):
            reviewed, blocked = (
                sum(one.get(pair, Suggestion.PASS).severity >= least.severity for one in shown)
                for least in (Suggestion.REVIEW, Suggestion.BLOCK)
            )
            found.append(Mistaken(name or BENIGN, pair, Share(reviewed, len(shown)), Share(blocked, len(shown))))
    return found


def _mistaken(one: Judged, meanings: Mapping[str, Collection[Pair]]) -> dict[Pair, Suggestion]:
    """What an item is taken for, and how surely."""
    found: dict[Pair, Suggestion] = {}
    for segment in one.segments:
        pair = (segment.label, segment.sub_label)
        if segment.suggestion is not Suggestion.PASS and not any(pair in meanings[name] for name in one.item.labels):
            found[pair] = Suggestion.worst(segment.suggestion, found.get(pair, Suggestion.PASS))
    if not one.segments and one.suggestion is not Suggestion.PASS:
        found[GAPS] = one.suggestion
    return found


def of_speech(judged: Sequence[Judged]) -> SpeechFigures | None:
    """The errors of what was understood; None without transcripts. A transcript "-" says that nobody speaks."""
    spoken = [(one.item.transcript, one.said) for one in judged if one.item.transcript is not None]
    if not spoken:
        return None
    voiced = [(wanted, got) for wanted, got in spoken if characters(wanted)]
    by_words = sum(len(words(wanted)) for wanted, _ in voiced)
    by_signs = sum(len(characters(wanted)) for wanted, _ in voiced)
    return SpeechFigures(
        files=len(spoken),
        wer=sum(wer(w, g) * len(words(w)) for w, g in voiced) / by_words if by_words else None,
        cer=sum(cer(w, g) * len(characters(w)) for w, g in voiced) / by_signs if by_signs else None,
        invented=sum(len(words(got)) for wanted, got in spoken if not characters(wanted)),
    )
