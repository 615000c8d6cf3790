"""The people in a picture as squares to be looked at closely: what they hold is small in the whole picture."""

from collections.abc import Sequence

from moderation.detectors.base import Picture
from moderation.detectors.nanodet import Thing
from moderation.models.observation import Box

MOST = 3
_SURE = 0.4
_ROOM = 1.2
"""A square is so much larger than the longer side of the person, for what hands reach out with."""
WHOLE = 0.7
"""What fills so much of the picture is no small part of it."""


def around_people(things: Sequence[Thing], picture: Picture, *, most: int = MOST, whole: float = WHOLE) -> list[Box]:
    """Squares around the surest people, cut off at the edges of the picture; `things` are in order, surest first.

    Squares that fill the share `whole` of the picture or more are left out.
    """
    width, height = picture.size
    found: list[Box] = []
    for thing in things:
        if thing.label == "person" and thing.score >= _SURE and len(found) < most:
            box = thing.box
            half = _ROOM / 2 * max(box.width * width, box.height * height)
            across, down = (box.left + box.width / 2) * width, (box.top + box.height / 2) * height
            left, right = max(0.0, (across - half) / width), min(1.0, (across + half) / width)
            top, bottom = max(0.0, (down - half) / height), min(1.0, (down + half) / height)
            if right > left and bottom > top and (right - left) * (bottom - top) < whole:
                found.append(Box(left=left, top=top, width=right - left, height=bottom - top))
    return found


def cut(picture: Picture, box: Box) -> Picture:
    """That part of a picture, at least one pixel of it."""
    left, top = (
        min(round(start * side), side - 1) for start, side in zip((box.left, box.top), picture.size, strict=True)
    )
    right, bottom = round((box.left + box.width) * picture.width), round((box.top + box.height) * picture.height)
    return picture.crop((left, top, max(left + 1, right), max(top + 1, bottom)))
