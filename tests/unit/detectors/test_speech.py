"""From the tokens that a recogniser writes to utterances of words with times."""

import numpy as np
import pytest

from moderation.detectors.speech import Piece, likelihoods, looped, utterances


def pieces(*parts: tuple[str | bytes, float]) -> list[Piece]:
    return [Piece(part if isinstance(part, bytes) else part.encode(), start, -0.1) for part, start in parts]


def test_tokens_become_words_with_times() -> None:
    (found,) = utterances(pieces((" And", 0.0), (" fell", 0.5), ("ows", 0.8), (",", 1.2), (" ask", 2.0)), 2.5, "en")
    assert [(word.text, word.start, word.end) for word in found.words] == [
        ("And", 0.0, 0.5),
        ("fellows,", 0.5, 1.2),  # the comma is the pause behind the word
        ("ask", 2.0, 2.5),
    ]
    assert (found.text, found.start, found.end, found.language) == ("And fellows, ask", 0.0, 2.5, "en")
    assert found.score == pytest.approx(np.exp(-0.1), abs=1e-3)


def test_a_new_utterance_begins_behind_a_sentence_and_a_pause() -> None:
    spoken = pieces((" One", 0.0), (".", 0.4), (" Two", 0.6), (",", 1.0), (" three", 4.0), (" 3.5", 4.5))
    assert [found.text for found in utterances(spoken, 5.0, "en")] == ["One.", "Two,", "three 3.5"]


def test_each_sign_of_chinese_is_a_word_and_tokens_may_hold_parts_of_it() -> None:
    sign = "错".encode()
    (found,) = utterances(pieces(("测试", 0.0), (sign[:1], 0.5), (sign[1:], 0.6), ("，", 0.9), ("OK", 1.2)), 1.5, "zh")
    assert [(word.text, word.start) for word in found.words] == [("测", 0.0), ("试", 0.0), ("错，", 0.6), ("OK", 1.2)]
    assert found.text == "测试错，OK"


def test_no_word_lasts_longer_than_a_pause_and_marks_alone_are_no_words() -> None:
    (found,) = utterances(pieces((" No", 0.0), (".", 9.0), (" ♪", 9.5)), 10.0, "en")
    assert (found.text, found.end) == ("No.", 1.5)
    assert utterances([], 3.0, "en") == []
    assert utterances(pieces((b"\xff\xfe", 0.0)), 1.0, "en") == []


def test_a_loop_is_cut_to_two_turns_and_what_people_repeat_is_kept() -> None:
    assert looped([9, 1, 2, 3] + [4, 5, 6, 7] * 4) == 8
    assert looped([8] + [7] * 16) == 14
    assert looped([1, 2, 3] * 3) == 0
    assert looped([7] * 8) == 0
    assert looped(list(range(200))) == 0
    assert looped([]) == 0


def test_likelihoods_add_up_to_one() -> None:
    found = likelihoods(np.array([1e4, 0.0, -np.inf, 1e4], np.float32))
    assert np.exp(found).sum() == pytest.approx(1)
    assert found.argmax() == 0
