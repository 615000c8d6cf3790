"""Surgery on MP4 files, box by box. Only for files whose `moov` comes last: then nothing else moves."""

import struct
from collections.abc import Iterator

_BEFORE_CHILDREN = {b"meta": 4, b"stsd": 8, b"dref": 8, b"avc1": 78, b"encv": 78}


def box(kind: bytes, content: bytes = b"", *, size: int | None = None) -> bytes:
    """A box, which may lie about its size."""
    return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content


def children(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and size of each box in a stretch of bytes."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield kind, start, size
        start += size


def find(data: bytes, path: str, number: int = 0) -> tuple[int, int]:
    """Place and size of the box on a path such as moov/trak/tkhd, in the `number`-th of several tracks."""
    return _path(data, path, number)[-1]


def added(data: bytes, path: str, content: bytes, number: int = 0) -> bytes:
    """The file with `content` at the end of a box."""
    return _spliced(data, _path(data, path, number), 0, content)


def removed(data: bytes, path: str, number: int = 0) -> bytes:
    """The file without a box."""
    return _spliced(data, _path(data, path, number)[:-1], find(data, path, number)[1], b"", find(data, path, number)[0])


def written(data: bytes, path: str, offset: int, content: bytes, number: int = 0) -> bytes:
    """The file with some bytes of a box, `offset` behind its header, replaced."""
    at = find(data, path, number)[0] + 8 + offset
    return data[:at] + content + data[at + len(content) :]


def _path(data: bytes, path: str, number: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start, end = 0, len(data)
    for name in path.encode().split(b"/"):
        here = [(at, size) for kind, at, size in children(data, start, end) if kind == name]
        at, size = here[number if name == b"trak" else 0]
        found.append((at, size))
        start, end = at + 8 + _BEFORE_CHILDREN.get(name, 0), at + size
    return found


def _spliced(data: bytes, around: list[tuple[int, int]], cut: int, content: bytes, at: int | None = None) -> bytes:
    place = sum(around[-1]) if at is None else at
    data = data[:place] + content + data[place + cut :]
    for start, size in around:
        data = data[:start] + struct.pack(">I", size + len(content) - cut) + data[start + 4 :]
    return data
