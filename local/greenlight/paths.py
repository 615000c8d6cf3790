"""Where the checkout and the one cache folder are."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def name_of(path: Path) -> str:
    """A file's name as text that can be written anywhere: what is no UTF-8 in it becomes a question mark."""
    return path.name.encode(errors="replace").decode()


def cache_folder() -> Path:
    """The only folder written outside the checkout: `$XDG_CACHE_HOME/greenlight`, else `~/.cache/greenlight`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "greenlight"
