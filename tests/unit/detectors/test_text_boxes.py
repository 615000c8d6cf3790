"""The detector of text: its maps read by hand, and lines found on drawn pictures."""

from math import radians
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from moderation.detectors.inference import Floats
from moderation.detectors.text_boxes import Rectangle, Run, TextBoxes, blots, rectangles


@pytest.fixture(scope="module", params=["text_boxes", "text_boxes_small"])
def boxes(weights: Path, request: pytest.FixtureRequest) -> TextBoxes:
    return TextBoxes(weights, request.param)


def drawn(text: str, *, angle: float = 0, ink: str = "white", paper: str = "navy") -> Image.Image:
    """24 pixels high, in the middle of 480 x 240."""
    page = Image.new("RGB", (480, 240), paper)
    ImageDraw.Draw(page).text((240, 120), text, ink, ImageFont.load_default(24), anchor="mm")
    return page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)


def test_blots_are_what_hangs_together_by_sides_or_corners() -> None:
    mask = np.array(
        [
            [1, 1, 0, 0, 0, 0, 1],
            [0, 0, 1, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 0, 0],
            [1, 0, 1, 0, 1, 1, 1],
            [1, 1, 1, 0, 1, 0, 1],
        ],
        bool,
    )
    assert sorted(blots(mask)) == [
        [Run(0, 0, 2), Run(1, 2, 3)],
        [Run(0, 6, 7), Run(1, 6, 7)],
        [Run(3, 0, 1), Run(3, 2, 3), Run(4, 0, 3)],
        [Run(3, 4, 7), Run(4, 4, 5), Run(4, 6, 7)],
    ]
    assert blots(np.zeros((3, 3), bool)) == []


def test_blots_are_the_same_as_by_filling_neighbour_after_neighbour() -> None:
    mask = np.random.default_rng(7).random((40, 60)) < 0.35
    expected = set()
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    while left:
        part, edge = set(), {left.pop()}
        while edge:
            row, column = edge.pop()
            part.add((row, column))
            around = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)}
            edge |= around & left
            left -= around
        expected.add(frozenset(part))
    found = {
        frozenset((run.row, column) for run in blot for column in range(run.start, run.end)) for blot in blots(mask)
    }
    assert found == expected


def strip(angle: float, *, width: int = 200, height: int = 12) -> Floats:
    """A map of one line's inside, turned clockwise."""
    page = Image.new("L", (400, 300))
    page.paste(255, ((400 - width) // 2, (300 - height) // 2, (400 + width) // 2, (300 + height) // 2))
    return np.asarray(page.rotate(-angle), np.float32) / np.float32(255)


@pytest.mark.parametrize("angle", [0, 5, -5, 20])
def test_a_line_is_the_smallest_rectangle_and_what_the_network_leaves_out(angle: float) -> None:
    (line,) = rectangles(strip(angle))
    assert (line.x, line.y) == pytest.approx((200, 150), abs=1.5)
    assert np.degrees(line.angle) == pytest.approx(angle, abs=1)
    frame = 1.6 * 200 * 12 / 212
    assert (line.width, line.height) == pytest.approx((200 + frame, 12 + frame), abs=5)


def test_text_that_runs_down_is_turned_to_the_left() -> None:
    (line,) = rectangles(strip(0, width=12, height=200))
    assert np.degrees(line.angle) == pytest.approx(90)
    assert line.width > 7 * line.height


def test_faint_and_thin_marks_are_no_lines() -> None:
    assert not list(rectangles(strip(0) * np.float32(0.45)))
    assert not list(rectangles(strip(0, height=2)))


def test_a_cut_is_level_and_upright() -> None:
    # GIVEN red left of blue, turned by 30 degrees
    page = Image.new("RGB", (200, 200))
    page.paste("red", (60, 90, 100, 110))
    page.paste("blue", (100, 90, 140, 110))
    cut = Rectangle(100, 100, 80, 20, radians(30)).cut(page.rotate(-30))
    assert cut.size == (80, 20)
    colours = np.asarray(cut)[4:16]
    assert colours[:, 4:36, 0].min() > 200
    assert colours[:, 44:76, 2].min() > 200


def test_a_rectangle_found_in_a_stretched_part_is_placed_in_the_whole() -> None:
    line = Rectangle(10, 10, 40, 4, radians(45)).placed(100, 200, 2, 1)
    assert (line.x, line.y) == (120, 210)
    assert np.degrees(line.angle) == pytest.approx(np.degrees(np.arctan2(1, 2)))
    assert line.width * line.height == pytest.approx(40 * 4 * 2)


@pytest.mark.parametrize("angle", [0, 5, -5])
def test_a_drawn_line_is_found_where_it_is(boxes: TextBoxes, angle: float) -> None:
    (line,) = boxes.find(drawn("Breaking News: Markets fall", angle=-angle))
    assert (line.x, line.y) == pytest.approx((240, 120), abs=6)
    assert np.degrees(line.angle) == pytest.approx(angle, abs=1.5)
    assert 26 < line.height < 48


def test_two_lines_are_found_from_top_to_bottom_at_another_scale(boxes: TextBoxes) -> None:
    page = drawn("the first of two lines")
    ImageDraw.Draw(page).text((240, 190), "and the second one", "white", ImageFont.load_default(24), anchor="mm")
    lines = boxes.find(page, 0.7)
    assert [line.y for line in lines] == pytest.approx([120, 190], abs=6)


def test_no_text_is_found_where_there_is_none(boxes: TextBoxes) -> None:
    assert boxes.find(Image.new("RGB", (320, 200), "gray")) == []
