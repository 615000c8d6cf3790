"""What others offer, each in an environment of its own: it is measured beside ours and is no part of it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from greenlight.paths import cache_folder


def environment(name: str, packages: Sequence[str]) -> Path:
    """The folder of an environment with these packages, made once and kept in the cache folder."""
    folder = cache_folder() / "bench" / name
    ready = folder / "ready"
    if not ready.is_file() or ready.read_text() != " ".join(packages):
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python_of(folder)), *packages], check=True)
        ready.write_text(" ".join(packages))
    return folder


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "bin" / "python"
