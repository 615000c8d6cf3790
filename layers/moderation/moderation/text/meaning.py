"""What a text means, whatever its words: classifiers and examples over one vector of each text."""

from collections.abc import Sequence
from json import loads
from pathlib import Path

from moderation.models.keywords import KeywordLibrary
from moderation.models.reading import HitSource, Text, TextFinding
from moderation.text import linear, prototypes
from moderation.text.encoder import encoder
from moderation.text.folding import Folding
from moderation.text.judge import sub_label_in
from moderation.text.lexicon import Kind

_LEAST = 0.05
"""Scores below are not told."""
_SHORTEST = 4
"""Letters that a text needs for its meaning to be judged: of a word or two, the lists know more."""


class MeaningPart:
    """Classifiers for Chinese and English, and example sentences in any of the encoder's languages."""

    def __init__(self, weights: Path, libraries: Sequence[KeywordLibrary] = ()) -> None:
        """Raises OSError where weights are missing."""
        self._folding = Folding(loads((weights / "variants.json").read_text(encoding="utf-8")))
        self._encoder = encoder(weights)
        self._heads = linear.load()
        examples: list[prototypes.Examples] = [prototypes.read()]
        for library in libraries:
            examples.append({_kind(name): sentences for name, sentences in library.examples.items()})
        self._prototypes = prototypes.Prototypes(self._encoder, examples)

    def find(self, texts: Sequence[Text]) -> list[list[TextFinding]]:
        """Findings without hits: the text as a whole was judged."""
        return [self._find(text) for text in texts]

    def _find(self, text: Text) -> list[TextFinding]:
        if sum(sign.isalpha() for sign in text.text) < _SHORTEST:
            return []
        folded = self._folding.fold(text.text[: linear.LONGEST_TEXT])
        script = linear.script_of(folded, text.language)
        # Folding takes other alphabets for disguised Latin, which they are not where a text is wholly in one.
        (vector,) = self._encoder.encode([linear.sentence(folded) if script else folded.original])
        found = []
        if script:
            spelt = linear.spelling(folded, script)
            for head in self._heads:
                if head.script == script and (score := head.score(spelt, vector)) >= _LEAST:
                    found.append((HitSource.CLASSIFIER, (head.label, head.sub_label), score))
        found += [(HitSource.PROTOTYPE, near.kind, near.score) for near in self._prototypes.likenesses(vector)]
        return [
            TextFinding(label=kind[0], sub_label=sub_label_in(text.form, kind[1]), score=round(score, 4), source=source)
            for source, kind, score in found
        ]


def _kind(name: str) -> Kind:
    label, _, sub_label = name.partition("/")
    return label, sub_label
