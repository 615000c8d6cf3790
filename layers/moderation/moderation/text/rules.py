"""What a text is by its look alone: poured out over and over, or no words at all. Pure."""

import re
import unicodedata
from collections import Counter

from moderation.text.folding import Folded

_UNIT = re.compile(r"(.{1,12}?)\1{3,}", re.DOTALL)
_LAUGHS = frozenset("哈呵嘿嘻嘎啊呜哦噢嗯额呃哇唉喔呀w草笑6a2e3hdljxo?!.。~…-_=*+— ❤😂🤣👍0")
_POURED_AT_LEAST = 24
_POURED_SHARE = 0.7
_LONG = 10
_ODD_SHARE = 0.6
_ROWS = (
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "poiuytrewq",
    "lkjhgfdsa",
    "mnbvcxz",
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
)
_VOWELS = frozenset("aeiouy")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{7,}")
_TOKEN = re.compile(r"[a-z]{10,}")
_ADDRESS = re.compile(r"://|\.[a-z]{2,4}(?:/|$)|@|#")
_SCRIPTS_OF_CHAOS = 5


def flood(folded: Folded) -> float:
    """0 where a text goes on, up to 1 where one thing repeated makes it up. Laughter of any length is none."""
    text = folded.plain.text
    if len(text) < _POURED_AT_LEAST:
        return 0.0
    repeated = sum(match.end() - match.start() for match in _UNIT.finditer(text) if not set(match.group(1)) <= _LAUGHS)
    share = repeated / len(text)
    return min(1.0, 0.2 + 0.8 * share) if share >= _POURED_SHARE else 0.0


def meaningless(folded: Folded) -> float:
    """0 for words, up to 1 for what fingers do on a keyboard, for broken encoding, for signs alone.

    Letters are judged in Latin script only: what is no word in others, their look does not tell.
    """
    text = folded.plain.text.strip()
    if len(text) < _LONG:
        return 0.0
    broken = sum(sign == "\ufffd" or unicodedata.category(sign) in ("Co", "Cn") for sign in text)
    if broken / len(text) > 0.2:
        return 0.9
    counted = Counter(unicodedata.category(sign)[0] for sign in text if not sign.isspace())
    total = sum(counted.values())
    if counted["L"] == 0 and counted["N"] < total / 2 and total >= 2 * _LONG and counted["S"] < total * 0.7:
        return 0.8
    if _chaos(text):
        return 0.8
    if folded.has_han or not folded.has_latin:
        return 0.0
    if _ADDRESS.search(text):
        return 0.0
    spelt = folded.words.text
    odd = sum(len(token) for token in _TOKEN.findall(spelt) if _typed(token))
    return 0.85 if odd > _ODD_SHARE * sum(sign.isalpha() for sign in spelt) else 0.0


def _typed(token: str) -> bool:
    walked = sum(len(run) for run in _walks(token))
    vowels = sum(sign in _VOWELS for sign in token) / len(token)
    return walked / len(token) > 0.6 or vowels < 0.12 or _CONSONANTS.search(token) is not None


def _walks(token: str) -> list[str]:
    """Stretches of four letters or more that are neighbours on a keyboard, one after the other."""
    runs = []
    place = 0
    while place < len(token) - 3:
        end = place + 4
        if any(token[place:end] in row for row in _ROWS):
            while end < len(token) and any(token[place : end + 1] in row for row in _ROWS):
                end += 1
            runs.append(token[place:end])
            place = end
        else:
            place += 1
    return runs


def _chaos(text: str) -> bool:
    """Letters of many scripts in one short text."""
    scripts = {unicodedata.name(sign, "").partition(" ")[0] for sign in text[:200] if sign.isalpha()}
    return len(scripts - {"CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "KATAKANA-HIRAGANA", ""}) >= _SCRIPTS_OF_CHAOS
