"""Real clips for the whole way, a few seconds each and made once per session, and pictures to go with them."""

import struct
from functools import cache
from pathlib import Path

import iscc_samples
import zxingcpp
from PIL import Image

from greenlight.demo_clips import SPEECH
from tests.media_samples import make, path

CODE_TEXT = "https://example.com/win-a-prize"
CODE_FROM, CODE_TO = 1, 2
CODES = 23
"""Codes that come and go in `blinking`."""

_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
_SPOKEN = ("-vf", "scale=320:240", "-c:a", "aac", "-shortest", "-g", "4", *_H264)
SPOKEN_WORDS = "ask not what your country can do for you"
_SCENE = ("-ss", "20", "-t", "3")
_SHAPE = "scale=320:262,fps=15"


def _sample(name: str) -> Path:
    found = (*iscc_samples.videos(), *iscc_samples.audios(), *iscc_samples.images())
    return next(file for file in found if file.name == name)


@cache
def clean() -> Path:
    """Three silent seconds of a real film, in which there is nothing to find."""
    return make("clean.mp4", *_SCENE, "-i", _sample("demo.mp4"), "-vf", _SHAPE, "-an", *_H264)


@cache
def short() -> Path:
    """One silent second, as small as can be: for tests that care about many files rather than what is in them."""
    return make("short.mp4", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=1", "-an", *_H264)


@cache
def code() -> Path:
    """The same with a QR code over its middle."""
    shown = f"[0:v]{_SHAPE}[v];[v][1:v]overlay=20:20:enable='between(t,{CODE_FROM},{CODE_TO})'[out]"
    source = (*_SCENE, "-i", _sample("demo.mp4"), "-i", code_picture())
    return make("code.mp4", *source, "-filter_complex", shown, "-map", "[out]", "-an", *_H264)


@cache
def with_sound() -> Path:
    """The same with its sound."""
    return make("with-sound.mp4", *_SCENE, "-i", _sample("demo.mp4"), "-vf", _SHAPE, "-c:a", "aac", *_H264)


@cache
def speech() -> Path:
    """Eleven seconds in which somebody speaks, over a still picture."""
    return make("speech.mp4", "-loop", "1", "-framerate", "4", "-i", _sample("demo.jpg"), "-i", SPEECH, *_SPOKEN)


@cache
def spoken() -> Path:
    """The same without a picture."""
    return make("spoken.m4a", "-i", SPEECH, "-c:a", "aac")


@cache
def sound() -> Path:
    """Two seconds of sound without a picture."""
    return make("sound.mp3", "-t", "2", "-i", _sample("demo.mp3"), "-c:a", "libmp3lame")


@cache
def blinking() -> Path:
    """46 seconds in two segments of work: a QR code shows in the first half of every two seconds, 23 times.

    It is a still picture otherwise, so that most frames are near-duplicates and little has to be looked at.
    """
    still = ("-loop", "1", "-framerate", "4", "-t", str(2 * CODES), "-i")
    shown = "[0:v]scale=320:240[v];[v][1:v]overlay=20:20:shortest=1:enable='lt(mod(t,2),1)'[out]"
    inputs = (*still, _sample("demo.jpg"), *still, code_picture())
    return make("blinking.mp4", *inputs, "-filter_complex", shown, "-map", "[out]", "-g", "4", *_H264)


@cache
def text() -> Path:
    """No video, whatever its name says."""
    path("text.mp4").write_bytes(b"this is no video, whatever its name says\n" * 100)
    return path("text.mp4")


@cache
def playlist() -> Path:
    """A list that would make a careless ffmpeg read other files."""
    path("playlist.mp4").write_text("ffconcat version 1.0\nfile /etc/passwd\nfile text.mp4\n")
    return path("playlist.mp4")


@cache
def padded(clip: Path, size: int) -> Path:
    """The same clip in exactly `size` bytes: players skip the box that fills it up. Takes no room on disk."""
    target = path(f"{clip.stem}-{size}.mp4")
    content = clip.read_bytes()
    with target.open("wb") as file:
        file.write(content + struct.pack(">I4s", size - len(content), b"free"))
        file.truncate(size)
    return target


@cache
def picture() -> Path:
    """A photo in which there is nothing to find."""
    return _sample("demo.jpg")


@cache
def code_picture() -> Path:
    """A QR code."""
    symbol = zxingcpp.create_barcode(CODE_TEXT, zxingcpp.BarcodeFormat.QRCode)
    Image.fromarray(symbol.to_image(scale=4)).save(path("code.png"))
    return path("code.png")


@cache
def broken_picture() -> Path:
    """The beginning of a photo, and then nothing."""
    path("broken.jpg").write_bytes(picture().read_bytes()[:2000])
    return path("broken.jpg")
