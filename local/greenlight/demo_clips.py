"""The demo's two clips, made from a real video that a registry package carries, and a speech in the public domain."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import iscc_samples
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from moderation.media.ffmpeg import executable

SECONDS = 12
WIDTH, HEIGHT = 640, 524
CODE_FROM, CODE_TO = 4, 7
CODE_TEXT = "https://example.com/win-a-prize"
CAPTION_FROM, CAPTION_TO = 2, 9
CAPTION_TEXT = "What can you do for your country?"
SPEECH = Path(__file__).with_name("demo_speech.mp3")
"""From the inaugural address of John F. Kennedy, a work of the United States government: in the public domain."""


def make(folder: Path) -> tuple[Path, Path]:
    """(clip with a caption and a speech, the same pictures with a QR code over some seconds), once per folder."""
    folder.mkdir(parents=True, exist_ok=True)
    speech, code = folder / "speech.mp4", folder / "with-qr-code.mp4"
    if not speech.exists() or not code.exists():
        caption, symbol = folder / "caption.png", folder / "code.png"
        _caption().save(caption)
        barcode = zxingcpp.create_barcode(CODE_TEXT, zxingcpp.BarcodeFormat.QRCode)
        Image.fromarray(barcode.to_image(scale=6)).save(symbol)
        spoken = ("-i", str(SPEECH)), ("-map", "2:a", "-c:a", "aac", "-b:a", "96k")
        _encode(speech, caption, f"(W-w)/2:H-h-24:enable='between(t,{CAPTION_FROM},{CAPTION_TO})'", *spoken)
        _encode(code, symbol, f"24:24:enable='between(t,{CODE_FROM},{CODE_TO})'", (), ("-an",))
    return speech, code


def _caption() -> Image.Image:
    picture = Image.new("RGB", (520, 44), "black")
    ImageDraw.Draw(picture).text((260, 22), CAPTION_TEXT, "white", ImageFont.load_default(28), "mm")
    return picture


def _encode(target: Path, over: Path, where: str, sound: Sequence[str], coded: Sequence[str]) -> None:
    source = next(path for path in iscc_samples.videos() if path.name == "demo.mp4")
    unfinished = target.with_suffix(".part.mp4")
    graph = f"[0:v]scale={WIDTH}:{HEIGHT}:flags=lanczos[v];[v][1:v]overlay={where}[out]"
    subprocess.run(
        [
            *(executable(), "-nostdin", "-v", "error", "-y", "-ss", "20", "-t", str(SECONDS), "-i", str(source)),
            *("-i", str(over), *sound, "-filter_complex", graph, "-map", "[out]", *coded),
            *("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", str(unfinished)),
        ],
        check=True,
    )
    unfinished.rename(target)
