"""Functions as MiniStack gets them: a `bootstrap` that runs the real runtime over the checkout.

A built function carries its code, layers trimmed and with .pyc below /opt, and Python 3.13. Here the same code runs
straight from the checkout with the packages of `.venv`, so that nothing needs building; the weights come from the
cache folder, ffmpeg from imageio-ffmpeg.
"""

import hashlib
import io
import os
import shlex
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg

from greenlight.stack.template import Function
from greenlight.weights.store import weights_folder

LAYER = Path("layers/moderation")


def local_settings() -> dict[str, str]:
    """What the template cannot know of this machine, or must not allow anywhere else."""
    return {
        "GREENLIGHT_WEIGHTS": str(weights_folder()),
        "GREENLIGHT_FFMPEG": imageio_ffmpeg.get_ffmpeg_exe(),
        "GREENLIGHT_PLAIN_HTTP_SOURCE": "true",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def package(function: Function, root: Path) -> bytes:
    """A zip with the bootstrap. Its bytes change with the code, so that a new deployment starts new processes."""
    exports = {**local_settings(), "PYTHONPATH": os.pathsep.join(map(str, (function.folder, root / LAYER)))}
    bootstrap = "\n".join(
        [
            "#!/bin/sh",
            f"# code {fingerprint((function.folder, root / LAYER))}",
            "unset LOG_LEVEL",  # MiniStack's own, which Powertools would take for the function's
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            f"cd {shlex.quote(str(function.folder))}",
            f'exec {shlex.quote(sys.executable)} -m awslambdaric "$_HANDLER"',
            "",
        ]
    )
    entry = zipfile.ZipInfo("bootstrap")  # without a time, so that the same script makes the same bytes
    entry.external_attr = 0o755 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(entry, bootstrap)
    return packed.getvalue()


def fingerprint(folders: Iterable[Path]) -> str:
    """A hash over all code and data below the folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
