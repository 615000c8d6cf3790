"""QR codes and barcodes, read with what they say, and round codes of mini-programs, which nobody can read here."""

from typing import ClassVar

import zxingcpp
from PIL import Image
from zxingcpp import Barcode, BarcodeFormat, ErrorType

from moderation.detectors.base import Batch, Frame, Picture
from moderation.detectors.catalog import DETAIL
from moderation.detectors.radial import radial
from moderation.models.observation import Box, Observation
from moderation.models.template import Form

# What telephones read, and of the linear formats the long ones: short ones with a weak checksum (EAN-8, UPC-E,
# ITF, Codabar) are read into stripes. Looking for Aztec and Data Matrix would take as long as all of these.
FORMATS = zxingcpp.BarcodeFormats(
    [BarcodeFormat.QRCode, BarcodeFormat.EAN13, BarcodeFormat.UPCA, BarcodeFormat.Code128]
)
_QR = zxingcpp.BarcodeFormats([BarcodeFormat.QRCode])
_READ, _UNREADABLE = 1.0, 0.8
_MOST_CODES = 20
_MOST_TEXT = 512
_CLOSER, _CLOSEST = 3, 640
"""How often a code that was found and not read is enlarged, and the pixels of what is enlarged at most."""
_LIKE_A_CODE = "code-like, unreadable"


class Codes:
    """Score 1 with the text for each code that reads; else .8 for one QR code whose checksum fails.

    A QR code too creased or blurred to read here is one all the same: whoever films it may show it better later. It is
    looked at once more from close by. A round code has the score of `radial`.
    """

    name: ClassVar[str] = "codes"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> list[Observation]:
        picture = frame.gray(DETAIL)
        found = zxingcpp.read_barcodes(picture, formats=FORMATS, return_errors=True)
        codes = [(code, _box(code, *picture.size)) for code in found if code.valid][:_MOST_CODES]
        if not any(_is_qr(code) for code, _ in codes):
            broken = [(code, _box(code, *picture.size)) for code in found if _is_qr(code) and code.error]
            closer = (_closer(picture, box) for _, box in sorted(broken, key=lambda one: -_area(one[1]))[:_CLOSER])
            failed = [one for one in broken if one[0].error and one[0].error.type == ErrorType.Checksum]
            codes += [one for one in closer if one][:1] or sorted(failed, key=lambda one: _area(one[1]))[-1:]
        like = radial(picture)
        if like and any(code.valid and _around(box, like.box) for code, box in codes):
            like = None
        if like is None:
            return [self._observation(frame, code, box) for code, box in codes]
        # Its eyes are taken for those of a QR code, which then does not read.
        seen = [self._observation(frame, code, box) for code, box in codes if not _around(box, like.box)]
        round_code = frame.observation(
            self.name, "ad", "programcode", like.score, form=Form.CODE, box=like.box, text=_LIKE_A_CODE
        )
        return [*seen, round_code]

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


def _closer(picture: Picture, box: Box) -> tuple[Barcode, Box] | None:
    """The QR code in a box of a picture, enlarged, with that box; None where it still does not read."""
    margin = 0.15 * max(box.width * picture.width, box.height * picture.height) + 4
    left, top = (max(0, int(edge - margin)) for edge in (box.left * picture.width, box.top * picture.height))
    right = min(picture.width, int((box.left + box.width) * picture.width + margin))
    bottom = min(picture.height, int((box.top + box.height) * picture.height + margin))
    part = picture.crop((left, top, right, bottom))
    if max(part.size) > _CLOSEST:
        return None
    for factor in (2, 3):
        near = part.resize((part.width * factor, part.height * factor), Image.Resampling.BICUBIC)
        for code in zxingcpp.read_barcodes(near, formats=_QR):
            return code, box
    return None


def _is_qr(code: Barcode) -> bool:
    return bool(code.symbology == BarcodeFormat.QRCode)


def _around(one: Box, other: Box) -> bool:
    """Whether the middle of one box is in the other."""
    across, down = one.left + one.width / 2, one.top + one.height / 2
    return other.left <= across <= other.left + other.width and other.top <= down <= other.top + other.height


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
