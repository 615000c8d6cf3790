"""Close-ups lie around people, within the picture, and are few."""

import pytest
from PIL import Image

from moderation.detectors.closeups import around_people, cut
from moderation.detectors.nanodet import Thing
from moderation.models.observation import Box

PICTURE = Image.new("RGB", (400, 200))


def person(left: float, top: float, width: float, height: float, score: float = 0.8, label: str = "person") -> Thing:
    return Thing(label, score, Box(left=left, top=top, width=width, height=height))


def test_a_close_up_is_a_square_a_little_larger_than_the_person() -> None:
    (box,) = around_people([person(0.45, 0.25, 0.1, 0.5)], PICTURE)  # 40 x 100 pixels
    assert (box.width * 400, box.height * 200) == pytest.approx((120, 120))
    assert (box.left * 400 + 60, box.top * 200 + 60) == pytest.approx((200, 100))
    assert cut(PICTURE, box).size == (120, 120)


def test_at_the_edge_it_ends_with_the_picture() -> None:
    (box,) = around_people([person(0.0, 0.5, 0.1, 0.5)], PICTURE)
    assert box.left == 0
    assert box.top + box.height == pytest.approx(1)
    assert cut(PICTURE, box).size == (80, 110)


def test_only_the_surest_people_count() -> None:
    things = [person(0.1 * n, 0.3, 0.05, 0.2, score=0.9 - 0.1 * n) for n in range(5)]
    assert around_people([person(0.5, 0.5, 0.1, 0.1, label="chair")], PICTURE) == []
    assert around_people([person(0.5, 0.5, 0.1, 0.1, score=0.39)], PICTURE) == []
    assert len(around_people(things, PICTURE)) == 3
    assert around_people(things, PICTURE, most=1) == around_people(things[:1], PICTURE)


def test_whoever_fills_the_picture_needs_no_close_up() -> None:
    assert around_people([person(0.05, 0.0, 0.9, 1.0)], PICTURE) == []
    assert len(around_people([person(0.05, 0.0, 0.9, 1.0)], PICTURE, whole=1.01)) == 1


def test_the_smallest_part_has_a_pixel() -> None:
    assert cut(PICTURE, Box(left=1, top=1, width=0, height=0)).size == (1, 1)
