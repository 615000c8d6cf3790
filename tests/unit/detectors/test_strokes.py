"""Where there may be text, told from light alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from moderation.detectors.strokes import GRID, Place, places

NOTHING = np.zeros((256, 448), bool)


def found(page: Image.Image) -> list[Place]:
    return places(np.asarray(page), NOTHING)


def written(*lines: tuple[str, tuple[int, int]], paper: int = 60, ink: int = 220, size: int = 9) -> Image.Image:
    page = Image.new("L", (448, 256), paper)
    for text, place in lines:
        ImageDraw.Draw(page).text(place, text, ink, ImageFont.load_default(size))
    return page


@pytest.mark.parametrize("size", [7, 9, 20, 60])
@pytest.mark.parametrize(("paper", "ink"), [(60, 220), (220, 60), (100, 200)])
def test_writing_is_within_a_place(size: int, paper: int, ink: int) -> None:
    (place,) = found(written(("Winner", (120, 100)), size=size, paper=paper, ink=ink))
    left, top, right, bottom = place
    assert left <= 120 <= 120 + 3 * size <= right
    assert top <= 100 <= 100 + size <= bottom
    assert all(side % GRID == 0 for side in place)


def test_lines_far_apart_have_places_of_their_own() -> None:
    above, below = found(written(("Winner", (30, 10)), ("Winner", (380, 230))))
    assert above[0] == 0
    assert above[2] <= 128
    assert above[3] <= below[1]
    assert below[2] == 448
    assert below[3] == 256


def test_what_is_known_is_left_out() -> None:
    page = written(("Winner", (30, 10)), ("Winner", (380, 230)))
    known = NOTHING.copy()
    known[5:25, 25:75] = True
    (place,) = places(np.asarray(page), known)
    assert place[1] >= 192


def test_edges_slopes_and_grain_are_no_strokes() -> None:
    edges = Image.new("L", (448, 256), 20)
    edges.paste(230, (100, 60, 300, 200))
    assert found(edges) == []
    assert found(Image.radial_gradient("L").resize((448, 256))) == []
    grain = np.random.default_rng(7).normal(120, 4, (256, 448)).clip(0, 255).astype(np.uint8)
    assert places(grain, NOTHING) == []


def test_a_picture_full_of_strokes_is_one_place() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (256, 448), np.uint8)
    assert places(noise, NOTHING) == [(0, 0, 448, 256)]
