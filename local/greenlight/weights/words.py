"""Lists of words as others publish them, as JSON."""

import base64
import json
import re
import struct
from collections.abc import Iterator
from typing import Literal

_SURE = 2
_ENTRY = re.compile(r"""^\s*(?:'([^']+)'|"([^"]+)"|(\w+)): (\d),?$""", re.MULTILINE)
_VARINT, _LONG, _BYTES, _INT = 0, 1, 2, 5


def convert(content: bytes, form: Literal["base64", "json", "script", "sureness", "pairs", "pieces"]) -> bytes:
    """JSON of what the file lists: an array of words, an object for pairs, an object of two arrays for pieces.

    Words are in order and once each. Raises ValueError where the file is not of this form.
    """
    match form:
        case "base64":
            found: object = sorted({base64.b64decode(line).decode().strip("\ufeff\n ") for line in content.split()})
        case "json":
            found = sorted(set(json.loads(content)))
        case "script":
            found = sorted(set(_english(content.decode())))
        case "sureness":
            entries = _ENTRY.findall(content.decode())
            found = sorted(single or double or bare for single, double, bare, rate in entries if int(rate) == _SURE)
        case "pairs":
            found = dict(_pairs(content.decode()))
        case "pieces":
            texts, scores = zip(*_pieces(content), strict=True)
            found = {"pieces": texts, "scores": [round(score, 5) for score in scores]}
    if not found:
        raise ValueError("there are no words in it")
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _english(script: str) -> list[str]:
    start = script.index('"en"')
    listed: list[str] = json.loads(
        re.sub(r",\s*\]", "]", script[script.index("[", start) : script.index("]", start) + 1])
    )
    return listed


def _pairs(lines: str) -> Iterator[tuple[str, str]]:
    for line in lines.splitlines():
        sign, _, meanings = line.partition("\t")
        first = meanings.split(" ")[0]
        if len(sign) == len(first) == 1 and sign != first:
            yield sign, first


def _pieces(model: bytes) -> Iterator[tuple[str, float]]:
    """Of a ModelProto: field 1 holds each piece, with its text in field 1 and its score in field 2."""
    for field, piece in _fields(model):
        if field == 1 and isinstance(piece, bytes):
            parts = dict(_fields(piece))
            text, score = parts[1], parts.get(2, b"\0\0\0\0")
            if not isinstance(text, bytes) or not isinstance(score, bytes):
                raise ValueError("a piece without a text")
            yield text.decode(), struct.unpack("<f", score)[0]


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and content of each field of a message of protocol buffers."""
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _number(message, place)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, place = _number(message, place)
        elif kind in (_LONG, _INT):
            size = 8 if kind == _LONG else 4
        else:
            raise ValueError(f"no field of protocol buffers is of kind {kind}")
        yield tag >> 3, message[place : place + size]
        place += size


def _number(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
