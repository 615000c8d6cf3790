"""Pictures with nothing to see, from pixels alone."""

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from moderation.detectors.screens import Screens, measure
from moderation.models.template import Form
from tests.unit.detectors.conftest import MakeFrame

SIZE = (456, 256)


def scores(frame: MakeFrame, picture: Image.Image, form: Form = Form.IMAGE) -> dict[str, float]:
    (seen,) = Screens().observe([frame(picture, form)])
    assert {(o.form, o.label) for o in seen} == {(form, "undesirable")}
    return {o.sub_label: o.score for o in seen}


@pytest.mark.parametrize(
    ("colour", "what"),
    [("black", "black"), ("#0c0c0c", "black"), ("white", "white"), ("#1040c0", "solid"), ("#808080", "solid")],
)
def test_one_colour_is_told_by_its_name(frame: MakeFrame, colour: str, what: str) -> None:
    seen = scores(frame, Image.new("RGB", SIZE, colour))
    assert seen[what] == pytest.approx(1.0)
    assert {name for name, score in seen.items() if score > 0.5} == {what}


def test_photos_are_none_of_it(frame: MakeFrame, photos: list[Image.Image]) -> None:
    for photo in photos:
        assert max(scores(frame, ImageEnhance.Brightness(photo).enhance(1.3)).values()) < 0.5


@pytest.mark.parametrize("form", [Form.IMAGE, Form.COVER])
def test_the_form_is_that_of_the_frame(frame: MakeFrame, form: Form) -> None:
    assert scores(frame, Image.new("RGB", SIZE), form)["black"] == 1.0


def test_a_small_logo_leaves_a_screen_black_and_a_large_one_does_not(frame: MakeFrame) -> None:
    small, large = Image.new("RGB", SIZE), Image.new("RGB", SIZE)
    ImageDraw.Draw(small).rectangle((400, 10, 420, 20), "white")
    ImageDraw.Draw(large).rectangle((100, 60, 350, 200), "white")
    assert scores(frame, small)["black"] > 0.95
    assert scores(frame, large)["black"] == 0.0


def test_what_varies_in_one_channel_is_not_solid() -> None:
    grown = Image.linear_gradient("L").resize(SIZE)
    flat = Image.new("L", SIZE, 90)
    for channels in ((grown, flat, flat), (flat, grown, flat), (flat, flat, grown)):
        assert measure(Image.merge("RGB", channels))["solid"] == 0.0


def test_a_page_of_text_is_not_blank() -> None:
    page = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(page)
    for line in range(15):
        pen.text((20, 16 * line + 8), "Terms and conditions apply to every one of these offers." * 2, "black")
    assert measure(page)["white"] < 0.5


def test_dark_is_dim_all_over_but_not_black(frame: MakeFrame, photos: list[Image.Image]) -> None:
    # GIVEN a photo with little light left, and the same with a bright window in it
    night = photos[0].point(lambda level: 20 + level // 8)
    window = night.copy()
    ImageDraw.Draw(window).rectangle((50, 50, 250, 250), "white")

    # WHEN both are looked at
    dim, lit = scores(frame, night), scores(frame, window)

    # THEN only the first is dark, and it is not black
    assert dim["dark"] > 0.8
    assert dim["black"] < 0.5
    assert lit["dark"] == 0.0


@pytest.mark.parametrize("level", range(0, 52, 4))
def test_nothing_falls_between_black_solid_and_dark(photos: list[Image.Image], level: int) -> None:
    # GIVEN a photo with hardly any light, at any level
    faint = ImageEnhance.Brightness(photos[1]).enhance(0.1).point(lambda value: value // 4 + level)

    # WHEN it is measured
    seen = measure(faint)

    # THEN exactly one name is sure
    assert len([name for name in ("black", "solid", "dark") if seen[name] >= 0.9]) == 1


@pytest.mark.parametrize(("left", "top", "share"), [(0, 64, 0.5), (114, 0, 0.5), (0, 16, 0.125), (57, 32, 0.4375)])
def test_black_bars_measure_what_they_cover(
    frame: MakeFrame, photos: list[Image.Image], left: int, top: int, share: float
) -> None:
    page = Image.new("RGB", SIZE)
    bright = ImageEnhance.Brightness(photos[0]).enhance(2).resize((SIZE[0] - 2 * left, SIZE[1] - 2 * top))
    page.paste(bright.point(lambda level: max(40, level)), (left, top))
    assert scores(frame, page)["black_bars"] == pytest.approx(share, abs=0.03)


def test_a_subtitle_does_not_end_a_bar() -> None:
    page = Image.new("RGB", SIZE)
    page.paste((200, 180, 160), (0, 64, SIZE[0], 192))
    ImageDraw.Draw(page).point([(x, 220) for x in range(200, 204)], "white")
    assert measure(page)["black_bars"] == pytest.approx(0.5, abs=0.01)


def test_a_black_screen_has_no_bars() -> None:
    assert measure(Image.new("RGB", SIZE))["black_bars"] == 0.0
