"""Read the tensors of a CTranslate2 model file."""

import struct

import numpy as np

from greenlight.weights.graph import Array

_VERSION = 6
_KINDS = ("<f4", "<i1", "<i2", "<i4", "<f2")


def read_tensors(content: bytes, specification: str) -> dict[str, Array]:
    """The tensors of a model of this specification by name, as they are stored and without copying them.

    Raises ValueError for any other file and for one that ends early.
    """
    reader = _Reader(content)
    version, found, _ = reader.number("I"), reader.text(), reader.number("I")
    if (version, found) != (_VERSION, specification):
        raise ValueError(f"a model {found} of version {version}, not {specification} of version {_VERSION}")
    return dict(reader.tensor() for _ in range(reader.number("I")))


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._position = 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack(f"<{kind}", self._take(struct.calcsize(f"<{kind}")))
        return int(value)

    def text(self) -> str:
        return bytes(self._take(self.number("H"))).rstrip(b"\0").decode()

    def tensor(self) -> tuple[str, Array]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = self.number("B")
        if kind >= len(_KINDS):
            raise ValueError(f"{name}: type {kind} is not known")
        return name, np.frombuffer(self._take(self.number("I")), _KINDS[kind]).reshape(shape)

    def _take(self, length: int) -> memoryview:
        taken = self._content[self._position : self._position + length]
        if len(taken) < length:
            raise ValueError(f"the file ends before offset {self._position + length}")
        self._position += length
        return taken
