"""Words by what they stand for, found in every spelling of a text."""

import json
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ahocorasick

from moderation.models.base import Model
from moderation.text.folding import Folded, Folding, View

OWN = Path(__file__).with_name("words.toml")

Severity = Literal["certain", "likely", "possible"]
Kind = tuple[str, str]
"""(label, sub_label), with `text` for what is `speech` where it was heard."""

SCORES: Mapping[Severity, float] = {"certain": 0.95, "likely": 0.8, "possible": 0.5}
_STEP_DOWN = {0.95: 0.8, 0.8: 0.5, 0.5: 0.3}
_NEWSWORTHY = frozenset({"terror", "illegal"})
_SQUEEZED_AT_LEAST = 5
_SHORTEST_LATIN = 2


class Taken(Model):
    """What is taken from lists of others, by the names of their weights: words that so many of them hold."""

    weights: tuple[str, ...]
    target: Kind
    severity: Severity
    drop: frozenset[str]
    at_least: int = 1


class Words(Model):
    """Every list as it is written down."""

    own: dict[Kind, dict[Severity, tuple[str, ...]]]
    allow: tuple[str, ...]
    news: tuple[str, ...]
    taken: tuple[Taken, ...]

    @classmethod
    def read(cls, path: Path = OWN) -> "Words":
        """The product's own file, or one like it."""
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        taken = [
            {**entry, "weights": [entry["weights"]], "target": tuple(entry["target"].split("."))}
            for entry in document.pop("taken", [])
        ]
        if agreed := document.pop("agreed", None):
            taken.append({**agreed, "target": tuple(agreed["target"].split(".")), "at_least": 2})
        return cls(
            allow=document.pop("allow")["words"],
            news=document.pop("news")["words"],
            taken=tuple(Taken.model_validate(entry) for entry in taken),
            own={(label, sub): lists for label, subs in document.items() for sub, lists in subs.items()},
        )

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the weights that the lists of others are in."""
        return tuple(dict.fromkeys(name for taken in self.taken for name in taken.weights))


@dataclass(frozen=True)
class Entry:
    """One word that is looked for."""

    word: str
    kind: Kind
    score: float
    library: str | None = None
    passes: bool = False


class Match(NamedTuple):
    """An entry found: where, in characters of the text as it came."""

    entry: Entry
    start: int
    end: int


class Lexicon:
    """Looks for words in the spellings of a text: Chinese ones anywhere, Latin ones as whole words.

    An allowed phrase hides what lies within it. `weights` is the folder of the lists of others.
    """

    def __init__(self, entries: Iterable[Entry], allowed: Iterable[str], news: Iterable[str], folding: Folding) -> None:
        self._han, self._latin = _Matcher(), _Matcher()
        self._folding = folding
        for entry in entries:
            self._add(entry.word, entry)
        for phrase in allowed:
            self._add(phrase, _ALLOWED)
        for word in news:
            self._add(word, _NEWS)
        self._han.finish()
        self._latin.finish()

    @classmethod
    def of(cls, words: Words, weights: Path, folding: Folding, more: Iterable[Entry] = ()) -> "Lexicon":
        """All lists and, as `more`, those of the owner. Raises OSError where a list of others is missing."""
        return cls((*_entries(words, weights), *more), words.allow, words.news, folding)

    def find(self, folded: Folded) -> tuple[list[Match], list[tuple[int, int]]]:
        """Every word of the text, the same place once for each kind that it stands for, and places that may pass."""
        found: dict[tuple[Kind, str | None, int, int], Match] = {}
        hidden: list[tuple[int, int]] = []
        news = False
        for entry, start, end in self._all(folded):
            if entry is _ALLOWED:
                hidden.append((start, end))
            elif entry is _NEWS:
                news = True
            else:
                key = (entry.kind, entry.library, start, end)
                if key not in found or found[key].entry.score < entry.score:
                    found[key] = Match(entry, start, end)
        passed = [(match.start, match.end) for match in found.values() if match.entry.passes]
        kept = [
            match
            for match in found.values()
            if not match.entry.passes
            and not any(start <= match.start and match.end <= end for start, end in passed)
            and (match.entry.library or not any(start <= match.start and match.end <= end for start, end in hidden))
        ]
        return [_less(match) if news and match.entry.kind[0] in _NEWSWORTHY else match for match in kept], passed

    def _all(self, folded: Folded) -> Iterator[Match]:
        if folded.has_han or self._han.any_script:
            yield from self._han.find(folded.tight)
            if folded.loose.text != folded.tight.text:
                yield from self._han.find(folded.loose)
        if folded.has_latin:
            yield from self._latin.find(folded.words)
            if folded.joined.text != folded.words.text:
                yield from self._latin.find(folded.joined)

    def _add(self, word: str, entry: Entry) -> None:
        folded = self._folding.fold(word.removeprefix("~"))
        if folded.plain.text.isascii():
            spelt = folded.words.text
            if len(spelt.strip()) < _SHORTEST_LATIN:
                return
            text = spelt.strip() if word.startswith("~") else spelt
            self._latin.add(text, entry)
            squeezed = _squeezed(text)
            if len(squeezed.strip()) >= _SQUEEZED_AT_LEAST:
                self._latin.add(squeezed, entry)
        else:
            self._han.add(folded.tight.text.replace("\n", ""), entry)
            self._han.any_script = self._han.any_script or not folded.has_han


_ALLOWED = Entry("", ("", ""), 0.0)
_NEWS = Entry("", ("", ""), 0.0, passes=True)


class _Matcher:
    """All words in one automaton; words may stand for several things."""

    any_script = False

    def __init__(self) -> None:
        self._entries: defaultdict[str, list[Entry]] = defaultdict(list)
        self._automaton: Any = ahocorasick.Automaton()

    def add(self, text: str, entry: Entry) -> None:
        if text:
            self._entries[text].append(entry)

    def finish(self) -> None:
        for text, entries in self._entries.items():
            self._automaton.add_word(text, (text, tuple(entries)))
        self._automaton.make_automaton()

    def find(self, view: View) -> Iterator[Match]:
        if not self._entries or not view.text:
            return
        for last, (text, entries) in self._automaton.iter(view.text):
            start = last + 1 - len(text)
            trimmed_start = start + (text[0] == " ")
            span = view.span(trimmed_start, last + 1 - (text[-1] == " "))
            for entry in entries:
                yield Match(entry, *span)


def _less(match: Match) -> Match:
    entry = match.entry
    if entry.library:
        return match
    lower = _STEP_DOWN.get(entry.score, entry.score)
    return match._replace(entry=Entry(entry.word, entry.kind, lower))


def _squeezed(text: str) -> str:
    return "".join(sign for place, sign in enumerate(text) if place == 0 or sign != text[place - 1])


def _entries(words: Words, weights: Path) -> Iterator[Entry]:
    for kind, lists in words.own.items():
        for severity, listed in lists.items():
            for word in listed:
                yield Entry(word, kind, SCORES[severity])
    for taken in words.taken:
        lists_of = [
            {word.casefold() for word in json.loads((weights / f"{name}.json").read_text(encoding="utf-8"))}
            for name in taken.weights
        ]
        for word in sorted(set().union(*lists_of)):
            agreed = sum(word in listed for listed in lists_of) >= taken.at_least
            if agreed and len(word) > 1 and word not in taken.drop:
                yield Entry(word, taken.target, SCORES[taken.severity])
