"""QR codes and barcodes, read with what they say."""

from typing import ClassVar

import zxingcpp
from zxingcpp import BarcodeFormat

from moderation.detectors.base import Batch, Frame
from moderation.detectors.catalog import DETAIL
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

_MATRIX = (BarcodeFormat.QRCode, BarcodeFormat.Aztec, BarcodeFormat.DataMatrix)
# Only the long formats: short ones with a weak checksum (EAN-8, UPC-E, ITF, Codabar) are read into stripes.
_LINEAR = (BarcodeFormat.EAN13, BarcodeFormat.UPCA, BarcodeFormat.Code128)
_FORMATS = zxingcpp.BarcodeFormats([*_MATRIX, *_LINEAR])
_MOST_TEXT = 512


class Codes:
    """Score 1 for each code that decodes with its checksum; nothing otherwise."""

    name: ClassVar[str] = "codes"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> list[Observation]:
        picture = frame.gray(DETAIL)
        height, width = picture.shape
        return [
            frame.observation(
                self.name,
                "ad",
                "qrcode" if code.symbology in _MATRIX else "barcode",
                1.0,
                form=Form.CODE,
                box=_box(code.position, width, height),
                text=code.text[:_MOST_TEXT],
            )
            for code in zxingcpp.read_barcodes(picture, formats=_FORMATS)
        ]


def _box(position: zxingcpp.Position, width: int, height: int) -> Box:
    """The upright rectangle around the four corners, which may lie outside the picture."""
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    across = [min(1.0, max(0.0, corner.x / width)) for corner in corners]
    down = [min(1.0, max(0.0, corner.y / height)) for corner in corners]
    left, top = min(across), min(down)
    return Box(left=left, top=top, width=max(across) - left, height=max(down) - top)
