"""Covers: pictures that an uploader sent as files of their own, opened with care.

A cover is made small before anything else is done to it, in strips and JPEG while it is decoded, so that memory holds
the decoded file and little more. Long narrow covers are looked at in parts, animations as they change.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from typing import Literal

from PIL import ExifTags, Image, ImageChops, ImageOps, ImageStat, UnidentifiedImageError

from moderation.detectors.catalog import CLASSIFY, DETAIL
from moderation.models.media import MAX_COVER_SIZE
from moderation.models.observation import Box, Observation
from moderation.models.plan import FrameSize

MAX_SIDE = 30_000
MAX_PIXELS = 250_000_000
MAX_COMPOSED_PIXELS = 140_000_000
"""The same for WebP and animations, which their decoders hold several times: 16 bytes a pixel."""
MAX_PICTURES = 48
"""Pictures looked at of one cover, parts and moments of an animation counted alike."""
MAX_DECODED_PIXELS = 1_000_000_000
MAX_DECODED_FRAMES = 1_000
"""What is decoded of an animation at most."""

# Pillow's own check, which also judges what the header does not tell, shall know the same limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_QUALITY = 92
_STRIP_PIXELS = 8_000_000
_NARROW = 2.5
"""Length to breadth from which a picture is looked at in parts: as a whole it would be a line to the models."""
_MAX_PARTS = 16
_LONGEST_GAP = 1.0
_CHANGE = 8.0
"""Seconds and mean difference of luma (0-255) after which the next picture of an animation is looked at."""
_HURRY, _HURRIED = 0.02, 0.1
"""Players show a picture that claims less than the first for the second, in seconds."""

Code = Literal["not_an_image", "pixels", "malformed", "too_large"]
_Rectangle = tuple[int, int, int, int]
"""left, top, right, bottom"""


class CoverRefused(Exception):
    """The cover itself is why it cannot be looked at."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class CoverPicture:
    """A part of a cover at one moment: JPEG files by name of size, and where in the cover it is."""

    files: dict[str, bytes]
    region: Box

    def placed(self, observation: Observation) -> Observation:
        """The observation with its box as a fraction of the whole cover."""
        if observation.box is None:
            return observation
        region, box = self.region, observation.box
        whole = Box(
            left=region.left + box.left * region.width,
            top=region.top + box.top * region.height,
            width=box.width * region.width,
            height=box.height * region.height,
        )
        return observation.model_copy(update={"box": whole})


@dataclass(frozen=True)
class Cover:
    """`complete` is False where an animation goes on after the last picture that is looked at."""

    pictures: tuple[CoverPicture, ...]
    complete: bool


def open_cover(data: bytes) -> Cover:
    """Everything to look at of a JPEG, PNG, WebP or GIF file, upright, on white where it is transparent.

    Raises CoverRefused. Size and format are checked before anything is decoded.
    """
    if len(data) > MAX_COVER_SIZE:
        raise CoverRefused("too_large", f"a cover has at most {MAX_COVER_SIZE} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=_FORMATS) as image:
                _check(image)
                return _looked_at(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise CoverRefused("pixels", f"a cover has at most {MAX_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        raise CoverRefused("not_an_image", "a cover is a JPEG, PNG, WebP or GIF picture") from error
    except CoverRefused:
        raise
    except Exception as error:  # Pillow's readers raise nearly anything on a crafted file
        raise CoverRefused("malformed", "the picture cannot be decoded") from error


def _check(image: Image.Image) -> None:
    if max(image.size) > MAX_SIDE:
        raise CoverRefused("pixels", f"a cover has at most {MAX_SIDE} pixels a side")
    if (image.format == "WEBP" or _is_animated(image)) and image.width * image.height > MAX_COMPOSED_PIXELS:
        raise CoverRefused("pixels", f"a WebP or an animation has at most {MAX_COMPOSED_PIXELS} pixels")


def _is_animated(image: Image.Image) -> bool:
    return image.format != "JPEG" and bool(getattr(image, "is_animated", False))


def _looked_at(image: Image.Image) -> Cover:
    factor = _factor(_parts(image.size)[0])
    image.draft("RGB", (image.width // factor, image.height // factor))
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    pictures: list[CoverPicture] = []
    for moment in _moments(image):
        if moment is None or len(pictures) + len(moment) > MAX_PICTURES:
            return Cover(tuple(pictures), complete=False)
        pictures += moment
    return Cover(tuple(pictures), complete=True)


def _moments(image: Image.Image) -> Iterator[list[CoverPicture] | None]:
    """The parts of each picture that is looked at; None at the end where a limit cuts an animation short."""
    boxes = _parts(image.size)
    if not _is_animated(image):
        yield [_picture(image, box) for box in boxes]
        return
    most = min(MAX_DECODED_FRAMES, max(1, MAX_DECODED_PIXELS // (image.width * image.height)))
    last: Image.Image | None = None
    shown = 0.0
    for number in count():
        try:
            image.seek(number)
        except EOFError:
            return
        if number >= most:
            yield None
            return
        tiny = _strips(image, (0, 0, *image.size), max(1, min(image.size) // 32)).resize((32, 32)).convert("L")
        if last is None or shown >= _LONGEST_GAP or _difference(tiny, last) >= _CHANGE:
            yield [_picture(image, box) for box in boxes]
            shown, last = 0.0, tiny
        seconds = float(image.info.get("duration", 0)) / 1000
        shown += seconds if seconds >= _HURRY else _HURRIED


def _parts(size: tuple[int, int]) -> list[_Rectangle]:
    """The whole picture, or overlapping stretches of a narrow one that cover it."""
    long, short = max(size), min(size)
    if long < _NARROW * short:
        return [(0, 0, *size)]
    # Twice as long as broad and a quarter shared with the next, unless that made too many.
    length = max(2 * short, -(-4 * long // (3 * _MAX_PARTS + 1)))
    parts = max(2, 1 + -(-4 * (long - length) // (3 * length)))
    starts = [round(number * (long - length) / (parts - 1)) for number in range(parts)]
    if size[0] == long:
        return [(start, 0, start + length, short) for start in starts]
    return [(0, start, short, start + length) for start in starts]


def _factor(box: _Rectangle) -> int:
    """The whole number by which a part can be made smaller and still be large enough for every size."""
    width, height = box[2] - box[0], box[3] - box[1]
    return max(1, min(max(width, height) // DETAIL.pixels, min(width, height) // CLASSIFY.pixels))


def _picture(image: Image.Image, box: _Rectangle) -> CoverPicture:
    small = _strips(image, box, _factor(box))
    region = Box(
        left=box[0] / image.width,
        top=box[1] / image.height,
        width=(box[2] - box[0]) / image.width,
        height=(box[3] - box[1]) / image.height,
    )
    return CoverPicture({size.name: _jpeg(small, size) for size in (CLASSIFY, DETAIL)}, region)


def _strips(image: Image.Image, box: _Rectangle, factor: int) -> Image.Image:
    """A part in RGB, made smaller by a whole number, strip by strip: copies of the whole would not fit in memory."""
    left, top, right, bottom = box
    small = Image.new("RGB", (-(-(right - left) // factor), -(-(bottom - top) // factor)))
    height = factor * max(1, _STRIP_PIXELS // ((right - left) * factor))
    for start in range(top, bottom, height):
        strip = _plain(image.crop((left, start, right, min(start + height, bottom))))
        small.paste(strip.reduce(factor), (0, (start - top) // factor))
    return small


def _plain(strip: Image.Image) -> Image.Image:
    """RGB of 8 bits on white."""
    if strip.mode.startswith("I;16"):
        strip = strip.point(lambda value: value * (1 / 257)).convert("L")
    if strip.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in strip.info:
        page = Image.new("RGBA", strip.size, "white")
        page.alpha_composite(strip.convert("RGBA"))
        strip = page
    return strip.convert("RGB")


def _difference(one: Image.Image, other: Image.Image) -> float:
    return ImageStat.Stat(ImageChops.difference(one, other)).mean[0]


def _jpeg(picture: Image.Image, size: FrameSize) -> bytes:
    side = min(picture.size) if size.side == "short" else max(picture.size)
    factor = min(1.0, size.pixels / side)
    shape = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    file = BytesIO()
    picture.resize(shape, Image.Resampling.BICUBIC).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
