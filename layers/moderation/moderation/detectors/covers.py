"""Covers: pictures that an uploader sent as files of their own, opened with care."""

import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from moderation.detectors.catalog import CLASSIFY, DETAIL
from moderation.models.media import MAX_COVER_SIZE
from moderation.models.plan import FrameSize

MAX_SIDE = 30_000
MAX_PIXELS = 250_000_000
MAX_PICTURES = 8
"""Pictures looked at of an animation, the first and the last among them."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_QUALITY = 92


class CoverRefused(Exception):
    """The cover itself is why it cannot be looked at."""

    def __init__(self, code: Literal["not_an_image", "pixels", "malformed", "too_large"], message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def open_cover(data: bytes) -> list[dict[str, bytes]]:
    """Each picture of a cover as JPEG files by name of size; one, or up to `MAX_PICTURES` of an animation.

    The size is checked before anything is decoded, and JPEG is made smaller while it is decoded.
    """
    if len(data) > MAX_COVER_SIZE:
        raise CoverRefused("too_large", f"a cover has at most {MAX_COVER_SIZE} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            image = Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise CoverRefused("pixels", str(error)) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error) as error:
        raise CoverRefused("not_an_image", "a cover is a JPEG, PNG, WebP or GIF picture") from error
    with image:
        if max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
            raise CoverRefused("pixels", f"{image.width} x {image.height} is more than is looked at")
        try:
            return [_sized(picture) for picture in _pictures(image)]
        except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
            raise CoverRefused("malformed", "the picture cannot be decoded") from error


def _pictures(image: Image.Image) -> Iterator[Image.Image]:
    """The pictures to look at, as they are shown: composed, turned upright, on white where transparent."""
    image.draft("RGB", (2 * DETAIL.pixels, 2 * DETAIL.pixels))
    total = int(getattr(image, "n_frames", 1))
    most = min(total, MAX_PICTURES)
    for number in sorted({round(step * (total - 1) / max(1, most - 1)) for step in range(most)}):
        image.seek(number)
        # The reduced copy first: what comes after works on thousands of pixels, not on millions.
        small = image.convert("RGBA") if image.mode in ("P", "LA", "PA") else image.copy()
        small.thumbnail((2 * DETAIL.pixels, 2 * DETAIL.pixels), Image.Resampling.BOX)
        upright = ImageOps.exif_transpose(small)
        if "A" in upright.getbands():
            page = Image.new("RGBA", upright.size, "white")
            page.alpha_composite(upright.convert("RGBA"))
            upright = page
        yield upright.convert("RGB")


def _sized(picture: Image.Image) -> dict[str, bytes]:
    return {size.name: _jpeg(picture, size) for size in (CLASSIFY, DETAIL)}


def _jpeg(picture: Image.Image, size: FrameSize) -> bytes:
    side = min(picture.size) if size.side == "short" else max(picture.size)
    factor = min(1.0, size.pixels / side)
    shape = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    file = BytesIO()
    picture.resize(shape, Image.Resampling.BICUBIC).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
