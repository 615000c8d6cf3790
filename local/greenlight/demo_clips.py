"""The demo's two clips, made from a real video that a registry package carries."""

import subprocess
from pathlib import Path

import iscc_samples
import zxingcpp
from PIL import Image

from moderation.media.ffmpeg import executable

SECONDS = 12
WIDTH, HEIGHT = 640, 524
CODE_FROM, CODE_TO = 4, 7
CODE_TEXT = "https://example.com/win-a-prize"


def make(folder: Path) -> tuple[Path, Path]:
    """(clean clip, the same clip with a QR code pasted over some seconds), made once per folder.

    Both are silent: sound is not heard yet, so a clip with sound would wait for a person.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean, code = folder / "clean.mp4", folder / "with-qr-code.mp4"
    if not clean.exists() or not code.exists():
        picture = folder / "code.png"
        symbol = zxingcpp.create_barcode(CODE_TEXT, zxingcpp.BarcodeFormat.QRCode)
        Image.fromarray(symbol.to_image(scale=6)).save(picture)
        shown = f"overlay=24:24:enable='between(t,{CODE_FROM},{CODE_TO})'"
        _encode(clean, [], "[v]null")
        _encode(code, ["-i", str(picture)], f"[v][1:v]{shown}")
    return clean, code


def _encode(target: Path, more_inputs: list[str], graph: str) -> None:
    source = next(path for path in iscc_samples.videos() if path.name == "demo.mp4")
    unfinished = target.with_suffix(".part.mp4")
    subprocess.run(
        [
            *(executable(), "-nostdin", "-v", "error", "-y", "-ss", "20", "-t", str(SECONDS), "-i", str(source)),
            *more_inputs,
            *("-filter_complex", f"[0:v]scale={WIDTH}:{HEIGHT}:flags=lanczos[v];{graph}[out]", "-map", "[out]"),
            *("-an", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", str(unfinished)),
        ],
        check=True,
    )
    unfinished.rename(target)
