"""Chinese texts as they are hidden from word lists: other characters of the same sound."""

import random
from collections import defaultdict
from collections.abc import Iterable

from anyascii import anyascii

_SHARE = 0.3
"""Of the characters that are exchanged."""


class Homophones:
    """Characters of the same sound, whatever the tone, among those that the texts are written with."""

    def __init__(self, texts: Iterable[str]) -> None:
        by_sound: defaultdict[str, set[str]] = defaultdict(set)
        for text in texts:
            for sign in text:
                if "\u4e00" <= sign <= "\u9fff":
                    by_sound[anyascii(sign)].add(sign)
        self._alike = {sign: sorted(signs) for signs in by_sound.values() if len(signs) > 1 for sign in signs}

    def hide(self, text: str, seed: int) -> str:
        """The text with some of its characters exchanged, the same ones for the same seed."""
        chance = random.Random(seed)
        return "".join(
            chance.choice(self._alike[sign]) if sign in self._alike and chance.random() < _SHARE else sign
            for sign in text
        )
