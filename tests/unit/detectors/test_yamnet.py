"""The front end written out by hand, and kinds of sound that everybody knows."""

from pathlib import Path

import numpy as np
import pytest

from moderation.detectors import yamnet
from moderation.detectors.yamnet import YamNet, log_mel
from tests.sounds import noise, silence, speech

SPEECH, BEEP, SILENCE = 0, 475, 494


def test_levels_are_those_of_a_transform_by_hand() -> None:
    samples = noise(0.1)
    levels = log_mel(samples)
    assert levels.shape == (8, 64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(512)) / 512)
    framed = np.pad(samples[320:720] * window, (0, 112))
    magnitude = np.abs(turns @ framed)

    def mel(hertz: float) -> float:
        return 2595 * np.log10(1 + hertz / 700)

    edges = np.linspace(mel(125), mel(7500), 66)
    for band in (0, 20, 63):
        left, middle, right = edges[band : band + 3]
        total = sum(
            magnitude[k]
            * max(0, min((mel(k * 31.25) - left) / (middle - left), (right - mel(k * 31.25)) / (right - middle)))
            for k in range(1, 257)
        )
        assert levels[2, band] == pytest.approx(np.log(total + 0.001), abs=1e-3)


def test_what_everybody_knows_is_known(weights: Path) -> None:
    network = YamNet(weights)
    tone = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(32000) / 16000)).astype(np.float32)
    assert network.run(speech())[:, SPEECH].mean() > 0.6
    assert network.run(silence(2)).mean(axis=0).argmax() == SILENCE
    assert network.run(tone).mean(axis=0).argmax() == BEEP
    assert network.run(noise(2)).mean(axis=0)[SPEECH] < 0.05


@pytest.mark.parametrize(("seconds", "windows"), [(0, 0), (0.1, 1), (0.96, 1), (0.97, 2), (1.44, 2), (3, 6)], ids=str)
def test_every_sample_is_in_a_window(weights: Path, seconds: float, windows: int) -> None:
    assert YamNet(weights).run(noise(seconds)).shape == (windows, 521)


def test_windows_are_the_same_in_batches_of_any_size(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = YamNet(weights).run(speech())
    monkeypatch.setattr(yamnet, "_BATCH", 3)
    np.testing.assert_allclose(YamNet(weights).run(speech()), whole, atol=1e-4)


def test_sound_that_breaks_off_is_judged_by_its_last_second(weights: Path) -> None:
    network, samples = YamNet(weights), speech()[: round(2.02 * 16000)]
    np.testing.assert_allclose(network.run(samples)[-1], network.run(samples[-15600:])[0], atol=1e-4)
