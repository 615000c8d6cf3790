"""Where somebody speaks."""

from pathlib import Path

import numpy as np
import pytest

from moderation.detectors import vad
from moderation.detectors.vad import FRAME, Silero, Stretch, stretches
from tests.sounds import noise, silence, speech


def frames(*parts: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(count, probability, np.float32) for probability, count in parts])


def test_speech_is_found_with_its_pauses(weights: Path) -> None:
    found = stretches(Silero(weights).run(np.concatenate([silence(2), speech()])))
    seconds = [(piece.start / 16000, piece.end / 16000) for piece in found]
    assert seconds[0][0] == pytest.approx(2.3, abs=0.2)
    assert seconds[-1][1] == pytest.approx(12.7, abs=0.4)
    assert len(found) >= 3
    assert sum(end - start for start, end in seconds) == pytest.approx(8.4, abs=0.5)


@pytest.mark.parametrize("sound", [silence(10), noise(10), noise(10, pink=True)], ids=["silence", "white", "pink"])
def test_nobody_speaks_in_silence_and_noise(weights: Path, sound: np.ndarray) -> None:
    assert stretches(Silero(weights).run(sound)) == []


def test_a_long_sound_is_heard_in_blocks_as_in_one(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Silero(weights).run(speech())
    monkeypatch.setattr(vad, "_BLOCK", 50)
    np.testing.assert_allclose(Silero(weights).run(speech()), whole, atol=1e-4)
    assert len(whole) == -(-len(speech()) // FRAME)


def test_no_sound_has_no_frames(weights: Path) -> None:
    assert Silero(weights).run(silence(0)).size == 0
    assert stretches(np.zeros(0, np.float32)) == []


def test_speech_begins_loud_and_lasts_while_it_is_likely() -> None:
    assert stretches(frames((0, 20), (0.4, 5), (0.9, 10), (0.4, 5), (0, 20))) == [Stretch(17 * FRAME, 43 * FRAME)]
    assert stretches(frames((0, 20), (0.4, 50), (0, 20))) == []
    assert stretches(frames((0, 20), (0.9, 7), (0, 20))) == []


def test_a_short_pause_is_part_of_speech_and_a_long_one_ends_it() -> None:
    assert len(stretches(frames((0.9, 20), (0, 9), (0.9, 20)))) == 1
    first, second = stretches(frames((0.9, 20), (0, 11), (0.9, 20)))
    assert (first, second) == (Stretch(0, 23 * FRAME), Stretch(28 * FRAME, 51 * FRAME))
