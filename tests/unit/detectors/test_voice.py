"""Kinds of sound to what they mean, and what is not speech."""

import numpy as np
import pytest

from moderation.detectors.vad import Stretch
from moderation.detectors.voice import events, judged, spoken
from moderation.models.template import Form

SPEECH, SCREAM, CRYING, BABY, SINGING, GROAN, GASP, EXPLOSION, GUNSHOT = 0, 11, 19, 20, 24, 33, 39, 420, 421
FRAMES_PER_WINDOW = 15


def kinds(windows: int, **scores: float) -> np.ndarray:
    """What YamNet says of a sound in which the same is heard all along."""
    table = np.zeros((windows, 521), np.float32)
    for name, score in scores.items():
        table[:, globals()[name]] = score
    return table


def said(windows: int, probability: float = 0.0) -> np.ndarray:
    return np.full(windows * FRAMES_PER_WINDOW, probability, np.float32)


def strongest(table: np.ndarray, speech: np.ndarray) -> dict[str, float]:
    return {sub_label: float(scores.max()) for (_, sub_label), scores in judged(table, speech).items()}


def test_groans_are_moaning_where_nobody_speaks() -> None:
    assert strongest(kinds(8, GROAN=0.4, GASP=0.2), said(8))["moan"] > 0.9
    assert strongest(kinds(8, GROAN=0.1, SPEECH=0.9), said(8, 0.9))["moan"] < 0.25
    # A voice that says nothing, to which both networks do not agree, counts a little.
    assert 0.5 < strongest(kinds(8, GROAN=0.02, SPEECH=0.5), said(8))["moan"] < 0.8
    assert strongest(kinds(8, SPEECH=0.4), said(8, 0.6))["moan"] < 0.1


@pytest.mark.parametrize("instead", ["BABY", "CRYING"])
def test_crying_is_not_moaning(instead: str) -> None:
    scores = strongest(kinds(8, GROAN=0.1, **{instead: 0.7}), said(8))
    assert scores["moan"] < 0.25
    assert scores["crying"] == pytest.approx(0.7)


def test_a_short_groan_lasts_in_silence_but_not_between_words() -> None:
    alone, between = (
        judged(np.concatenate([around, kinds(1, GROAN=0.3), around]), said(13, speech))["porn", "moan"]
        for around, speech in ((kinds(6), 0), (kinds(6, SPEECH=0.9), 0.9))
    )
    assert np.flatnonzero(alone >= 0.5).tolist() == [4, 5, 6, 7, 8]
    assert between.max() < 0.3


def test_what_is_over_at_once_is_no_crying_but_a_shot() -> None:
    table = np.concatenate([kinds(10), kinds(1, BABY=0.9, GUNSHOT=0.9), kinds(10)])
    scores = strongest(table, said(21))
    assert scores["crying"] < 0.2
    assert scores["gunshot"] == pytest.approx(0.9)


def test_each_kind_has_its_label_and_place() -> None:
    table = np.concatenate([kinds(5), kinds(1, GUNSHOT=0.8, EXPLOSION=0.3), kinds(1, SCREAM=0.6)])
    everything = events(table, said(7), seconds=3.5)
    found = [event for event in everything if any(seen.label == "terror" for seen in event.observations)]
    assert [(event.start, event.end) for event in found] == [(2.4, 3.36), (2.88, 3.5)]
    first, second = ({o.sub_label: o for o in event.observations} for event in found)
    assert {"gunshot", "explosion"} <= set(first)
    assert (first["gunshot"].form, first["gunshot"].label, first["gunshot"].score) == (Form.VOICE, "terror", 0.8)
    assert (second["scream"].label, second["scream"].detector) == ("terror", "voice")


def test_nothing_is_heard_in_nothing() -> None:
    assert events(kinds(0), said(0), 0.0) == []
    assert events(kinds(4), said(4), 2.4) == []


def test_what_only_one_network_takes_for_speech_is_none_unless_it_is_long() -> None:
    short, long = Stretch(16000, 32000), Stretch(16000, 80000)
    assert spoken([short, long], kinds(10, GROAN=0.5)) == [long]
    assert spoken([short, long], kinds(10, SPEECH=0.9)) == [short, long]
    assert spoken([short], kinds(10, SINGING=0.5)) == [short]
