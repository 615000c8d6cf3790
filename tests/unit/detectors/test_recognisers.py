"""Whisper and Moonshine on a sentence that a man speaks, and on sound without words."""

from pathlib import Path

import numpy as np
import pytest

from greenlight.evaluate.errors_of_speech import wer
from moderation.detectors.moonshine import Moonshine
from moderation.detectors.speech import RATE, Recogniser
from moderation.detectors.whisper import Whisper, log_mel
from moderation.models.sound import Utterance, Word
from tests.sounds import Samples, cries, noise, silence, speech

SENTENCE = "And so my fellow Americans: ask not what your country can do for you, ask what you can do for your country."
ASK, LAST = 3.3, 10.4
"""Seconds at which the first `ask` is said and the last word ends."""


@pytest.fixture(scope="session", params=[Whisper, Moonshine], ids=lambda kind: kind.name)
def recogniser(request: pytest.FixtureRequest, weights: Path) -> Recogniser:
    made: Recogniser = request.param(weights)
    return made


@pytest.fixture(scope="session")
def heard(recogniser: Recogniser) -> list[Utterance]:
    return recogniser.transcribe(speech())


def words(found: list[Utterance]) -> list[Word]:
    return [word for utterance in found for word in utterance.words]


def test_what_is_said_is_written(heard: list[Utterance]) -> None:
    assert wer(SENTENCE, " ".join(utterance.text for utterance in heard)) == 0
    assert {utterance.language for utterance in heard} == {"en"}
    assert min(utterance.score for utterance in heard) > 0.6


def test_each_word_is_near_its_time(heard: list[Utterance]) -> None:
    found = words(heard)
    assert next(word.start for word in found if word.text.lower() == "ask") == pytest.approx(ASK, abs=0.6)
    assert found[-1].end == pytest.approx(LAST, abs=0.7)
    assert all(word.start <= word.end for word in found)
    assert [word.start for word in found] == sorted(word.start for word in found)
    assert [utterance.words[0].start for utterance in heard] == [utterance.start for utterance in heard]


@pytest.mark.parametrize(
    "sound",
    [silence(3), noise(3), noise(3, pink=True), cries(2.4), silence(0.01), silence(0)],
    ids=["silence", "white", "pink", "cries", "short", "empty"],
)
def test_nothing_is_invented(recogniser: Recogniser, sound: Samples) -> None:
    assert recogniser.transcribe(sound) == []


def test_what_is_said_again_and_again_is_not_left_out(recogniser: Recogniser) -> None:
    # GIVEN six times the same words, after two of which Whisper takes it that all is said
    sound = np.tile(np.concatenate([speech()[: round(2.3 * RATE)], silence(1.2)]), 6)
    found = words(recogniser.transcribe(sound))
    assert sum(word.text.lower().startswith("america") for word in found) >= 5
    assert found[-1].end > 15


def test_no_number_and_too_much_are_errors(recogniser: Recogniser) -> None:
    with pytest.raises(ArithmeticError):
        recogniser.transcribe(np.full(RATE, np.nan, np.float32))
    with pytest.raises(ValueError, match="31"):
        recogniser.transcribe(silence(31))


def test_without_its_weights_nothing_is_recognised(tmp_path: Path) -> None:
    for kind in (Whisper, Moonshine):
        with pytest.raises(FileNotFoundError):
            kind(tmp_path).transcribe(silence(1))


def test_mel_levels_follow_loudness_and_pitch() -> None:
    second = np.arange(RATE, dtype=np.float32) / RATE
    low, high = (log_mel(np.sin(2 * np.pi * pitch * second)) for pitch in (300, 3000))
    assert low.shape == (80, 3000)
    assert low[:, 50].argmax() < high[:, 50].argmax()
    # 80 dB below the loudest nothing is told apart, and behind the sound there is silence.
    assert low.max() - low.min() == pytest.approx(2)
    assert low[:, 200:].max() == low.min()
