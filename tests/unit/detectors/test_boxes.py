import numpy as np
import pytest
from PIL import Image

from moderation.detectors.boxes import Letterbox, strongest


@pytest.mark.parametrize(
    ("size", "shown", "offset"), [((640, 320), (416, 208), (0, 104)), ((100, 200), (208, 416), (104, 0))]
)
def test_a_picture_lies_whole_in_the_middle_of_a_black_square(
    size: tuple[int, int], shown: tuple[int, int], offset: tuple[int, int]
) -> None:
    picture = Image.new("RGB", size, (10, 200, 30))
    square = np.asarray(Letterbox.around(picture, 416).draw(picture))
    (left, top), (width, height) = offset, shown
    assert square.shape == (416, 416, 3)
    assert (square[top : top + height, left : left + width] == (10, 200, 30)).all()
    assert square.any(axis=2).sum() == width * height


def test_a_square_picture_fills_the_square() -> None:
    picture = Image.new("RGB", (50, 50), "white")
    assert np.asarray(Letterbox.around(picture, 192).draw(picture)).min() == 255


def test_places_in_the_square_are_places_in_the_picture() -> None:
    # GIVEN a picture of 2:1, in the middle of whose right half something is found
    frame = Letterbox.around(Image.new("RGB", (800, 400)), 416)
    box = frame.box(np.array([208 + 52, 104 + 52, 416 - 52, 312 - 52]))

    # THEN it is at three quarters of its width and half of its height
    assert (box.left, box.top, box.width, box.height) == (0.625, 0.25, 0.25, 0.5)


def test_what_reaches_over_the_edge_of_the_picture_is_cut_off() -> None:
    frame = Letterbox.around(Image.new("RGB", (800, 400)), 416)
    whole, outside = frame.box(np.array([-20.0, 0, 500, 416])), frame.box(np.array([0.0, 0, 50, 50]))
    assert (whole.left, whole.top, whole.width, whole.height) == (0, 0, 1, 1)
    assert (outside.top, outside.height) == (0, 0)


def test_one_box_is_left_of_those_that_show_the_same() -> None:
    # GIVEN two boxes of one kind that share 4/6, one of another kind at their place, and one that only touches them
    corners = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [0, 0, 10, 10], [12, 0, 20, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.7, 0.6], np.float32)
    kinds = np.array([1, 1, 2, 1])

    # THEN only the weaker of the two falls, and the strongest is the first
    assert strongest(corners, scores, kinds, overlap=0.6, most=300) == [1, 2, 3]
    assert strongest(corners, scores, kinds, overlap=0.7, most=300) == [1, 2, 3, 0]


def test_a_box_that_fell_takes_none_with_it() -> None:
    corners = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert strongest(corners, np.array([0.9, 0.8, 0.7]), np.zeros(3, np.intp), overlap=0.4, most=300) == [0, 2]


def test_no_more_than_the_strongest_are_looked_at() -> None:
    corners = np.array([[index, 0, index + 1, 1] for index in range(50)])
    scores = np.linspace(0, 1, 50)
    assert strongest(corners, scores, np.zeros(50, np.intp), overlap=0.5, most=3) == [49, 48, 47]


def test_nothing_found_leaves_nothing() -> None:
    assert strongest(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.intp), overlap=0.5, most=300) == []
