"""QR codes and barcodes, read with what they say."""

from typing import ClassVar

import zxingcpp
from zxingcpp import Barcode, BarcodeFormat, ErrorType

from moderation.detectors.base import Batch, Frame
from moderation.detectors.catalog import DETAIL
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

# What telephones read, and of the linear formats the long ones: short ones with a weak checksum (EAN-8, UPC-E,
# ITF, Codabar) are read into stripes. Looking for Aztec and Data Matrix would take as long as all of these.
FORMATS = zxingcpp.BarcodeFormats(
    [BarcodeFormat.QRCode, BarcodeFormat.EAN13, BarcodeFormat.UPCA, BarcodeFormat.Code128]
)
_READ, _UNREADABLE = 1.0, 0.8
_MOST_CODES = 20
_MOST_TEXT = 512


class Codes:
    """Score 1 with the text for each code that reads; else .8 for one QR code whose checksum fails.

    A QR code too creased or blurred to read here is one all the same: whoever films it may show it better later.
    """

    name: ClassVar[str] = "codes"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> list[Observation]:
        picture = frame.gray(DETAIL)
        found = zxingcpp.read_barcodes(picture, formats=FORMATS, return_errors=True)
        codes = [code for code in found if code.valid][:_MOST_CODES]
        if not any(map(_is_qr, codes)):
            broken = (code for code in found if _is_qr(code) and code.error and code.error.type == ErrorType.Checksum)
            codes += sorted(broken, key=lambda code: _area(_box(code, *picture.size)))[-1:]
        return [self._observation(frame, code, _box(code, *picture.size)) for code in codes]

    def _observation(self, frame: Frame, code: Barcode, box: Box) -> Observation:
        return frame.observation(
            self.name,
            "ad",
            "qrcode" if _is_qr(code) else "barcode",
            _READ if code.valid else _UNREADABLE,
            form=Form.CODE,
            box=box,
            text=code.text[:_MOST_TEXT] if code.valid else None,
        )


def _is_qr(code: Barcode) -> bool:
    return bool(code.symbology == BarcodeFormat.QRCode)


def _area(box: Box) -> float:
    return box.width * box.height


def _box(code: Barcode, width: int, height: int) -> Box:
    """The upright rectangle around the four corners, which may lie outside the picture."""
    position = code.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    across = [min(1.0, max(0.0, corner.x / width)) for corner in corners]
    down = [min(1.0, max(0.0, corner.y / height)) for corner in corners]
    left, top = min(across), min(down)
    return Box(left=left, top=top, width=max(across) - left, height=max(down) - top)
