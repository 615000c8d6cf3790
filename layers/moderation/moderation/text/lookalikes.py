"""Titles written so that people read one thing and a filter another. Pure."""

import re
import unicodedata
from functools import cache

_CYRILLIC = "асеорхуіјѕԁһԛԝӏкАВСЕНІЈКМОРЅТХУҮԌԚԜЗ"
_GREEK = "αοριυνκτχγηωςΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
_ARMENIAN = "ոսօցհյզգքՕՍՏԼ"
_CHEROKEE = "ᎠᎡᎢᎪᎫᎬᎳᎷᎻᎽᏀᏃᏎᏒᏔᏚᏟᏞᏢᏦ"
_LIKE_LATIN = frozenset(_CYRILLIC + _GREEK + _ARMENIAN + _CHEROKEE)
_LIKE_OTHERS = frozenset("aceopxyijsdhqwlkruvntgbABCEHIJKMOPSTXYZNLDGQW")
_SCRIPTS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
_DRESSED = re.compile(
    r"MATHEMATICAL |FULLWIDTH LATIN |(?:NEGATIVE )?(?:CIRCLED|SQUARED) LATIN |PARENTHESIZED LATIN "
    r"|(?:SCRIPT|DOUBLE-STRUCK|BLACK-LETTER) (?:ITALIC )?(?:CAPITAL|SMALL) |LATIN LETTER SMALL CAPITAL "
    r"|LATIN (?:CAPITAL|SMALL) LETTER TURNED "
)
"""Names of letters that are Latin ones in another dress. One alone may be a symbol, two are a way of writing."""
_FEW = 2
_WORD = re.compile(r"[^\W\d_]+")
_UNSEEN = re.compile("(.)[\u00ad\u034f\u180e\u200b-\u200d\u2060-\u2064\ufeff\U000e0000-\U000e007f]+(?=(.))", re.DOTALL)
_OVERRIDES = re.compile("[\u202d\u202e]")
_DIRECTIONS = re.compile("[\u200e\u200f\u061c\u202a-\u202c\u2066-\u2069]")


def has_lookalikes(title: str) -> bool:
    """Whether a title is written in letters that only look like those it is read as, or holds signs that nobody sees.

    A word that mixes alphabets by letters they have in common to the eye, a word of such letters alone among Latin
    ones, letters of mathematics, circles or full width, signs without width inside a word, and controls of direction
    where nothing runs from right to left. A title wholly in any one alphabet is none of these.
    """
    return _mixed(title) or _dressed(title) or _unseen(title) or _turned(title)


def _mixed(title: str) -> bool:
    words = [
        [(letter, _script(letter)) for letter in word] for word in _WORD.findall(unicodedata.normalize("NFC", title))
    ]
    latin = [[letter for letter, script in word if script == "LATIN"] for word in words]
    others = [[letter for letter, script in word if script in _SCRIPTS - {"LATIN"}] for word in words]
    for here, there in zip(latin, others, strict=True):
        if here and there and (set(there) <= _LIKE_LATIN or (len(there) > len(here) and set(here) <= _LIKE_OTHERS)):
            return True
    alone = [there for here, there in zip(latin, others, strict=True) if there and not here]
    return bool(alone) and any(latin) and all(set(word) <= _LIKE_LATIN for word in alone)


def _dressed(title: str) -> bool:
    names = [unicodedata.name(letter, "") for letter in title]
    dressed = [name for name in names if _DRESSED.match(name)]
    if any(name.startswith(("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL ")) for name in names):
        # There letters as wide as the signs around them are good typography.
        dressed = [name for name in dressed if not name.startswith("FULLWIDTH ")]
    return len(dressed) >= _FEW


def _unseen(title: str) -> bool:
    """Arabic and Indic scripts and emoji join by such signs, Thai parts words by them: alphabets here never do."""
    return any(_script(before) in _SCRIPTS and _script(after) in _SCRIPTS for before, after in _UNSEEN.findall(title))


def _turned(title: str) -> bool:
    if _OVERRIDES.search(title):
        return True
    signs = _DIRECTIONS.sub("", title)
    return signs != title and not any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in signs)


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
