"""Fights are looked for where somebody moves, and a clip speaks for the frames until the next one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from moderation.detectors import clip
from moderation.detectors.base import Frame, Moment
from moderation.detectors.clip import FightClip
from moderation.detectors.nanodet import NanoDet, Thing
from moderation.detectors.violence import Clip, Violence, motion
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
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the network got, each time it was asked: its pictures, the first of which is its answer."""
    calls: list[Any] = []

    def run(self: FightClip, pictures: tuple[Any, ...]) -> Any:
        calls.append(pictures[0])
        return pictures[0]

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
    ("step", "things", "pictures"),
    [(5, SOMEBODY, 16), (0, SOMEBODY, 0), (5, (), 0)],
    ids=["lively", "still", "empty"],
)
def test_a_clip_is_kept_where_somebody_moves(step: int, things: tuple[Thing, ...], pictures: int) -> None:
    noted = Violence().note(Seen(moving(step), things))
    assert noted is not None
    assert len(noted.pictures) == pictures


def test_without_a_clip_there_is_nothing_to_say() -> None:
    assert Violence().note(Seen([], SOMEBODY)) is None


def test_motion_is_that_of_the_liveliest_part() -> None:
    assert motion(moving(0)) == 0
    assert motion(moving(2)) < motion(moving(6))
    still = moving(0)
    still[8:] = [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in still[8:]]
    assert motion(still) > 0


def clip_of(score: float) -> Clip:
    """One that the network is to answer with this score for, or of nobody at 0."""
    pictures: tuple[Any, ...] = (score,) if score else ()
    return Clip(pictures, Path())


def followed(*notes: tuple[float, float | None]) -> list[list[float]]:
    moments = [
        Moment(time, ordinal, None if score is None else clip_of(score)) for ordinal, (time, score) in enumerate(notes)
    ]
    return [[one.score for one in seen] for seen in Violence().follow(moments)]


@pytest.mark.usefixtures("asked")
def test_a_clip_speaks_until_the_next_one_or_for_four_seconds() -> None:
    found = followed((0.0, None), (1.0, 0.9), (2.0, None), (4.9, None), (5.0, None), (9.0, 0.1), (9.5, None))
    assert found == [[], [0.9], [0.9], [0.9], [], [0.1], [0.1]]
    assert followed((0.0, None)) == [[]]


@pytest.mark.usefixtures("asked")
def test_a_clip_is_believed_as_far_as_the_one_before_or_after() -> None:
    assert followed((0, 0.2), (4, 0.9), (8, 0.7), (12, 0.1)) == [[0.2], [0.7], [0.7], [0.1]]
    assert followed((0, 0.2), (4, 0.9), (8, 0.1)) == [[0.2], [0.2], [0.1]]
    assert followed((0, 0.2), (7, 0.9)) == [[0.2], [0.9]]
    assert followed((0, 0.9), (4, 0.0)) == [[0.0], [0.0]]


def test_the_network_is_not_asked_what_no_clip_beside_could_confirm(asked: list[Any]) -> None:
    # GIVEN clips that say little at every other place, and one where nobody moves
    found = followed((0, 0.9), (4, 0.1), (8, 0.8), (12, 0.2), (16, 0.95), (20, 0.0), (24, 0.7))

    # THEN the others are not asked, and nothing comes of them
    assert asked == [0.1, 0.2]
    assert max(score for (score,) in found) < 0.9


@given(st.lists(st.sampled_from([0.0, 0.1, 0.6, 0.92, 0.95, 0.99]), min_size=1, max_size=9))
def test_sparing_the_network_changes_nothing_from_nine_tenths_on(scores: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FightClip, "run", lambda self, pictures: pictures[0])
        found = [score for (score,) in followed(*((4.0 * number, score) for number, score in enumerate(scores)))]
    padded = [0.0, *scores, 0.0]
    whole = [min(score, max(padded[number], padded[number + 2])) for number, score in enumerate(scores)]
    if len(scores) > 1:
        assert [score if score >= 0.9 else 0 for score in found] == [score if score >= 0.9 else 0 for score in whole]
    else:
        assert found == scores


@pytest.mark.usefixtures("asked")
def test_a_picture_that_comes_again_brings_no_fight_with_it() -> None:
    found = Violence().follow([Moment(0.0, 7, clip_of(0.9)), Moment(9.0, 7, clip_of(0.9))])
    assert [len(seen) for seen in found] == [1, 0]


@pytest.mark.usefixtures("asked")
def test_what_is_reported() -> None:
    (((seen,)),) = Violence().follow([Moment(0.0, 0, clip_of(0.123456))])
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
    noted = Violence().note(Seen(moving(5), SOMEBODY, weights))
    ((seen,),) = Violence().follow([Moment(0.0, 0, noted)])
    assert 0 < seen.score < 0.5


def test_a_network_that_fails_is_no_answer(tmp_path: Path) -> None:
    noted = Violence().note(Seen(moving(5), SOMEBODY, tmp_path))
    with pytest.raises(FileNotFoundError):
        Violence().follow([Moment(0.0, 0, noted)])


def test_a_track_without_clips_was_not_looked_at() -> None:
    # GIVEN looks over two seconds and more, none of which begins a clip, as of two pictures a second
    moments: list[Moment[Clip | None]] = [Moment(float(second), second, None) for second in range(3)]

    # THEN that is a failure, and not a track without fights; what is shorter than a clip has none
    with pytest.raises(ValueError, match="no clips"):
        Violence().follow(moments)
    assert Violence().follow(moments[:2]) == [[], []]
