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

from PIL import Image, ImageChops, ImageOps, ImageStat, UnidentifiedImageError

from moderation.detectors.catalog import CLASSIFY, DETAIL
from moderation.models.media import MAX_COVER_SIZE
from moderation.models.observation import Box, Observation
from moderation.models.plan import FrameSize

MAX_SIDE = 30_000
MAX_PIXELS = 250_000_000
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
_SLOWEST_HURRY = 0.1
"""Seconds that players show a picture for that claims less than 20 ms."""

Code = Literal["not_an_image", "pixels", "malformed", "too_large"]


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
                if max(image.size) > MAX_SIDE:
                    raise CoverRefused("pixels", f"a cover has at most {MAX_SIDE} pixels a side")
                return _looked_at(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise CoverRefused("pixels", f"a cover has at most {MAX_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        raise CoverRefused("not_an_image", "a cover is a JPEG, PNG, WebP or GIF picture") from error
    except CoverRefused:
        raise
    except Exception as error:  # Pillow's readers raise nearly anything on a crafted file
        raise CoverRefused("malformed", "the picture cannot be decoded") from error


def _looked_at(image: Image.Image) -> Cover:
    boxes = _parts(image.size)
    pictures: list[CoverPicture] = []
    moments = _moments(image, boxes)
    for moment in moments:
        if moment is None or len(pictures) + len(moment) > MAX_PICTURES:
            return Cover(tuple(pictures), complete=False)
        pictures += moment
    return Cover(tuple(pictures), complete=True)


def _moments(image: Image.Image, boxes: list[_Rectangle]) -> Iterator[list[CoverPicture] | None]:
    """The parts of each picture that is looked at; None at the end where a limit cuts an animation short."""
    if not getattr(image, "is_animated", False) or image.format == "JPEG":
        yield [_picture(image, box) for box in boxes]
        return
    shown, last = 0.0, None
    for number in count():
        try:
            image.seek(number)
        except EOFError:
            return
        if number >= min(MAX_DECODED_FRAMES, max(1, MAX_DECODED_PIXELS // (image.width * image.height))):
            yield None
            return
        tiny = _shrunk(image, (0, 0, *image.size), 32, 32).resize((32, 32), Image.Resampling.BOX).convert("L")
        if last is None or shown >= _LONGEST_GAP or _difference(tiny, last) >= _CHANGE:
            yield [_picture(image, box) for box in boxes]
            shown, last = 0.0, tiny
        seconds = float(image.info.get("duration", 0)) / 1000
        shown += seconds if seconds >= 0.02 else _SLOWEST_HURRY
