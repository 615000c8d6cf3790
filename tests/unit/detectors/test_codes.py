"""QR codes and barcodes: found with what they say and where they are, and not found where there are none."""

import math

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter
from zxingcpp import BarcodeFormat

from moderation.detectors.codes import Codes
from moderation.models.observation import Observation
from moderation.models.template import Form
from tests.unit.detectors.conftest import MakeFrame

LINK = "https://example.com/win?id=1&名=値"


def symbol(text: str, kind: BarcodeFormat, module: int = 4) -> Image.Image:
    """A code in black on white with its quiet zone, `module` pixels to the narrowest bar."""
    drawn = zxingcpp.create_barcode(text, kind)
    return Image.fromarray(zxingcpp.write_barcode_to_image(drawn, scale=module, add_quiet_zones=True)).convert("RGB")


def pasted(photo: Image.Image, code: Image.Image, place: tuple[int, int]) -> Image.Image:
    picture = photo.resize((1280, 720))
    picture.paste(code, place)
    return picture


def look(frame: MakeFrame, picture: Image.Image, form: Form = Form.IMAGE) -> list[Observation]:
    (seen,) = Codes().observe([frame(picture, form)])
    return seen


@pytest.mark.parametrize(("form", "reported"), [(Form.IMAGE, Form.CODE), (Form.COVER, Form.COVER)])
def test_a_qr_code_is_found_with_text_and_place(
    frame: MakeFrame, photos: list[Image.Image], form: Form, reported: Form
) -> None:
    # GIVEN a photo with a QR code at a known place
    code = symbol(LINK, BarcodeFormat.QRCode)
    picture = pasted(photos[0], code, (900, 400))

    # WHEN it is looked at as a frame, or as a cover
    (seen,) = look(frame, picture, form)

    # THEN text, form and box are right; the quiet zone does not belong to the box
    assert (seen.form, seen.label, seen.sub_label, seen.score) == (reported, "ad", "qrcode", 1.0)
    assert seen.text == LINK
    assert seen.box is not None
    quiet = 4 * 4
    assert seen.box.left * 1280 == pytest.approx(900 + quiet, abs=6)
    assert seen.box.top * 720 == pytest.approx(400 + quiet, abs=6)
    assert seen.box.width * 1280 == pytest.approx(code.width - 2 * quiet, abs=10)
    assert seen.box.height * 720 == pytest.approx(code.height - 2 * quiet, abs=10)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (BarcodeFormat.EAN13, "4006381333931"),
        (BarcodeFormat.UPCA, "012345678905"),
        (BarcodeFormat.Code128, "GREENLIGHT-128"),
    ],
)
def test_barcodes_are_found(frame: MakeFrame, photos: list[Image.Image], kind: BarcodeFormat, text: str) -> None:
    (seen,) = look(frame, pasted(photos[1], symbol(text, kind, 3), (200, 300)))
    assert (seen.form, seen.sub_label) == (Form.CODE, "barcode")
    assert seen.text is not None
    assert seen.text.lstrip("0") == text.lstrip("0")


@pytest.mark.parametrize("degrees", [7, 45, 90, 200])
def test_turned_codes_are_found(frame: MakeFrame, photos: list[Image.Image], degrees: int) -> None:
    code = symbol(LINK, BarcodeFormat.QRCode).rotate(
        degrees, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC
    )
    assert [seen.text for seen in look(frame, pasted(photos[2], code, (300, 200)))] == [LINK]


def test_light_on_dark_is_found(frame: MakeFrame, photos: list[Image.Image]) -> None:
    code = symbol(LINK, BarcodeFormat.QRCode).point(lambda level: 255 - level)
    assert [seen.text for seen in look(frame, pasted(photos[2], code, (300, 200)))] == [LINK]


def test_every_code_of_a_picture_is_found(frame: MakeFrame, photos: list[Image.Image]) -> None:
    picture = pasted(photos[0], symbol("one", BarcodeFormat.QRCode), (50, 50))
    picture.paste(symbol("two", BarcodeFormat.QRCode), (900, 420))
    picture.paste(symbol("4006381333931", BarcodeFormat.EAN13, 3), (400, 300))
    assert sorted(str(seen.text) for seen in look(frame, picture)) == ["4006381333931", "one", "two"]


def unreadable() -> Image.Image:
    """A QR code with more of it painted over than its checksum can make good, its three corners left."""
    code = symbol("https://example.com/" + "x" * 60, BarcodeFormat.QRCode, 6)
    ImageDraw.Draw(code).rectangle((code.width * 0.4, code.height * 0.3, code.width * 0.9, code.height * 0.66), "white")
    return code


def test_a_qr_code_that_cannot_be_read_is_reported_once_without_text(
    frame: MakeFrame, photos: list[Image.Image]
) -> None:
    (seen,) = look(frame, pasted(photos[0], unreadable(), (300, 200)))
    assert (seen.sub_label, seen.score, seen.text) == ("qrcode", 0.8, None)
    assert seen.box is not None
    assert seen.box.width * 1280 > 100


def test_beside_one_that_reads_it_is_not_reported(frame: MakeFrame, photos: list[Image.Image]) -> None:
    picture = pasted(photos[0], unreadable(), (300, 200))
    picture.paste(symbol("reads", BarcodeFormat.QRCode), (900, 100))
    assert [seen.text for seen in look(frame, picture)] == ["reads"]


def test_beside_a_barcode_it_is_reported(frame: MakeFrame, photos: list[Image.Image]) -> None:
    picture = pasted(photos[0], unreadable(), (300, 200))
    picture.paste(symbol("4006381333931", BarcodeFormat.EAN13, 3), (900, 100))
    assert sorted(seen.sub_label for seen in look(frame, picture)) == ["barcode", "qrcode"]


def test_long_texts_are_cut(frame: MakeFrame) -> None:
    code = symbol("x" * 1500, BarcodeFormat.QRCode, 4)
    page = Image.new("RGB", (code.width + 100, code.height + 100), "white")
    page.paste(code, (50, 50))
    (seen,) = look(frame, page)
    assert seen.text == "x" * 512


def test_a_wall_of_codes_is_cut(frame: MakeFrame) -> None:
    page = Image.new("RGB", (1280, 720), "white")
    for number in range(28):
        code = symbol(f"n{number}", BarcodeFormat.QRCode, 4)
        page.paste(code, (10 + number % 7 * 180, 10 + number // 7 * 170))
    assert len(look(frame, page)) == 20


def test_photos_have_no_codes(frame: MakeFrame, photos: list[Image.Image]) -> None:
    assert [look(frame, photo) for photo in photos] == [[]] * len(photos)


def _bars() -> Image.Image:
    page = Image.new("RGB", (1280, 720), "white")
    pen = ImageDraw.Draw(page)
    place = 0
    for number in range(260):
        width = 2 + number * 7 % 5
        if number % 2:
            pen.rectangle((place, 0, place + width - 1, 720), "black")
        place += width
    return page


def _text() -> Image.Image:
    page = Image.new("RGB", (1280, 720), "white")
    pen = ImageDraw.Draw(page)
    for line in range(40):
        pen.text((5, 18 * line), "".join(chr(33 + (line * 31 + n * 17) % 94) for n in range(200)), "black")
    return page


def _checks() -> Image.Image:
    return Image.effect_noise((80, 45), 200).point(lambda level: 255 * (level > 127)).resize((1280, 720), 0)


@pytest.mark.parametrize("draw", [_bars, _text, _checks])
def test_stripes_text_and_checks_are_no_codes(frame: MakeFrame, draw: object) -> None:
    assert callable(draw)
    assert look(frame, draw().convert("RGB")) == []


def test_a_box_never_leaves_the_picture(frame: MakeFrame, photos: list[Image.Image]) -> None:
    # GIVEN a code whose quiet zone and part of the border are cut off by the edge
    code = symbol(LINK, BarcodeFormat.QRCode, 6)
    picture = pasted(photos[0], code.crop((20, 20, code.width, code.height)), (0, 0))
    for seen in look(frame, picture.filter(ImageFilter.GaussianBlur(0.5))):
        assert seen.box is not None
        assert 0 <= seen.box.left <= seen.box.left + seen.box.width <= 1
        assert 0 <= seen.box.top <= seen.box.top + seen.box.height <= 1


def round_code(side: int) -> Image.Image:
    """A round code of no maker's: three eyes, dashes towards the middle, and a disc in it."""
    drawn = Image.new("RGB", (800, 800), "white")
    pen = ImageDraw.Draw(drawn)
    eyes = [(400 + 300 * math.cos(turn), 400 + 300 * math.sin(turn)) for turn in (-0.785, -2.356, 2.356)]
    for number in range(54):
        across, down = math.cos(number * math.tau / 54), math.sin(number * math.tau / 54)
        for start in range(180, 370, 48):
            long = 16 + (number * 7 + start) % 29
            ends = [(400 + reach * across, 400 + reach * down) for reach in (start, start + long)]
            if all(math.dist(end, eye) > 105 for end in ends for eye in eyes):
                pen.line(ends, "black", 10)
    for x, y in eyes:
        for reach, colour in ((66, "black"), (48, "white"), (28, "black")):
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), colour)
    pen.ellipse((250, 250, 550, 550), "steelblue")
    return drawn.resize((side, side), Image.Resampling.LANCZOS)


@pytest.mark.parametrize(("side", "turn"), [(260, 0), (400, 20)])
def test_a_round_code_is_like_a_code_and_unreadable(
    frame: MakeFrame, photos: list[Image.Image], side: int, turn: float
) -> None:
    code = round_code(side).rotate(turn, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    (seen,) = look(frame, pasted(photos[0], code, (700, 100)))
    assert (seen.form, seen.label, seen.sub_label, seen.text) == (
        Form.CODE,
        "ad",
        "programcode",
        "code-like, unreadable",
    )
    assert seen.score > 0.5
    assert seen.box is not None
    assert seen.box.left * 1280 == pytest.approx(700, abs=0.15 * code.width)
    assert seen.box.width * 1280 == pytest.approx(code.width, rel=0.25)


def test_three_rings_without_dashes_are_no_code(frame: MakeFrame) -> None:
    page = Image.new("RGB", (1280, 720), "white")
    pen = ImageDraw.Draw(page)
    for x, y in ((300, 200), (700, 200), (300, 600)):
        for reach, colour in ((50, "black"), (36, "white"), (20, "black")):
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), colour)
    assert "programcode" not in {seen.sub_label for seen in look(frame, page)}


def test_a_small_code_is_read_from_close_by(frame: MakeFrame, photos: list[Image.Image]) -> None:
    # GIVEN codes whose modules are hardly more than a pixel, blurred
    read = 0
    for number in range(6):
        code = symbol(f"https://example.com/{number}", BarcodeFormat.QRCode, 4)
        small = code.resize((round(code.width * 0.31), round(code.height * 0.31)), Image.Resampling.BICUBIC)
        picture = pasted(photos[number % 4], small, (300 + 7 * number, 200 + 3 * number))
        alone = zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormats([BarcodeFormat.QRCode]))
        ours = [seen.text for seen in look(frame, picture) if seen.text]

        # THEN what the library alone reads is read
        assert len(ours) >= len(alone)
        read += len(ours)
    assert read
