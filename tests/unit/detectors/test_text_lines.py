"""The recogniser of text: its answers read by hand, and drawn lines read by it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from moderation.detectors import text_lines
from moderation.detectors.text_lines import Reading, TextLines, decode

SYMBOLS = ("", "a", "b", " ")


@pytest.fixture(scope="module", params=["text_lines", "text_lines_small"])
def lines(weights: Path, request: pytest.FixtureRequest) -> TextLines:
    return TextLines(weights, request.param)


def drawn(text: str, size: int = 24, *, ink: str = "white", paper: str = "navy") -> Image.Image:
    font = ImageFont.load_default(size)
    line = Image.new("RGB", (round(font.getlength(text)) + size, size * 3 // 2), paper)
    ImageDraw.Draw(line).text((size // 2, size * 3 // 4), text, ink, font, anchor="lm")
    return line


def answer(*places: tuple[int, float]) -> np.ndarray:
    given = np.zeros((len(places), len(SYMBOLS)), np.float32)
    for place, (symbol, likelihood) in enumerate(places):
        given[place, symbol] = likelihood
    return given


def test_equal_neighbours_are_one_symbol_and_blanks_part_them() -> None:
    reading = decode(answer((0, 0.9), (1, 0.8), (1, 1.0), (0, 0.9), (1, 0.6), (3, 0.7), (2, 0.9)), SYMBOLS)
    assert reading.text == "aa b"
    assert reading.score == pytest.approx((0.8 + 0.6 + 0.7 + 0.9) / 4)


def test_nothing_but_blanks_is_an_empty_reading() -> None:
    assert decode(answer((0, 0.9), (0, 1.0)), SYMBOLS) == Reading("", 0.0)


def test_a_line_is_made_48_high_and_scaled_around_zero() -> None:
    batch = text_lines.prepare(Image.new("RGB", (100, 24), (255, 128, 0)), 200)
    assert batch.shape == (3, 48, 200)
    np.testing.assert_allclose(batch[:, 20, 100], [-1, 128 / 127.5 - 1, 1], atol=1e-6)


def test_lines_of_any_width_are_read_in_their_order(lines: TextLines) -> None:
    texts = ["Win", "Call 1-800-555-0199 or visit www.example.com", "Breaking News", "Markets fall 3.5% today", "LIVE"]
    readings = lines.read([drawn(text) for text in texts])
    assert [reading.text for reading in readings] == texts
    assert min(reading.score for reading in readings) > 0.8


@pytest.mark.parametrize(("ink", "paper"), [("white", "black"), ("black", "white"), ("yellow", "darkred")])
def test_colours_and_sizes_do_not_matter(lines: TextLines, ink: str, paper: str) -> None:
    readings = lines.read([drawn("Follow us today", size, ink=ink, paper=paper) for size in (14, 24, 80)])
    assert [reading.text for reading in readings] == ["Follow us today"] * 3


def test_nothing_to_read_costs_nothing(tmp_path: Path) -> None:
    assert TextLines(tmp_path, "text_lines").read([]) == []


def test_without_weights_it_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TextLines(tmp_path, "text_lines").read([drawn("Win")])
