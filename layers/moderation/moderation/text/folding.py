"""Texts folded to what they are read as: one spelling for many, each sign with its place in the text as it came. Pure.

Folding undoes what hides words from a list and not from a reader: wide and dressed letters, look-alikes of other
alphabets, signs without width, accents and strokes, traditional characters, spaced and repeated letters, digits for
letters, characters of the same sound or shape, and characters written as their halves.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from anyascii import anyascii

_LOOKALIKES = dict(
    zip(
        "асеорхуіјѕԁһԛԝӏквнмтґгпзᴄαβεικνορτυχωγηսօցհյոզԍ",
        "aceopxyijsdhqwlkbhmtrrn3cabeikvoptuxwynuoghjnqg",
        strict=True,
    )
)
"""Small letters of other alphabets, as the Latin ones that they are drawn like."""
_UNSEEN = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]")
_DRAWN_LIKE_LATIN = frozenset(
    (
        "LATIN",
        "GREEK",
        "CYRILLIC",
        "ARMENIAN",
        "CHEROKEE",
        "COPTIC",
        "LISU",
        "MODIFIER",
        "NEGATIVE",
        "SQUARED",
        "REGIONAL",
    )
)
_FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800\u034f")

_SUBSTITUTES = {
    "微": "薇威徽嶶溦葳崴巍薇癓",
    "信": "伩❤♥♡💗💕💖💓💛💚💙💜🧡🖤💌芯鑫馨訫軐",
    "q": "🐧扣抠釦叩",
    "群": "裙峮宭羣帬",
    "加": "伽茄嘉珈枷迦➕十",
    "赌": "堵睹帾",
    "博": "搏膊镈",
    "彩": "采踩綵婇",
    "票": "漂瓢飘嫖嘌",
    "钱": "💰💵💴🤑浅",
    "发": "珐発髮",
    "卖": "売荬",
    "买": "荬嘪",
    "联": "蓮琏",
    "操": "艹糙肏襙",
    "逼": "屄笔哔",
    "傻": "煞沙砂莎",
    "妈": "嫲犸马吗",
    "色": "瑟涩铯",
    "黄": "簧磺",
    "淫": "婬滛氵",
    "贷": "袋岱黛",
    "电": "☎📞典",
    "单": "箪郸",
    "兼": "蒹缣",
    "私": "厶俬",
    "聊": "撩",
    "代": "岱玳",
    "枪": "抢呛仓",
}
"""What is written for a character of the same sound or shape."""
_SOUNDS_LIKE = {sign: original for original, signs in _SUBSTITUTES.items() for sign in signs}
_HALVES = {
    "亻言": "信",
    "亻尔": "你",
    "女马": "妈",
    "力口": "加",
    "贝者": "赌",
    "弓虽": "强",
    "走召": "超",
    "禾口": "和",
    "米青": "精",
    "女干": "奸",
    "讠寸": "讨",
    "又鸟": "鸡",
    "亻戈": "代",
}
_HALVED = frozenset(pair[0] for pair in _HALVES)

_LEET = str.maketrans("013457@$!|+8", "oieastasiltb")
_LETTERED = re.compile(r"[a-z]")
_TOKEN = re.compile(r"[a-z0-9@$!|+*']+")
_RUN = re.compile(r"[^\s\u2e80-\uffff]+")
_BREAKS = frozenset("。!?;\n,、…")
_LONGEST_SPELLING = 24
_KEPT_BEFORE_BREAK = 2


@dataclass(frozen=True)
class View:
    """A text in one spelling. `starts` and `ends` place each of its characters in the text as it came."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters from `start` to before `end` are in the text as it came; empty ones are refused."""
        return self.starts[start], self.ends[end - 1]

    @classmethod
    def of(cls, signs: Iterable[tuple[str, int, int]]) -> "View":
        """Of single characters, each with its place."""
        listed = list(signs)
        if not listed:
            return cls("", (), ())
        texts, starts, ends = zip(*listed, strict=True)
        return cls("".join(texts), starts, ends)


class Folding:
    """Folds texts. `variants` maps traditional and variant characters to the common simplified ones."""

    def __init__(self, variants: Mapping[str, str]) -> None:
        self._table = _Table(variants)

    def fold(self, text: str) -> "Folded":
        return Folded(text, self._table)


class _Table(dict[str, str]):
    """What each character is read as, filled as characters are met: small letters, maybe several, maybe none."""

    def __init__(self, variants: Mapping[str, str]) -> None:
        super().__init__()
        self._variants = variants

    def __missing__(self, sign: str) -> str:
        folded = "".join(map(self._one, unicodedata.normalize("NFKC", sign).casefold()))
        if len(self) < 100_000:
            self[sign] = folded
        return folded

    def _one(self, sign: str) -> str:
        if sign.isascii():
            return sign if sign.isprintable() or sign == "\n" else " "
        category = unicodedata.category(sign)
        if sign in _FILLERS or category == "Cf" or _UNSEEN.match(sign):
            return ""
        if category in ("Zs", "Zl", "Zp", "Cc"):
            return " "
        if sign in _LOOKALIKES:
            return _LOOKALIKES[sign]
        if unicodedata.name(sign, "").partition(" ")[0] in _DRAWN_LIKE_LATIN:
            return anyascii(sign).casefold() or sign
        return self._variants.get(sign, sign)


class Folded:
    """One text in the spellings that words are looked for in, each made when first asked for."""

    def __init__(self, text: str, table: Mapping[str, str]) -> None:
        self.original = text
        self._table = table

    @cached_property
    def plain(self) -> View:
        """Each character as it is read, small; runs of white space are one space."""
        table = self._table
        signs: list[tuple[str, int, int]] = []
        blank = True
        for place, sign in enumerate(self.original):
            for one in table[sign]:
                if one == " ":
                    if not blank:
                        signs.append((one, place, place + 1))
                    blank = True
                else:
                    signs.append((one, place, place + 1))
                    blank = False
        return View.of(signs)

    @cached_property
    def has_han(self) -> bool:
        return any("\u3400" <= sign <= "\u9fff" for sign in self.plain.text)

    @cached_property
    def has_latin(self) -> bool:
        return _LETTERED.search(self.plain.text) is not None

    @cached_property
    def tight(self) -> View:
        """Letters, digits and characters alone, as Chinese words are looked for: what is between them goes.

        A sign that ends a clause stays as a line break, unless single characters stand between such signs.
        """
        signs: list[tuple[str, int, int]] = []
        run = 0
        plain = self.plain
        for sign, start, end in zip(plain.text, plain.starts, plain.ends, strict=True):
            if sign.isalnum() or sign in _SOUNDS_LIKE:
                signs.append((sign, start, end))
                run += 1
            elif sign in _BREAKS:
                if run >= _KEPT_BEFORE_BREAK:
                    signs.append(("\n", start, end))
                run = 0
        return View.of(signs)

    @cached_property
    def loose(self) -> View:
        """`tight` with characters of the same sound or shape as the one that words are listed with."""
        tight = self.tight
        signs: list[tuple[str, int, int]] = []
        skip = False
        for place, sign in enumerate(tight.text):
            if skip:
                skip = False
                continue
            if sign in _HALVED and (whole := _HALVES.get(tight.text[place : place + 2])):
                signs.append((whole, tight.starts[place], tight.ends[place + 1]))
                skip = True
            else:
                signs.append((_SOUNDS_LIKE.get(sign, sign), tight.starts[place], tight.ends[place]))
        return View.of(signs)

    @cached_property
    def words(self) -> View:
        """Latin words, one space before and after each, with digits read as letters and long repeats as one letter.

        Letters that stand alone, three or more in a row, are one word.
        """
        plain = self.plain
        return _spelt([(match.start(), match.end()) for match in _TOKEN.finditer(plain.text)], plain)

    @cached_property
    def joined(self) -> View:
        """As `words`, with signs inside of words left out: what is between two spaces is one word."""
        plain = self.plain
        return _spelt([(match.start(), match.end()) for match in _RUN.finditer(plain.text)], plain)


def _spelt(tokens: list[tuple[int, int]], plain: View) -> View:
    signs: list[tuple[str, int, int]] = []
    single: list[tuple[str, int, int]] = []

    def flush() -> None:
        if 3 <= len(single) <= _LONGEST_SPELLING:
            signs.extend([*single, (" ", single[-1][2] - 1, single[-1][2])])
        else:
            for one in single:
                signs.extend([one, (" ", one[2] - 1, one[2])])
        single.clear()

    for start, end in tokens:
        word = [
            (sign, plain.starts[start + offset], plain.ends[start + offset])
            for offset, sign in enumerate(_decoded(plain.text[start:end]))
            if sign.isalnum()
        ]
        if len(word) == 1 and word[0][0].isalpha():
            single.append(word[0])
            continue
        flush()
        if word:
            signs.extend([*_without_repeats(word), (" ", word[-1][1], word[-1][2])])
    flush()
    return View.of([(" ", signs[0][1], signs[0][2]), *signs]) if signs else View("", (), ())


def _decoded(token: str) -> str:
    """Digits and signs as the letters that they are drawn like, in words that are letters for the greater part."""
    if token.isalpha():
        return token
    letters = sum(sign.isalpha() for sign in token)
    digits = sum(sign.isdigit() for sign in token)
    if letters < max(2, digits):
        return token
    inner = token.strip("!|+@'*")
    lead = len(token) - len(token.lstrip("!|+@'*"))
    return token[:lead] + inner.translate(_LEET) + token[lead + len(inner) :]


def _without_repeats(word: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    kept: list[tuple[str, int, int]] = []
    place = 0
    while place < len(word):
        end = place
        while end < len(word) and word[end][0] == word[place][0]:
            end += 1
        if end - place >= 3:
            kept.append((word[place][0], word[place][1], word[end - 1][2]))
        else:
            kept.extend(word[place:end])
        place = end
    return kept
