"""Linear classifiers over the spelling and the meaning of a text: small enough to be part of the product."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
from anyascii import anyascii

from moderation.text.encoder import WIDTH, Floats
from moderation.text.folding import Folded

SHIPPED = Path(__file__).with_name("classifiers.npz")
BUCKETS = 1 << 15
LONGEST_TEXT = 2000
"""Characters that are looked at of one text: more than any title, line or utterance has."""
_GRAMS = {"han": (1, 2, 3), "latin": (1, 2, 3, 4)}
"""Lengths of the stretches of characters that are counted."""
_SOUNDS = (1, 2, 3)
"""Lengths of the stretches of syllables that are counted beside Chinese characters."""
_SYLLABLE = re.compile(r"\d+|.", re.DOTALL)
_PARTED = re.compile(
    r"(?<=[\u3400-\u9fff])[^\w.,!?;:…。、\n]+(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])\.(?=[\u3400-\u9fff])"
)
"""What is put between two characters and ends no clause."""


@dataclass(frozen=True)
class Head:
    """One classifier: sigmoid(slope * (grams @ n-grams + meaning @ vector + bias) + offset) is its score."""

    name: str
    label: str
    sub_label: str
    script: str
    grams: npt.NDArray[np.float16]
    meaning: npt.NDArray[np.float16]
    bias: float
    slope: float
    offset: float

    def score(self, spelling: "Spelling", vector: Floats) -> float:
        raw = spelling.values @ self.grams[spelling.buckets].astype(np.float32)
        raw += vector @ self.meaning.astype(np.float32) + self.bias
        return float(0.5 * (1 + np.tanh((self.slope * raw + self.offset) / 2)))


@dataclass(frozen=True)
class Spelling:
    """Stretches of characters, hashed: which of the buckets are filled, and how much; of length 1 as a vector."""

    buckets: npt.NDArray[np.int64]
    values: Floats


def spelling(folded: Folded, script: str) -> Spelling:
    """Chinese without what stands between characters, and by its sound as well: that is the same in other characters.

    The more often a stretch occurs the less each time counts.
    """
    text = (folded.loose if script == "han" else folded.plain).text[:LONGEST_TEXT]
    padded = f" {text} "
    grams = [padded[start : start + size] for size in _GRAMS[script] for start in range(len(padded) - size + 1)]
    if script == "han":
        sounds = ["<", *map(_sound, _SYLLABLE.findall(text)), ">"]
        grams += [
            "-".join(("", *sounds[start : start + size])) for size in _SOUNDS for start in range(len(sounds) - size + 1)
        ]
    buckets, counts = np.unique(
        np.array([crc32(gram.encode()) % BUCKETS for gram in grams], np.int64), return_counts=True
    )
    values = 1 + np.log(counts)
    return Spelling(buckets, (values / np.linalg.norm(values)).astype(np.float32))


def sentence(folded: Folded) -> str:
    """The text as its meaning is looked for: nothing stands between Chinese characters that parts no clauses."""
    return _PARTED.sub("", folded.plain.text)


@cache
def _sound(sign: str) -> str:
    """Pinyin without tones; any number sounds alike."""
    return "0" if sign[0].isdigit() else anyascii(sign).casefold() if "\u3400" <= sign <= "\u9fff" else sign


def script_of(folded: Folded, language: str = "") -> str | None:
    """Which classifiers understand a text: `han` for Chinese, `latin` for English, None for others.

    Latin script in another language than English is `latin` as well where nobody says which it is. A few letters of
    other alphabets among Latin ones are taken for a disguise.
    """
    letters = [sign for sign in unicodedata.normalize("NFKC", folded.original) if sign.isalpha()]
    if not letters:
        return None
    han = sum("\u3400" <= sign <= "\u9fff" for sign in letters)
    kana = sum("\u3040" <= sign <= "\u30ff" for sign in letters)
    latin = sum(sign < "\u0250" for sign in letters)
    if kana > len(letters) / 10 or han + latin < len(letters) / 2:
        return None
    if han >= len(letters) / 10:
        return "han" if language in ("", "zh", "yue") else None
    return "latin" if language in ("", "en") else None


def save(heads: Sequence[Head], path: Path) -> None:
    """Write the heads as arrays, with what is no array as JSON."""
    about = [
        {
            "name": head.name,
            "label": head.label,
            "sub_label": head.sub_label,
            "script": head.script,
            "bias": head.bias,
            "slope": head.slope,
            "offset": head.offset,
        }
        for head in heads
    ]
    arrays = {f"{head.name}_{part}": getattr(head, part) for head in heads for part in ("grams", "meaning")}
    np.savez_compressed(path, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


@cache
def load(path: Path = SHIPPED) -> tuple[Head, ...]:
    """Every head of a file, once per process. Raises ValueError where their sizes are not ours."""
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(stored["about"].tobytes())
        heads = tuple(
            Head(**one, grams=stored[f"{one['name']}_grams"], meaning=stored[f"{one['name']}_meaning"]) for one in about
        )
    for head in heads:
        if head.grams.shape != (BUCKETS,) or head.meaning.shape != (WIDTH,):
            raise ValueError(f"the classifier {head.name} is of another size")
    return heads
