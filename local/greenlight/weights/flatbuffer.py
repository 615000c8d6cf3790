"""Read tables of a FlatBuffers file, such as TFLite's, by the numbers of their fields."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_EMPTY = struct.pack("<HHi", 4, 4, 4), 4
"""The bytes of a table without fields and where in them it is."""


class Table:
    """A table at a position of a file. An absent field is 0 or empty; raises ValueError beyond the file's end."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position

    @classmethod
    def root(cls, data: bytes, identifier: bytes) -> "Table":
        """The outermost table of a file that bears the identifier."""
        if data[4:8] != identifier:
            raise ValueError(f"not a {identifier.decode()} file")
        table = cls(data, 0)
        return cls(data, table._read("<I", 0))

    def number(self, field: int, kind: str = "i") -> int:
        """A whole number; `kind` is its format in `struct`."""
        position = self._field(field)
        return self._read(f"<{kind}", position) if position else 0

    def table(self, field: int) -> "Table":
        position = self._field(field)
        return Table(self._data, self._follow(position)) if position else Table(*_EMPTY)

    def tables(self, field: int) -> list["Table"]:
        start, count = self._vector(field)
        return [Table(self._data, self._follow(start + 4 * index)) for index in range(count)]

    def numbers(self, field: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """A vector of numbers, empty where it is absent."""
        start, count = self._vector(field)
        return np.frombuffer(self._data, np.dtype(kind).newbyteorder("<"), count, start)

    def text(self, field: int) -> str:
        return self.numbers(field, np.uint8).tobytes().decode()

    def _field(self, field: int) -> int:
        """Where a field's value is; 0 where it is absent."""
        fields = self._position - self._read("<i", self._position)
        slot = 4 + 2 * field
        offset = self._read("<H", fields + slot) if slot < self._read("<H", fields) else 0
        return self._position + offset if offset else 0

    def _vector(self, field: int) -> tuple[int, int]:
        position = self._field(field)
        if not position:
            return 0, 0
        start = self._follow(position)
        return start + 4, self._read("<I", start)

    def _follow(self, position: int) -> int:
        return position + self._read("<I", position)

    def _read(self, kind: str, position: int) -> int:
        try:
            value: int = struct.unpack_from(kind, self._data, position)[0]
        except struct.error as problem:
            raise ValueError(f"the file ends before offset {position}") from problem
        return value
