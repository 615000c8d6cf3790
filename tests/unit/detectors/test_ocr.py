"""Text in pictures, from drawing to reading, with the real networks."""

from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image, ImageDraw, ImageFont

from moderation.detectors.base import Frame
from moderation.detectors.ocr import Ocr, SmallOcr
from moderation.detectors.text_lines import TextLines
from moderation.models.observation import Observation
from moderation.models.template import Form
from tests.unit.detectors.conftest import MakeFrame, files

HEADLINE = "Breaking News: Markets fall 3.5% today"
Draw = Callable[..., Image.Image]


@pytest.fixture
def scene(photos: list[Image.Image]) -> Draw:
    """Writing on a frame of a film at 720p, by text and place."""

    def draw(
        *lines: tuple[str, tuple[int, int]], photo: int = 1, size: int = 24, angle: float = 0, bar: bool = True
    ) -> Image.Image:
        page = photos[photo].crop((0, 90, 640, 360)).resize((1280, 720))
        font = ImageFont.load_default(size)
        for text, place in lines:
            left, top, right, bottom = font.getbbox(text)
            shape = round(right - left) + 24, round(bottom - top) + 24
            tile = Image.new("RGBA", shape, (20, 30, 90, 255 if bar else 0))
            edge = 0 if bar else 2
            ImageDraw.Draw(tile).text(
                (12 - left, 12 - top), text, "white", font, stroke_width=edge, stroke_fill="black"
            )
            tile = tile.rotate(angle, Image.Resampling.BICUBIC, expand=True)
            page.paste(tile, place, tile)
        return page

    return draw


def texts(observations: list[Observation]) -> list[str | None]:
    return [seen.text for seen in observations]


@pytest.mark.parametrize("detector", [Ocr, SmallOcr])
@pytest.mark.parametrize("angle", [0, 5])
def test_a_caption_is_read_where_it_is(frame: MakeFrame, scene: Draw, detector: type[Ocr], angle: float) -> None:
    (seen,) = detector().observe([frame(scene((HEADLINE, (600, 560)), angle=angle))])[0]
    assert (seen.detector, seen.form, seen.label, seen.sub_label) == (detector.name, Form.OCR, "text", "line")
    assert SequenceMatcher(None, seen.text or "", HEADLINE).ratio() > 0.95
    assert seen.score > 0.9
    assert seen.box is not None
    assert seen.box.left == pytest.approx(605 / 1280, abs=0.02)
    assert seen.box.top == pytest.approx(570 / 720, abs=0.03)


def test_lines_are_told_from_top_to_bottom(frame: MakeFrame, scene: Draw) -> None:
    page = scene(("Call 1-800-555-0199", (100, 600)), ("LIVE", (1100, 40)), (HEADLINE, (100, 500)))
    assert texts(Ocr().observe([frame(page)])[0]) == ["LIVE", HEADLINE, "Call 1-800-555-0199"]


def test_where_there_is_no_text_the_large_picture_is_not_even_opened(weights: Path, scene: Draw) -> None:
    small = {"classify": files(scene())["classify"], "detail": b"no picture"}
    assert Ocr().observe([Frame(small, weights)]) == [[]]


def test_the_large_picture_does_for_a_glance_where_it_is_all_there_is(weights: Path, scene: Draw) -> None:
    detail = {"detail": files(scene((HEADLINE, (100, 500))))["detail"]}
    assert texts(Ocr().observe([Frame(detail, weights)])[0]) == [HEADLINE]


def test_what_stands_still_is_read_once_and_told_every_time(frame: MakeFrame, scene: Draw) -> None:
    # GIVEN a caption that stands while the picture behind changes, and another that changes one letter
    first, second = scene((HEADLINE, (100, 500))), scene((HEADLINE, (100, 500)), photo=3)
    third = scene((HEADLINE.replace("3.5%", "3.6%"), (100, 500)), photo=3)
    ocr = Ocr()
    with patch.object(TextLines, "read", autospec=True, side_effect=TextLines.read) as reads:
        # WHEN they are looked at one after the other
        found = [texts(ocr.observe([frame(page)])[0]) for page in (first, second, third, third)]

    # THEN only what is new is read, and every frame tells what it shows
    assert found == [[HEADLINE]] * 2 + [[HEADLINE.replace("3.5%", "3.6%")]] * 2
    assert [len(call.args[1]) for call in reads.call_args_list] == [1, 1]


def test_what_stands_while_the_ground_moves_is_read_until_that_is_sure(frame: MakeFrame, scene: Draw) -> None:
    # GIVEN a caption without a bar, on one scene after the other
    pages = [scene((HEADLINE, (100, 500)), photo=photo, bar=False) for photo in (0, 1, 2, 3)]
    ocr = Ocr()
    with patch.object(TextLines, "read", autospec=True, side_effect=TextLines.read) as reads:
        found = [texts(ocr.observe([frame(page)])[0]) for page in pages]

    # THEN it is told each time, and read twice at most
    assert found == [[HEADLINE]] * 4
    assert 1 <= sum(len(call.args[1]) for call in reads.call_args_list) <= 2


def test_a_line_that_grows_is_read_whole(frame: MakeFrame, scene: Draw) -> None:
    # GIVEN a caption of which a part is shown first
    pages = [scene((text, (100, 500)), bar=False) for text in (HEADLINE[:13], HEADLINE)]
    ocr = Ocr()
    assert [texts(ocr.observe([frame(page)])[0]) for page in pages] == [[HEADLINE[:13]], [HEADLINE]]


def test_a_caption_that_has_gone_is_told_no_more(frame: MakeFrame, scene: Draw) -> None:
    ocr = Ocr()
    pages = (scene((HEADLINE, (100, 500))), scene(), scene(("LIVE", (900, 100))))
    assert [texts(ocr.observe([frame(page)])[0]) for page in pages] == [[HEADLINE], [], ["LIVE"]]


def test_all_of_a_cover_is_looked_at(frame: MakeFrame) -> None:
    # GIVEN writing too faint and small for a glance
    page = Image.new("RGB", (960, 720), (120, 120, 120))
    ImageDraw.Draw(page).text((300, 300), "add me on 1380013800", (150, 150, 150), ImageFont.load_default(18))

    # THEN it is found on a cover
    assert Ocr().observe([frame(page)]) == [[]]
    (seen,) = Ocr().observe([frame(page, Form.COVER)])[0]
    assert seen.form is Form.COVER
    assert seen.text is not None
    assert seen.text.replace(" ", "") == "addmeon1380013800"


def test_without_weights_it_fails(tmp_path: Path, scene: Draw) -> None:
    with pytest.raises(FileNotFoundError):
        Ocr().observe([Frame(files(scene((HEADLINE, (100, 500)))), tmp_path)])
