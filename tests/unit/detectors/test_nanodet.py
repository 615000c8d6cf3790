"""NanoDet's picture, its maps read by hand, and what it finds in known pictures."""

from pathlib import Path

import iscc_samples
import numpy as np
import pytest
from PIL import Image

from moderation.detectors import nanodet
from moderation.detectors.boxes import Letterbox
from moderation.detectors.inference import Floats
from moderation.detectors.nanodet import LABELS, NanoDet

SQUARE = Letterbox(416, 416, 416)


def empty() -> list[Floats]:
    return [np.full((124, side, side), -9, np.float32) for side in (52, 26, 13)]


def test_the_square_is_normalised_blue_first() -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (416, 416, 3), np.uint8)
    batch = nanodet.prepare(Image.fromarray(pixels))
    assert batch.shape == (1, 3, 416, 416)
    assert batch.dtype == np.float32
    mean, deviation = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
    for channel in range(3):
        expected = (pixels[..., 2 - channel] - mean[channel]) / deviation[channel]
        np.testing.assert_allclose(batch[0, channel], expected, atol=1e-5)


def test_a_cell_is_read_as_label_score_and_box() -> None:
    # GIVEN one cell of the coarsest map, row 6 and column 4, sure of a dog, its distances 1, 2, 0 and between 3 and 4
    maps = empty()
    maps[2][LABELS.index("dog"), 6, 4] = 2
    for side, bins in enumerate(([1], [2], [0], [3, 4])):
        for index in bins:
            maps[2][80 + 11 * side + index, 6, 4] = 20

    # WHEN the maps are read
    (thing,) = nanodet.decode(maps, SQUARE)

    # THEN the box reaches that many cells of 32 pixels from the middle of the cell
    assert thing.label == "dog"
    assert thing.score == pytest.approx(1 / (1 + np.exp(-2)))
    left, top = thing.box.left * 416, thing.box.top * 416
    assert (left, top) == pytest.approx((4.5 * 32 - 32, 6.5 * 32 - 64), abs=0.01)
    assert (thing.box.width * 416, thing.box.height * 416) == pytest.approx((32, 64 + 3.5 * 32), abs=0.01)


def test_neighbouring_cells_see_one_thing_but_two_of_two_kinds() -> None:
    maps = empty()
    maps[0][80 + 5 :: 11] = 9  # every box reaches 5 cells to each side
    maps[0][LABELS.index("car"), 20, 20:22] = 3, 2
    maps[0][LABELS.index("truck"), 20, 20] = 1
    things = nanodet.decode(maps, SQUARE)
    assert [thing.label for thing in things] == ["car", "truck"]
    assert things[0].box == things[1].box


def test_what_is_weaker_than_it_says_is_no_thing() -> None:
    maps = empty()
    maps[1][0, 3, 3] = np.log(0.29 / 0.71)
    assert nanodet.decode(maps, SQUARE) == ()
    maps[1][0, 3, 3] = np.log(0.31 / 0.69)
    assert nanodet.decode(maps, SQUARE)[0].label == "person"


def test_a_cat_is_found_where_it_lies(weights: Path) -> None:
    # GIVEN a photograph of a cat that fills the middle of the picture
    path = next(path for path in iscc_samples.images() if path.name == "demo.jpg")
    things = NanoDet(weights).run(Image.open(path).convert("RGB"))

    # THEN it is the surest find, from edge to edge but for a sixth to the left
    assert things[0].label == "cat"
    assert things[0].score > 0.5
    box = things[0].box
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.16, 0.01, 0.75, 0.79), abs=0.05)


def test_a_player_is_found_on_a_stage(weights: Path, photos: list[Image.Image]) -> None:
    (surest, *_) = NanoDet(weights).run(photos[2])
    assert surest.label == "person"
    assert surest.box.left < 0.56 < surest.box.left + surest.box.width
