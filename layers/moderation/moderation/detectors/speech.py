"""Speech recognition: what recognisers share, and from the tokens they write to utterances of words with times."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from moderation.detectors.inference import Floats
from moderation.models.sound import Utterance, Word

RATE = 16_000
LONGEST = 30.0
"""Seconds that are listened to at once."""
HOP = RATE // 50
QUIET = 0.1
"""Sound below this share of its loudest holds no words."""

_PAUSE = 1.0
"""Seconds without a word after which a new utterance begins."""
_LONGEST_WORD = 1.5
"""Of a word that seems to last longer the rest is the pause behind it."""
_PERIOD, _LOOP, _REPEATS, _KEPT = 40, 16, 4, 2
_IDEOGRAPH = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
"""Chinese and Japanese put nothing between words: each sign counts as one."""
_WORD = re.compile(rf"{_IDEOGRAPH}[^\w\s]*|(?:(?!{_IDEOGRAPH})\S)+")
_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)）」』]*$")


class Recogniser(Protocol):
    """Writes down what is said. Stateless: threads share one."""

    name: ClassVar[str]
    version: ClassVar[str]
    models: ClassVar[tuple[str, ...]]
    """Names of the weights manifest."""

    def __init__(self, weights: Path) -> None: ...

    def transcribe(self, samples: Floats, language: str = "") -> list[Utterance]:
        """What is said in at most `LONGEST` seconds of samples at `RATE`, within -1..1; times count from the first one.

        `language` (ISO 639) is found out where it is empty. Nothing for what holds no words; raises where there is no
        sound result, ValueError for what is too long.
        """
        ...


@dataclass(frozen=True)
class Piece:
    """A token as it was written: its bytes, the second from which on it is heard, the logarithm of its probability."""

    content: bytes
    start: float
    likelihood: float


def utterances(pieces: Sequence[Piece], end: float, language: str) -> list[Utterance]:
    """Pieces in order, cut behind sentences and at pauses. `end` is when the last one is over."""
    text, owners = _decoded(pieces)
    found = list(_WORD.finditer(text))
    words = [_word(match, owners[match.start() : match.end()], pieces, end) for match in found]
    cuts = [0]
    for index, (word, following) in enumerate(pairwise(words), start=1):
        if _SENTENCE_END.search(word.text) or following.start - word.end > _PAUSE:
            cuts.append(index)
    result = []
    for first, last in pairwise([*cuts, len(words)]):
        if not any(sign.isalnum() for word in words[first:last] for sign in word.text):
            continue
        start, stop = found[first].start(), found[last - 1].end()
        own = [pieces[owner].likelihood for owner in sorted(set(owners[start:stop]))]
        result.append(
            Utterance(
                start=words[first].start,
                end=words[last - 1].end,
                text=text[start:stop],
                language=language,
                score=round(exp(sum(own) / len(own)), 4),
                words=tuple(words[first:last]),
            )
        )
    return result


def looped(tokens: Sequence[int]) -> int:
    """How many of the tokens to drop because their end says the same again and again, 0 where it does not.

    Recognisers fall into such loops where they understand nothing. Twice may be what is said, and is kept.
    """
    for period in range(1, _PERIOD + 1):
        length = max(_REPEATS * period, _LOOP)
        if len(tokens) >= length and all(tokens[-n] == tokens[-n - period] for n in range(1, length - period + 1)):
            return length - _KEPT * period
    return 0


def loudness(samples: Floats) -> Floats:
    """The root of the mean power of each `HOP` samples."""
    blocks = np.pad(samples, (0, -len(samples) % HOP)).reshape(-1, HOP)
    result: Floats = np.sqrt(np.mean(blocks**2, axis=1))
    return result


def likelihoods(logits: Floats) -> Floats:
    """The logarithm of the probability of each token."""
    highest = logits.max()
    result: Floats = logits - highest - np.log(np.exp(logits - highest).sum())
    return result


def _decoded(pieces: Sequence[Piece]) -> tuple[str, list[int]]:
    """The text, and for each of its characters the piece that completes it. Bytes that are no text are left out."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    text, owners = "", list[int]()
    for index, piece in enumerate(pieces):
        characters = decoder.decode(piece.content)
        text += characters
        owners += [index] * len(characters)
    return text, owners


def _word(match: re.Match[str], owners: Sequence[int], pieces: Sequence[Piece], end: float) -> Word:
    # The time of a sign of punctuation is that of the pause in which it stands.
    spoken = [owner for owner, sign in zip(owners, match.group(), strict=True) if sign.isalnum()] or owners
    start, last = pieces[owners[0]].start, spoken[-1]
    stop = pieces[last + 1].start if last + 1 < len(pieces) else end
    return Word(text=match.group(), start=round(start, 2), end=round(min(stop, start + _LONGEST_WORD), 2))
