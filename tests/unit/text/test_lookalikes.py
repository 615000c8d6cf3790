"""What a title is read as, and what it is."""

import pytest

from moderation.text.lookalikes import has_lookalikes


@pytest.mark.parametrize(
    "title",
    [
        "frее pоrn",  # Cyrillic е and о
        "free ѕех tonight",  # a word of Cyrillic letters alone
        "Κasino bonus",  # Greek Kappa
        "пoрно",  # Latin o among Cyrillic
        "𝓯𝓻𝓮𝓮 𝔀𝓮𝓪𝓹𝓸𝓷𝓼",
        "ｆｒｅｅ ｇｕｎｓ",
        "ⓕⓡⓔⓔ 🅒🅐🅢🅗",
        "ᴘᴏʀɴ",
        "ɐɔɐɔ",
        "ca\u200bsino",
        "ca\u00adsino",
        "ca\U000e0041sino",
        "\u202enrop\u202c",
        "free\u2066x\u2069",
    ],
)
def test_a_title_that_is_read_as_something_else(title: str) -> None:
    assert has_lookalikes(title)


@pytest.mark.parametrize(
    "title",
    [
        "",
        "A day at the sea, part 2 (100 %)",
        "Crème brûlée à la carte – naïve Straße",
        "Москва слезам не верит",
        "Сосна и рак",
        "Обзор iPhone 15: камера",
        "VIP-зал",
        "Ελληνικά νησιά",
        "Σ-algebra, Δt and 10 μm at 5 kΩ",
        "你好世界 ＮＨＫ ＣＭ",
        "日本語タイトル",
        "한국어 제목",
        "می‌خواهم",  # Persian joins with a sign of no width
        "क्‍ष",
        "👩‍👩‍👧 family 🏴󠁧󠁢󠁥󠁮󠁧󠁿 flags",
        "שלום\u200f, world",
        "Windows™ ℃ № 5 Ⓜ",
        "e\u0301te\u0301",
    ],
)
def test_a_title_that_is_what_it_looks_like(title: str) -> None:
    assert not has_lookalikes(title)
