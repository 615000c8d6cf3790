"""Strokes of a line on grounds that change."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from moderation.detectors.inference import Levels
from moderation.detectors.ink import Ink

LINE = "Markets fall 3.5%"


def written(text: str, photo: Image.Image, *, ink: int = 255, size: int = 24) -> Levels:
    """White with a black edge on a part of a film, cut out where LINE would be."""
    font = ImageFont.load_default(size)
    page = photo.convert("L").resize((1280, 720))
    ImageDraw.Draw(page).text((200, 300), text, ink, font, stroke_width=2, stroke_fill=0)
    left, top, right, bottom = font.getbbox(LINE)
    return np.asarray(page.crop((196 + round(left), 296 + round(top), 204 + round(right), 304 + round(bottom))))


@pytest.mark.parametrize("size", [14, 18, 24])
def test_a_line_stands_on_any_ground(photos: list[Image.Image], size: int) -> None:
    here, there = (written(LINE, photo, size=size) for photo in photos[:2])
    assert Ink(here).is_in(there)


@pytest.mark.parametrize("other", ["Markets fall 3.6%", "Markets fall 3,5%", "Markets tall 3.5%", "Markets fall", ""])
def test_another_character_is_another_line(photos: list[Image.Image], other: str) -> None:
    assert not Ink(written(LINE, photos[0])).is_in(written(other, photos[1]))
    assert not Ink(written(LINE, photos[0])).is_in(written(other, photos[0]))


def test_a_line_that_is_being_faded_in_is_another(photos: list[Image.Image]) -> None:
    assert not Ink(written(LINE, photos[0], ink=170)).is_in(written(LINE, photos[0]))


def test_what_has_no_strokes_is_never_the_same() -> None:
    flat = np.full((40, 300), 90, np.uint8)
    assert not Ink(flat).is_in(flat)
