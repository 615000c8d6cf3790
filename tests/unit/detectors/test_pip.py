"""A rectangle that moves apart from what is around it is a picture in the picture; what only looks like one is none."""

from typing import Any

import pytest
from PIL import Image, ImageDraw

from moderation.detectors.pip import Pip
from tests.unit.detectors.moving import moments, pasted, scene, still

FRAMES = 12
SURE = 0.42


def score(pictures: list[Image.Image]) -> float:
    pip = Pip()
    noted: Any = moments(pip, pictures)
    return max((seen.score for found in pip.follow(noted) for seen in found), default=0.0)


@pytest.mark.parametrize(
    "place", [(20, 16), (420, 220), (440, 244)], ids=["upper left", "lower right", "in the corner"]
)
def test_a_moving_rectangle_on_moving_ground_is_found_where_it_is(place: tuple[int, int]) -> None:
    # GIVEN a film, and another one of 200 x 116 pixels on it
    inner = [picture.resize((200, 116)) for picture in scene(2, FRAMES, speed=31)]
    pip = Pip()
    noted: Any = moments(pip, pasted(scene(1, FRAMES), inner, place))

    # WHEN the frames are followed
    found = pip.follow(noted)

    # THEN each of them shows it, in its place
    assert len(found) == FRAMES
    for (seen,) in found:
        assert (seen.detector, seen.label, seen.sub_label) == ("pip", "undesirable", "pip")
        assert seen.score >= SURE
        assert seen.box is not None
        assert seen.box.left * 640 == pytest.approx(place[0], abs=24)
        assert seen.box.top * 360 == pytest.approx(place[1], abs=18)
        assert seen.box.width * 640 == pytest.approx(200, abs=26)
        assert seen.box.height * 360 == pytest.approx(116, abs=20)


def test_a_moving_rectangle_on_a_still_is_found() -> None:
    inner = [picture.resize((200, 116)) for picture in scene(2, FRAMES, speed=31)]
    assert score(pasted(still(1, FRAMES), inner, (20, 200))) >= SURE


def test_one_picture_alone_is_none() -> None:
    assert score(scene(1, FRAMES)) < SURE
    assert score(still(1, FRAMES)) < SURE


def test_a_panel_in_which_nothing_moves_is_none() -> None:
    # GIVEN a board with the score of a game, as it stands on the picture the whole time
    board = Image.new("RGB", (200, 90), "navy")
    ImageDraw.Draw(board).text((20, 30), "HOME 1 : 0 GUESTS", "white")
    assert score(pasted(scene(1, FRAMES), [board] * FRAMES, (20, 16))) < SURE


def test_black_bars_are_none() -> None:
    framed = [Image.new("RGB", (640, 360)) for _ in range(FRAMES)]
    assert score(pasted(framed, [picture.resize((640, 260)) for picture in scene(1, FRAMES)], (0, 50))) < SURE
    assert score(pasted(framed, [picture.resize((300, 360)) for picture in scene(1, FRAMES)], (170, 0))) < SURE


def test_a_few_frames_tell_nothing() -> None:
    inner = [picture.resize((200, 116)) for picture in scene(2, 5, speed=31)]
    assert score(pasted(scene(1, 5), inner, (20, 16))) == 0
    assert Pip().follow([]) == []


def test_the_same_picture_again_is_no_evidence() -> None:
    # GIVEN twelve looks at what are only five pictures
    pip = Pip()
    inner = [picture.resize((200, 116)) for picture in scene(2, 5, speed=31)]
    noted: Any = moments(pip, pasted(scene(1, 5), inner, (20, 16)))
    again = [type(noted[0])(float(n), noted[n // 3].picture, noted[n // 3].note) for n in range(15)]
    assert pip.follow(again) == [[]] * 15


def test_frames_of_another_shape_are_followed_apart() -> None:
    pip = Pip()
    noted: Any = moments(pip, [*scene(1, 7), *scene(2, 7, size=(360, 480))])
    assert len(pip.follow(noted)) == 14
