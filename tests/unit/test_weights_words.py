"""Lists of words as others publish them."""

import base64
import json
import struct

import pytest

from greenlight.weights.words import convert


def piece(text: str, score: float) -> bytes:
    encoded = text.encode()
    inner = b"\x0a" + bytes([len(encoded)]) + encoded + b"\x15" + struct.pack("<f", score) + b"\x18\x01"
    return b"\x0a" + bytes([len(inner)]) + inner


@pytest.mark.parametrize(
    ("content", "form", "expected"),
    [
        (base64.b64encode("坏\n".encode()) + b"\n" + base64.b64encode(b"bad"), "base64", ["bad", "坏"]),
        (b'["b", "a", "b"]', "json", ["a", "b"]),
        (b'exports.w = new Map([\n["en", ["b","a",]], ["de", ["c"]]]);', "script", ["a", "b"]),
        (b"export const cuss = {\n  sure: 2,\n  'two words': 2,\n  maybe: 1,\n};", "sureness", ["sure", "two words"]),
        ("臺\t台 檯\n台\t台\n".encode(), "pairs", {"臺": "台"}),
        (
            piece("<unk>", 0.0) + b"\x12\x02\x18\x05" + piece("\u2581a", -2.5),
            "pieces",
            {"pieces": ["<unk>", "\u2581a"], "scores": [0.0, -2.5]},
        ),
    ],
)
def test_every_form_is_read(content: bytes, form: str, expected: object) -> None:
    assert json.loads(convert(content, form)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["base64", "json", "script", "sureness", "pairs", "pieces"])
def test_what_is_no_list_is_refused(form: str) -> None:
    with pytest.raises((ValueError, KeyError, IndexError)):
        convert(b"[]" if form == "json" else b"", form)  # type: ignore[arg-type]
