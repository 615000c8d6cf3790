"""Fights are looked for where somebody moves, and a clip speaks for the frames until the next one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moderation.detectors import clip
from moderation.detectors.base import Frame, Moment
from moderation.detectors.clip import FightClip
from moderation.detectors.nanodet import NanoDet, Thing
from moderation.detectors.violence import Violence, motion
from moderation.models.observation import Box
from moderation.models.plan import CLIP
from tests.unit.detectors.conftest import jpeg

SOMEBODY = (Thing("person", 0.8, Box(left=0.4, top=0.4, width=0.1, height=0.2)),)


def moving(step: int, count: int = 16) -> list[Image.Image]:
    """A white square that goes `step` pixels at a time over grey."""
    pictures = []
    for number in range(count):
        picture = Image.new("RGB", (112, 112), "gray")
        picture.paste("white", (step * number % 80, 40, step * number % 80 + 30, 70))
        pictures.append(picture)
    return pictures


class Seen(Frame):
    def __init__(self, pictures: list[Image.Image], things: tuple[Thing, ...], weights: Path = Path()) -> None:
        super().__init__({CLIP: b"".join(map(jpeg, pictures))} if pictures else {}, weights)
        self._things = things

    def result(self, model: Any) -> Any:
        assert model is NanoDet
        return self._things


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures the network got, each time it was asked."""
    calls: list[int] = []

    def run(self: FightClip, pictures: tuple[Image.Image, ...]) -> float:
        calls.append(len(pictures))
        return 0.75

    monkeypatch.setattr(FightClip, "run", run)
    return calls


def test_a_frame_carries_what_follows_it() -> None:
    pictures = moving(5)
    carried = Seen(pictures, ()).moving()
    assert len(carried) == 16
    for picture, read in zip(pictures, carried, strict=True):
        difference = np.abs(np.asarray(picture, int) - np.asarray(read, int)).mean()
        assert difference < 3
    assert Seen([], ()).moving() == ()


@pytest.mark.parametrize(
    ("step", "things", "score"),
    [(5, SOMEBODY, 0.75), (0, SOMEBODY, 0.0), (5, (), 0.0)],
    ids=["lively", "still", "empty"],
)
def test_the_network_is_asked_where_somebody_moves(
    asked: list[int], step: int, things: tuple[Thing, ...], score: float
) -> None:
    assert Violence().note(Seen(moving(step), things)) == score
    assert asked == ([16] if score else [])


def test_without_a_clip_there_is_nothing_to_say(asked: list[int]) -> None:
    assert Violence().note(Seen([], SOMEBODY)) is None


def test_motion_is_that_of_the_liveliest_part() -> None:
    assert motion(moving(0)) == 0
    assert motion(moving(2)) < motion(moving(6))
    still = moving(0)
    still[8:] = [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in still[8:]]
    assert motion(still) > 0


def followed(*notes: tuple[float, float | None]) -> list[list[float]]:
    moments = [Moment(time, ordinal, note) for ordinal, (time, note) in enumerate(notes)]
    return [[one.score for one in seen] for seen in Violence().follow(moments)]


def test_a_clip_speaks_until_the_next_one_or_for_four_seconds() -> None:
    found = followed((0.0, None), (1.0, 0.9), (2.0, None), (4.9, None), (5.0, None), (9.0, 0.1), (9.5, None))
    assert found == [[], [0.9], [0.9], [0.9], [], [0.1], [0.1]]
    assert followed((0.0, None)) == [[]]


def test_a_clip_is_believed_as_far_as_the_one_before_or_after() -> None:
    assert followed((0, 0.2), (4, 0.9), (8, 0.7), (12, 0.1)) == [[0.2], [0.7], [0.7], [0.1]]
    assert followed((0, 0.2), (4, 0.9), (8, 0.1)) == [[0.2], [0.2], [0.1]]
    assert followed((0, 0.2), (7, 0.9)) == [[0.2], [0.9]]


def test_a_picture_that_comes_again_brings_no_fight_with_it() -> None:
    found = Violence().follow([Moment(0.0, 7, 0.9), Moment(9.0, 7, 0.9)])
    assert [len(seen) for seen in found] == [1, 0]


def test_what_is_reported() -> None:
    (((seen,)),) = Violence().follow([Moment(0.0, 0, 0.123456)])
    assert (seen.detector, seen.form, seen.label, seen.sub_label) == ("violence", "image", "terror", "violence")
    assert seen.score == 0.1235


def test_pictures_are_normalised_and_spread_evenly() -> None:
    levels = [Image.new("RGB", (112, 112), (10 * n, 0, 255)) for n in range(8)]
    batch = clip.prepare(levels)
    assert batch.shape == (16, 3, 112, 112)
    red = batch[:, 0, 0, 0] * 0.22803 + 0.43216
    np.testing.assert_allclose(red * 255 / 10, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7], atol=1e-4)
    assert batch[0, 2, 0, 0] == pytest.approx((1 - 0.37645) / 0.216989, abs=1e-4)


def test_the_real_network_sees_no_fight_in_a_square(weights: Path) -> None:
    score = Violence().note(Seen(moving(5), SOMEBODY, weights))
    assert score is not None
    assert 0 < score < 0.5


def test_a_network_that_fails_is_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Violence().note(Seen(moving(5), SOMEBODY, tmp_path))


def test_a_track_without_clips_was_not_looked_at() -> None:
    # GIVEN looks over two seconds and more, none of which begins a clip, as of two pictures a second
    moments: list[Moment[float | None]] = [Moment(float(second), second, None) for second in range(3)]

    # THEN that is a failure, and not a track without fights; what is shorter than a clip has none
    with pytest.raises(ValueError, match="no clips"):
        Violence().follow(moments)
    assert Violence().follow(moments[:2]) == [[], []]
