"""How much of a transcript is wrong: by words (WER) and by characters (CER). Spelling that sounds alike is no error."""

import re
import unicodedata
from collections.abc import Callable, Sequence

_SEPARATORS = re.compile(r"[^\w']+|_|(?<!\w)'|'(?!\w)")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_HIGHEST = 10**6


def wer(reference: str, hypothesis: str) -> float:
    """Wrong, missing and invented words as a share of the reference's words; may be above 1.

    Case, punctuation, hyphens and whether a number is written in digits do not count. Raises ValueError where the
    reference has no words.
    """
    return _share(words(reference), words(hypothesis))


def cer(reference: str, hypothesis: str, simplified: Callable[[str], str] = str) -> float:
    """Wrong, missing and invented characters as a share of the reference's.

    Case, punctuation and spaces do not count; `simplified` maps characters of which the variant does not matter.
    Raises ValueError where the reference has no characters.
    """
    return _share(characters(simplified(reference)), characters(simplified(hypothesis)))


def words(text: str) -> list[str]:
    """The words by which `wer` compares."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    split = _SEPARATORS.sub(" ", _GROUPED.sub("", plain)).split()
    return [word for token in split for word in _spoken(token)]


def characters(text: str) -> list[str]:
    """The characters by which `cer` compares."""
    return [sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum()]


def errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions from one to the other."""
    row = list(range(len(hypothesis) + 1))
    for index, wanted in enumerate(reference, start=1):
        diagonal, row[0] = row[0], index
        for column, got in enumerate(hypothesis, start=1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (wanted != got))
    return row[-1]


def _share(reference: list[str], hypothesis: list[str]) -> float:
    if not reference:
        raise ValueError("the reference is empty")
    return errors(reference, hypothesis) / len(reference)


def _spoken(token: str) -> list[str]:
    """A whole number as English says it, anything else as it is."""
    if not (token.isascii() and token.isdigit() and int(token) < _HIGHEST):
        return [token]
    return _number(int(token))


def _number(value: int) -> list[str]:
    for unit, name in ((1000, "thousand"), (100, "hundred")):
        if value >= unit:
            rest = _number(value % unit) if value % unit else []
            return [*_number(value // unit), name, *rest]
    if value < len(_SMALL):
        return [_SMALL[value]]
    return [_TENS[value // 10 - 2], *([_SMALL[value % 10]] if value % 10 else [])]
