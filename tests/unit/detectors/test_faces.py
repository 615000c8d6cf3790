"""BlazeFace's picture, its cells read by hand, and a known face."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moderation.detectors import faces
from moderation.detectors.boxes import Letterbox
from moderation.detectors.faces import Faces
from moderation.detectors.inference import Floats

SQUARE = Letterbox(192, 192, 192)


def empty() -> tuple[Floats, Floats]:
    return np.zeros((2304, 16), np.float32), np.full(2304, -50, np.float32)


def test_the_square_is_scaled_to_one_on_both_sides_of_zero() -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (192, 192, 3), np.uint8)
    batch = faces.prepare(Image.fromarray(pixels))
    assert batch.shape == (1, 192, 192, 3)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0], pixels / 127.5 - 1, atol=1e-5)


def test_a_cell_is_read_as_score_and_box() -> None:
    # GIVEN a face 3 pixels right of and 1 above the middle of the cell in row 10, column 20
    boxes, logits = empty()
    boxes[10 * 48 + 20, :4] = 3, -1, 24, 48
    logits[10 * 48 + 20] = 2
    (face,) = faces.decode(boxes, logits, SQUARE)

    # THEN its box is around that place, in cells of 4 pixels
    assert face.score == pytest.approx(1 / (1 + np.exp(-2)))
    middle = face.box.left + face.box.width / 2, face.box.top + face.box.height / 2
    assert middle == pytest.approx((85 / 192, 41 / 192))
    assert (face.box.width, face.box.height) == pytest.approx((24 / 192, 48 / 192))


def test_cells_beside_each_other_see_one_face() -> None:
    boxes, logits = empty()
    boxes[:, 2:4] = 40
    logits[[1000, 1001, 1048, 2000]] = 3, 2, 1, -0.1
    assert [round(face.score, 3) for face in faces.decode(boxes, logits, SQUARE)] == [0.953]


def test_a_face_is_found_in_the_light_of_a_stage(weights: Path, photos: list[Image.Image]) -> None:
    (face,) = Faces(weights).run(photos[2])
    assert face.score > 0.6
    assert face.box.left < 0.5 < face.box.left + face.box.width
    assert face.box.top < 0.41 < face.box.top + face.box.height


def test_no_face_is_found_where_there_is_none(weights: Path) -> None:
    assert Faces(weights).run(Image.new("RGB", (320, 180), "gray")) == ()
