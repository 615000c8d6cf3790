"""Covers come from strangers: the limits hold, and nothing of a picture is left unseen in silence."""

from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image, ImageDraw

from moderation.detectors import covers
from moderation.detectors.covers import CoverRefused, open_cover
from moderation.models.media import MAX_COVER_SIZE
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

RED, BLUE = (220, 20, 20), (20, 20, 220)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def shown(jpeg: bytes) -> Image.Image:
    return Image.open(BytesIO(jpeg)).convert("RGB")


def close(pixel: object, colour: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 12 for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_every_format_gives_both_sizes(file_format: str) -> None:
    # GIVEN a picture larger than both sizes
    data = encoded(Image.new("RGB", (2600, 1300), RED), file_format)

    # WHEN it is opened
    cover = open_cover(data)

    # THEN there is one picture at the two sizes, with the colour of the original
    (picture,) = cover.pictures
    assert cover.complete
    assert shown(picture.files["detail"]).size == (1280, 640)
    assert shown(picture.files["classify"]).size == (512, 256)
    assert close(shown(picture.files["detail"]).getpixel((700, 300)), RED)


def test_small_pictures_are_not_enlarged() -> None:
    (picture,) = open_cover(encoded(Image.new("RGB", (60, 40)), "PNG")).pictures
    assert shown(picture.files["detail"]).size == shown(picture.files["classify"]).size == (60, 40)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_mode_is_read(mode: str) -> None:
    white: dict[str, int | tuple[int, ...]] = {
        "1": 1,
        "L": 255,
        "LA": (255, 255),
        "P": 0,
        "RGBA": (255,) * 4,
        "I;16": 65535,
        "CMYK": (0,) * 4,
    }
    image = Image.new(mode, (40, 30), white.get(mode, (255, 255, 255)))
    if mode == "P":
        image.putpalette([255, 255, 255])
    (picture,) = open_cover(encoded(image, "JPEG" if mode == "CMYK" else "PNG")).pictures
    assert close(shown(picture.files["detail"]).getpixel((20, 15)), (255, 255, 255))


def test_what_is_transparent_is_white() -> None:
    # GIVEN red that nobody sees
    (picture,) = open_cover(encoded(Image.new("RGBA", (40, 30), (*RED, 0)), "PNG")).pictures
    assert close(shown(picture.files["detail"]).getpixel((20, 15)), (255, 255, 255))


def test_a_picture_is_turned_as_viewers_turn_it() -> None:
    # GIVEN a picture whose upper half is red, stored lying on its side
    upright = Image.new("RGB", (80, 120), BLUE)
    upright.paste(RED, (0, 0, 80, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)

    # WHEN it is opened THEN it stands
    (picture,) = open_cover(data).pictures
    detail = shown(picture.files["detail"])
    assert detail.size == (80, 120)
    assert close(detail.getpixel((40, 20)), RED)
    assert close(detail.getpixel((40, 100)), BLUE)


@pytest.mark.parametrize(("size", "axis"), [((300, 6000), 1), ((6000, 300), 0)])
def test_a_narrow_cover_is_looked_at_in_parts_without_holes(size: tuple[int, int], axis: int) -> None:
    # WHEN a strip twenty times as long as broad is opened
    cover = open_cover(encoded(Image.new("RGB", size), "PNG"))

    # THEN its parts are broad enough to see something, overlap, and cover it from end to end
    assert 2 <= len(cover.pictures) <= 16
    spans = [
        (p.region.left, p.region.left + p.region.width) if axis == 0 else (p.region.top, p.region.top + p.region.height)
        for p in cover.pictures
    ]
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(1)
    assert all(after[0] < before[1] for before, after in pairwise(spans))
    assert all(max(shown(p.files["detail"]).size) <= 3 * 300 for p in cover.pictures)


def test_a_box_in_a_part_becomes_a_box_in_the_cover() -> None:
    # GIVEN a strip of which the last part is looked at
    last = open_cover(encoded(Image.new("RGB", (300, 3000)), "PNG")).pictures[-1]
    seen = Observation(
        detector="codes",
        form=Form.COVER,
        label="ad",
        sub_label="qrcode",
        score=1,
        box=Box(left=0.25, top=0.5, width=0.5, height=0.5),
    )

    # WHEN a box in its lower half is placed
    box = last.placed(seen).box

    # THEN it ends where the cover ends, as broad as it was
    assert box is not None
    assert (box.left, box.width) == (0.25, 0.5)
    assert box.top + box.height == pytest.approx(1)
    assert box.height == pytest.approx(last.region.height / 2)


def animation(pictures: list[Image.Image], milliseconds: int, file_format: str) -> bytes:
    return encoded(
        pictures[0], file_format, save_all=True, append_images=pictures[1:], duration=milliseconds, lossless=True
    )


def moving(number: int, numbers: int) -> Image.Image:
    """A line on its way across: every frame is another one, none a scene of its own."""
    picture = Image.new("RGB", (120, 80), BLUE)
    ImageDraw.Draw(picture).line((number * 120 // numbers, 0, number * 120 // numbers, 80), "white")
    return picture


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_one_flash_in_an_animation_is_looked_at(file_format: str) -> None:
    # GIVEN twenty short frames that hardly differ, and one that does
    frames = [moving(number, 20) for number in range(20)]
    frames[13] = Image.new("RGB", (120, 80), RED)

    # WHEN it is opened
    cover = open_cover(animation(frames, 40, file_format))

    # THEN the flash is among the few pictures that are looked at
    assert cover.complete
    assert len(cover.pictures) < 6
    assert any(close(shown(p.files["detail"]).getpixel((60, 40)), RED) for p in cover.pictures)


def test_an_animation_is_looked_at_every_second() -> None:
    # GIVEN six seconds of small changes
    cover = open_cover(animation([moving(number, 60) for number in range(60)], 100, "GIF"))
    assert cover.complete
    assert len(cover.pictures) == 6


def test_an_animation_that_goes_on_too_long_is_incomplete_but_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("RGB", (20, 20), RED if number % 2 else BLUE) for number in range(12)]

    # WHEN there are more different pictures, or more frames at all, than are looked at
    monkeypatch.setattr(covers, "MAX_PICTURES", 5)
    many = open_cover(animation(frames, 100, "GIF"))
    monkeypatch.setattr(covers, "MAX_DECODED_FRAMES", 3)
    long = open_cover(animation(frames, 100, "GIF"))

    # THEN what was seen counts, and that there was more is said
    assert (len(many.pictures), many.complete) == (5, False)
    assert (len(long.pictures), long.complete) == (3, False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_an_image"),
        (b"GIF, or so it says", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (encoded(Image.new("RGB", (9, 9)), "TIFF"), "not_an_image"),
        (encoded(Image.new("RGB", (9, 9)), "BMP"), "not_an_image"),
        (encoded(Image.effect_noise((200, 200), 90), "PNG")[:-9000], "malformed"),
        (encoded(Image.effect_noise((200, 200), 90), "JPEG")[:-3000], "malformed"),
        (encoded(Image.new("1", (30_001, 1)), "PNG"), "pixels"),
        (encoded(Image.new("1", (20_000, 15_000)), "PNG"), "pixels"),
        (bytes(MAX_COVER_SIZE + 1), "too_large"),
    ],
    ids=["empty", "text", "svg", "tiff", "bmp", "cut png", "cut jpeg", "side", "pixels", "size"],
)
def test_what_cannot_be_looked_at_is_refused_with_a_code(data: bytes, code: str) -> None:
    with pytest.raises(CoverRefused) as refusal:
        open_cover(data)
    assert refusal.value.code == code


def test_the_largest_cover_allowed_is_looked_at() -> None:
    # GIVEN 240 megapixels, more than Pillow takes by itself
    cover = open_cover(encoded(Image.new("1", (16_000, 15_000), 1), "PNG"))
    assert max(shown(cover.pictures[0].files["detail"]).size) == 1280


def test_formats_that_cost_most_memory_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers, "MAX_COMPOSED_PIXELS", 99)
    assert open_cover(encoded(Image.new("RGB", (10, 10)), "PNG")).complete
    with pytest.raises(CoverRefused) as refusal:
        open_cover(encoded(Image.new("RGB", (10, 10)), "WEBP"))
    assert refusal.value.code == "pixels"
