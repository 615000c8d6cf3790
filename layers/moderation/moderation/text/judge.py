"""One judge for all texts, wherever they come from: the parts that look at them, and what they find together."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from json import loads
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol

from moderation.detectors.catalog import CATALOG
from moderation.models.keywords import Action, KeywordLibrary
from moderation.models.reading import Hit, HitSource, Text, TextFinding
from moderation.models.template import Form
from moderation.text.contacts import contacts
from moderation.text.folding import Folding
from moderation.text.lexicon import Entry, Kind, Lexicon, Match, Words
from moderation.text.rules import flood, meaningless

CUSTOMIZED: Kind = ("spam", "customized")
_ACTION_SCORES = {Action.BLOCK: 1.0, Action.REVIEW: 0.75, Action.PASS: 0.0}
_CONTACT: Kind = ("ad", "contact")
_FLOOD, _MEANINGLESS = ("spam", "flood"), ("spam", "meaningless")
_HINT = 0.5
_MOST_HINTED = 0.9
"""What words that mean little alone may come to together."""
_MOST_HITS = 20
_LONGEST_TEXT = 20_000
"""Characters that are looked at of one text: more than any title, line or utterance has."""

PARTS = {spec.name: spec.implementation for spec in CATALOG if spec.step == "text"}
"""The parts there are, by name."""


class Part(Protocol):
    """Looks at texts in one way. Made once per process and kept; threads share it."""

    def find(self, texts: Sequence[Text]) -> list[list[TextFinding]]:
        """The findings of each text, in order. Raises when the texts cannot be judged."""
        ...


class WordPart:
    """Lists, libraries, patterns and rules: what a text holds to the letter, in whatever spelling."""

    def __init__(self, weights: Path, libraries: Sequence[KeywordLibrary] = ()) -> None:
        """`weights` is the folder of the lists of others. Raises OSError where one is missing."""
        self._folding = _folding(weights)
        self._lexicon = _shipped(weights)
        self._own = Lexicon(_owned(libraries), (), (), self._folding) if libraries else None

    def find(self, texts: Sequence[Text]) -> list[list[TextFinding]]:
        return [self._find(text) for text in texts]

    def _find(self, text: Text) -> list[TextFinding]:
        folded = self._folding.fold(text.text[:_LONGEST_TEXT])
        own, passed = self._own.find(folded) if self._own else ([], [])
        listed, _ = self._lexicon.find(folded)
        matches = [*own, *(match for match in listed if not _within(match.start, match.end, passed))]
        findings = _listed(matches, text)
        reached = [one for one in contacts(folded) if not _within(one.start, one.end, passed)]
        if reached:
            places = [(one.start, one.end) for one in reached]
            score = max(one.score for one in reached)
            findings.append(_finding(_CONTACT, score, HitSource.PATTERN, places, text))
        for kind, score in ((_FLOOD, flood(folded)), (_MEANINGLESS, meaningless(folded))):
            if score:
                findings.append(_finding(kind, score, HitSource.RULE, (), text))
        return findings


class Judge:
    """Every part over one text or many, for whoever has no use for knowing which part failed: any failure is raised.

    `targets` are the (form, label, sub_label) to report, all when None, as a template's `targets()`.
    """

    def __init__(
        self,
        weights: Path,
        libraries: Sequence[KeywordLibrary] = (),
        *,
        targets: Collection[tuple[Form, str, str]] | None = None,
        parts: Iterable[str] = PARTS,
    ) -> None:
        self._parts = [make(PARTS[name], weights, libraries) for name in parts]
        self._targets = targets

    def judge(self, text: str, *, form: Form = Form.TITLE, language: str = "") -> list[TextFinding]:
        """The findings of one text, the surest first."""
        return self.judge_all([Text(form=form, text=text, language=language)])[0]

    def judge_all(self, texts: Sequence[Text]) -> list[list[TextFinding]]:
        """The findings of each text, in order."""
        by_part = [part.find(texts) for part in self._parts]
        return [
            asked_for([finding for findings in together for finding in findings], text, self._targets)
            for text, together in zip(texts, zip(*by_part, strict=True), strict=True)
        ]


def make(implementation: str, weights: Path, libraries: Sequence[KeywordLibrary]) -> Part:
    """The part named "module:Class", which is imported only now. Raises what its making raises."""
    part: Part = resolve_name(implementation)(weights, libraries)
    return part


def asked_for(
    findings: Iterable[TextFinding], text: Text, targets: Collection[tuple[Form, str, str]] | None
) -> list[TextFinding]:
    """Those that somebody asks about, the surest first."""
    kept = [one for one in findings if targets is None or (text.form, one.label, one.sub_label) in targets]
    return sorted(kept, key=lambda one: (-one.score, one.label, one.sub_label, one.source, one.library or ""))


def sub_label_in(form: Form, sub_label: str) -> str:
    """What is `text` where it is written is `speech` where it is said."""
    return "speech" if form is Form.ASR and sub_label == "text" else sub_label


def _listed(matches: Iterable[Match], text: Text) -> list[TextFinding]:
    groups: defaultdict[tuple[Kind, str | None], list[Match]] = defaultdict(list)
    for match in matches:
        groups[match.entry.kind, match.entry.library].append(match)
    return [
        _finding(
            kind,
            _together(group),
            HitSource.LIBRARY if library else HitSource.LIST,
            [(match.start, match.end) for match in group],
            text,
            library,
        )
        for (kind, library), group in groups.items()
    ]


def _together(matches: Iterable[Match]) -> float:
    """The surest word, or what several hints make likely together. A hint within a longer word is none of its own."""
    scores = {match.entry.word: match.entry.score for match in matches}
    doubt = 1.0
    for word, score in scores.items():
        if score <= _HINT and not any(word != other and word in other for other in scores):
            doubt *= 1 - score
    return max(*scores.values(), min(_MOST_HINTED, 1 - doubt))


def _finding(
    kind: Kind,
    score: float,
    source: HitSource,
    places: Iterable[tuple[int, int]],
    text: Text,
    library: str | None = None,
) -> TextFinding:
    label, sub_label = kind
    return TextFinding(
        label=label,
        sub_label=sub_label_in(text.form, sub_label),
        score=round(score, 4),
        source=source,
        hits=tuple(
            Hit(word=text.text[start:end], start=start, end=end) for start, end in sorted(set(places))[:_MOST_HITS]
        ),
        library=library,
    )


def _within(start: int, end: int, places: Iterable[tuple[int, int]]) -> bool:
    return any(first <= start and end <= last for first, last in places)


@cache
def _folding(weights: Path) -> Folding:
    return Folding(loads((weights / "variants.json").read_text(encoding="utf-8")))


@cache
def _shipped(weights: Path) -> Lexicon:
    return Lexicon.of(Words.read(), weights, _folding(weights))


def _owned(libraries: Iterable[KeywordLibrary]) -> Iterable[Entry]:
    for library in libraries:
        for action, words in library.words().items():
            for word in words:
                yield Entry(word, CUSTOMIZED, _ACTION_SCORES[action], library.name, passes=action is Action.PASS)
