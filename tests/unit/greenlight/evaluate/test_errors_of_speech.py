"""Errors of transcripts by words and characters."""

import pytest

from greenlight.evaluate.errors_of_speech import cer, errors, wer


@pytest.mark.parametrize(
    ("reference", "hypothesis", "share"),
    [
        ("one two three", "1, 2, 3.", 0),
        ("It's twenty-one people’s", "it's 21 PEOPLE'S!", 0),
        ("1,234 cats", "one thousand two hundred thirty four cats", 0),
        ("two by four", "2 bye 4", 1 / 3),
        ("a b c d", "a c d", 1 / 4),
        ("a", "a b c", 2),
    ],
)
def test_words(reference: str, hypothesis: str, share: float) -> None:
    assert wer(reference, hypothesis) == pytest.approx(share)


def test_characters() -> None:
    assert cer("砸自己的脚。", "扎 自己的脚") == pytest.approx(0.2)
    assert cer("认识", "認識") == 1
    assert cer("认识", "認識", lambda text: text.replace("認", "认").replace("識", "识")) == 0


def test_nothing_to_compare_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        wer("…", "word")


def test_the_fewest_changes_are_counted() -> None:
    assert errors("kitten", "sitting") == 3
    assert errors("", "abc") == 3
    assert errors("abc", "") == 3
