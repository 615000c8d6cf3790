"""What texts mean by example: sentences for each category, and how near a text comes to one of them."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from moderation.text.encoder import Encoder, Floats
from moderation.text.lexicon import Kind

OWN = Path(__file__).with_name("prototypes.toml")
_NEAR, _LIKELY = 0.55, 0.65
"""Cosines from which a text may be about what an example says (score 0.5), and from which it likely is (0.8)."""
_MOST = 0.9
"""An example never makes certain."""
_AHEAD = 0.15
"""By how much an example has to be nearer than the nearest harmless one."""
_HARMLESS = "harmless"

Examples = Mapping[Kind, Sequence[str]]


class Likeness(NamedTuple):
    """A category and how surely the text belongs to it."""

    kind: Kind
    score: float


def read(path: Path = OWN) -> dict[Kind, tuple[str, ...]]:
    """The shipped examples: a table of sentences by "label/sub_label", and those of nothing, under ("harmless", "")."""
    listed = tomllib.loads(path.read_text(encoding="utf-8"))
    return {_kind(name): tuple(sentences) for name, sentences in listed.items()}


class Prototypes:
    """Examples as vectors."""

    def __init__(self, encoder: Encoder, examples: Iterable[Examples]) -> None:
        self._sentences: dict[Kind, list[str]] = {}
        for some in examples:
            for kind, sentences in some.items():
                self._sentences.setdefault(kind, []).extend(sentences)
        self._vectors = {kind: encoder.encode(sentences) for kind, sentences in self._sentences.items()}

    def likenesses(self, vector: Floats) -> list[Likeness]:
        """The categories that a text, as a vector, is near to, nearer than to anything harmless."""
        nearest = {kind: float(np.max(vectors @ vector)) for kind, vectors in self._vectors.items()}
        harmless = nearest.pop((_HARMLESS, ""), 0.0)
        return [
            Likeness(kind, min(_MOST, 0.5 + 0.3 * (near - _NEAR) / (_LIKELY - _NEAR)))
            for kind, near in nearest.items()
            if near >= _NEAR and near >= harmless + _AHEAD
        ]


def _kind(name: str) -> Kind:
    label, _, sub_label = name.partition("/")
    return label, sub_label
