"""Speech without its silence, and the way back to where it was said."""

import numpy as np
import pytest

from moderation.detectors.packing import LONGEST, windows, within
from moderation.detectors.vad import FRAME, Stretch

RATE = 16_000
NOTHING = np.zeros(100_000, np.float32)


def stretch(start: float, end: float) -> Stretch:
    return Stretch(round(start * RATE), round(end * RATE))


def counted(seconds: float) -> np.ndarray:
    """Samples that say where they are."""
    return np.arange(round(seconds * RATE), dtype=np.float32)


def test_pieces_are_packed_with_a_pause_and_found_again() -> None:
    (window,) = windows(counted(100), [stretch(5, 8), stretch(60, 62)], NOTHING)
    assert len(window.samples) / RATE == pytest.approx(3 + 1.2 + 2)
    assert window.samples[0] == 5 * RATE
    assert window.samples[-1] == 62 * RATE - 1
    assert [window.second(second) for second in (0, 2.9, 3.0, 4.2, 5.2, 6.2)] == [5, 7.9, 8, 60, 61, 62]
    # What lies in the silence between belongs to the nearer piece.
    assert [window.second(second) for second in (3.3, 3.9)] == [8, 60]


def test_a_short_silence_stays_as_it_is() -> None:
    (window,) = windows(counted(20), [stretch(5, 8), stretch(9, 10)], NOTHING)
    np.testing.assert_array_equal(window.samples, np.arange(5 * RATE, 10 * RATE))


def test_no_window_is_too_long_and_nothing_is_left_out() -> None:
    spoken = [stretch(start, start + 9) for start in range(0, 100, 11)]
    found = list(windows(counted(120), spoken, NOTHING))
    assert all(len(window.samples) <= LONGEST for window in found)
    heard = np.concatenate([window.samples for window in found])
    for piece in spoken:
        assert np.isin(np.arange(piece.start, piece.end, 997), heard).all()


def test_what_never_pauses_is_cut_where_it_is_quietest() -> None:
    probabilities = np.ones(60 * RATE // FRAME + 1, np.float32)
    probabilities[round(25 * RATE / FRAME) + np.arange(3)] = 0.4
    first, second, *rest = windows(counted(60), [stretch(0, 60)], probabilities)
    assert len(first.samples) / RATE == pytest.approx(25, abs=0.1)
    assert first.samples[-1] + 1 == second.samples[0]
    assert sum(len(window.samples) for window in (first, second, *rest)) == 60 * RATE


def test_a_segment_has_what_begins_in_it_to_the_next_pause() -> None:
    probabilities = np.ones(400, np.float32)
    probabilities[330] = 0.2
    kept = within([stretch(1, 2), stretch(8, 12), stretch(12.2, 13)], 10 * RATE, probabilities)
    assert kept == [stretch(1, 2), Stretch(8 * RATE, 331 * FRAME)]
    assert within([stretch(1, 2)], 10 * RATE, probabilities) == [stretch(1, 2)]
    assert within([stretch(10, 12)], 10 * RATE, probabilities) == []
