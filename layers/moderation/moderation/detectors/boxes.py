"""Boxes that networks find: from the network's square back to the picture, and one per thing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.detectors.base import Picture
from moderation.models.observation import Box

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Letterbox:
    """A picture of width x height in the middle of a black square, as large as it can be."""

    side: int
    width: int
    height: int

    @classmethod
    def around(cls, picture: Picture, side: int) -> "Letterbox":
        scale = side / max(picture.size)
        width, height = (max(1, round(length * scale)) for length in picture.size)
        return cls(side, width, height)

    def draw(self, picture: Picture) -> Picture:
        inner = picture.resize((self.width, self.height), Image.Resampling.BILINEAR)
        if inner.size == (self.side, self.side):
            return inner
        canvas = Image.new("RGB", (self.side, self.side))
        canvas.paste(inner, self._offset)
        return canvas

    def box(self, corners: Numbers) -> Box:
        """Left, top, right, bottom in pixels of the square, as a part of the picture; what lies outside is cut off."""
        across, down = self._offset
        left, right = np.clip((corners[[0, 2]] - across) / self.width, 0, 1).tolist()
        top, bottom = np.clip((corners[[1, 3]] - down) / self.height, 0, 1).tolist()
        return Box(left=left, top=top, width=right - left, height=bottom - top)

    @property
    def _offset(self) -> tuple[int, int]:
        return (self.side - self.width) // 2, (self.side - self.height) // 2


def strongest(
    corners: Numbers, scores: Numbers, kinds: npt.NDArray[np.intp], *, overlap: float, most: int
) -> list[int]:
    """Which boxes to keep, strongest first. `corners` are n x 4: left, top, right, bottom.

    A box falls when a stronger one of its kind shares more than `overlap` of their union (IoU); no more than `most`
    are looked at.
    """
    order = np.argsort(-scores, kind="stable")[:most]
    corners, kinds = corners[order], kinds[order]
    sizes = np.maximum(corners[:, 2:] - corners[:, :2], 0)
    areas = sizes.prod(axis=1)
    ends = np.minimum(corners[:, np.newaxis, 2:], corners[:, 2:])
    starts = np.maximum(corners[:, np.newaxis, :2], corners[:, :2])
    shared = np.maximum(ends - starts, 0).prod(axis=2)
    same = (shared > overlap * (areas[:, np.newaxis] + areas - shared)) & (kinds[:, np.newaxis] == kinds)
    kept: list[int] = []
    for index in range(len(order)):
        if not same[index, kept].any():
            kept.append(index)
    return [int(index) for index in order[kept]]
