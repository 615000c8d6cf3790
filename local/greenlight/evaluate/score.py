"""From what was looked at to one score per label, and to what the template makes of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from greenlight.evaluate.look import Looked, Pair
from greenlight.evaluate.manifest import Item, Kind
from moderation.models.observation import Scan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion
from moderation.policy import confidence
from moderation.reading import text_segments
from moderation.timeline import Moment, looks_in_order, moments


@dataclass(frozen=True)
class Judged:
    """One item as it came out. `scores` are 0–1 per pair, `suggestion` is by the template alone."""

    item: Item
    scores: Mapping[Pair, float]
    segments: tuple[Segment, ...]
    suggestion: Suggestion
    said: str
    seconds: float
    thumbnail: str

    def score(self, pairs: Collection[Pair]) -> float:
        """The highest of some pairs; 0 for what nothing was seen of."""
        return max((self.scores.get(pair, 0.0) for pair in pairs), default=0.0)

    def found(self, pairs: Collection[Pair]) -> bool:
        """Whether the template asks for a person because of one of the pairs."""
        return any((s.label, s.sub_label) in pairs and s.suggestion is not Suggestion.PASS for s in self.segments)


def judged(item: Item, looked: Looked, template: Template) -> Judged | None:
    """An item by `template`, which may ask for less than what it was looked at for. None for a refused file."""
    if item.kind is Kind.TEXT and looked.reading is not None:
        found, at_best, seconds = text_segments(looked.reading, template), Suggestion.PASS, 0.0
    elif looked.verdict is not None:
        found, seconds = list(looked.verdict.segments), looked.verdict.duration
        at_best = Suggestion.REVIEW if looked.verdict.reasons else Suggestion.PASS
    else:
        return None
    asked = template.targets()
    segments = tuple(s for s in found if (s.form, s.label, s.sub_label) in asked)
    said = "" if looked.reading is None else " ".join(_said(looked))
    return Judged(
        item=item,
        scores=scores(looked, template),
        segments=segments,
        suggestion=Suggestion.worst(at_best, *(segment.suggestion for segment in segments)),
        said=said,
        seconds=seconds,
        thumbnail=looked.thumbnail,
    )


def scores(looked: Looked, template: Template) -> dict[Pair, float]:
    """Per pair the highest score that lasts as its rule asks: of pictures, sounds and texts alike."""
    rules = {(rule.label, rule.sub_label): rule for rule in template.rules}
    found: dict[Pair, float] = {}
    for pair, score in chain(_seen(looked.scans, rules), _heard(looked), _read(looked)):
        found[pair] = max(found.get(pair, 0.0), score)
    return found


def lasting(seen: list[Moment], rule: Rule | None) -> float:
    """The highest score that the rule's share of looks in a row reaches, or that one reaches which counts alone.

    Without a rule one look is enough, and so it is where there are no more.
    """
    values = [moment.observation.score if moment.observation else 0.0 for moment in seen]
    best = max(values, default=0.0)
    if rule is None or (rule.single is not None and confidence(best) >= rule.single):
        return best
    window, hits = min(rule.window, len(values)), min(rule.hits, len(values))
    return max(sorted(values[i : i + window])[-hits] for i in range(len(values) - window + 1)) if values else 0.0


def _seen(scans: Iterable[Scan], rules: Mapping[Pair, Rule]) -> Iterator[tuple[Pair, float]]:
    for looks in looks_in_order(scans).values():
        targets = {(o.form, o.label, o.sub_label) for look in looks for o in look.observations}
        for target in targets:
            pair = target[1:]
            yield pair, lasting(moments(looks, target, frozenset()), rules.get(pair))


def _heard(looked: Looked) -> Iterator[tuple[Pair, float]]:
    for hearing in looked.hearings:
        for track in hearing.tracks:
            for event in track.events:
                for observation in event.observations:
                    yield (observation.label, observation.sub_label), observation.score


def _read(looked: Looked) -> Iterator[tuple[Pair, float]]:
    for judged_text in looked.reading.texts if looked.reading else ():
        for finding in judged_text.findings:
            yield (finding.label, finding.sub_label), finding.score


def _said(looked: Looked) -> Iterator[str]:
    """What was understood of speech, in order."""
    utterances = [u for hearing in looked.hearings for track in hearing.tracks for u in track.utterances]
    yield from (utterance.text for utterance in sorted(utterances, key=lambda one: one.start))


def rule_of(template: Template, pairs: Collection[Pair]) -> Rule | None:
    """The rule of a template that asks about one of the pairs, the mildest first; of a text that of titles."""
    rules = [rule for rule in template.rules if (rule.label, rule.sub_label) in pairs and rule.review is not None]
    return min(rules, key=lambda rule: (Form.TITLE not in rule.forms, rule.review or 0), default=None)
