"""A cover of a megabyte that opens into a gigabyte has to fit into the memory of its function."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

SIDE = 15_000
LIMIT_MB = 1_500
"""The function has 3,008 MB, of which models and runtime need 300."""

# VmHWM, as what getrusage tells of a new process begins with the size of the one that started it.
PROGRAM = """
import re, sys
from pathlib import Path
from moderation.detectors.covers import open_cover
cover = open_cover(Path(sys.argv[1]).read_bytes())
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(len(cover.pictures), int(peak[1]) // 1024)
"""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bomb(side: int) -> bytes:
    """An RGB PNG of one colour, made row by row."""
    packer = zlib.compressobj(1)
    row = b"\0" + bytes([200, 30, 30]) * side
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


@pytest.mark.slow
def test_225_megapixels_fit(tmp_path: Path) -> None:
    # GIVEN a PNG of 15,000 x 15,000 in a small file
    path = tmp_path / "bomb.png"
    path.write_bytes(_bomb(SIDE))
    assert path.stat().st_size < 4 * 2**20

    # WHEN a process of its own opens it
    answer = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True)

    # THEN it is looked at, within memory
    pictures, peak = map(int, answer.stdout.split())
    assert pictures == 1
    assert peak < LIMIT_MB
