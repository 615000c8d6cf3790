"""The clips that are measured on, made once from a real video and kept in the cache folder."""

import subprocess
from pathlib import Path

import iscc_samples
from PIL import Image, ImageDraw, ImageFont

from greenlight.paths import cache_folder
from moderation.media.ffmpeg import executable

FRAMES_A_SECOND = 25
GRAIN = "noise=alls=6:allf=t"
"""Film grain, so that an enlarged picture costs the decoder what a real one of that size does."""


def _source() -> Path:
    return next(path for path in iscc_samples.videos() if path.name == "demo.mp4")


def _make(name: str, arguments: list[str]) -> Path:
    folder = cache_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        unfinished = path.with_suffix(".part.mp4")
        subprocess.run([executable(), "-v", "error", "-y", *arguments, str(unfinished)], check=True)
        unfinished.rename(path)
    return path


def motion(height: int, seconds: int) -> Path:
    """Full motion in 16:9 at the given height, H.264 with B-frames, a key frame at least every 10 s, no sound."""
    width = height * 16 // 9
    shape = f"scale={width}:{height}:flags=bicubic,{GRAIN},format=yuv420p"
    encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-r", str(FRAMES_A_SECOND)]
    source = ["-stream_loop", "-1", "-i", str(_source()), "-t", str(seconds), "-vf", shape]
    return _make(f"motion-{height}-{seconds}.mp4", [*source, *encode])


def largest() -> Path:
    """A second of the largest picture that is taken in, as much of it kept by the decoder as H.264 allows there."""
    source = ["-stream_loop", "-1", "-i", str(_source()), "-t", "1", "-vf", "scale=8192:4320,format=yuv420p"]
    return _make("largest.mp4", [*source, "-an", "-c:v", "libx264", "-preset", "veryfast", "-refs", "5", "-r", "12"])


def long(height: int, times: int) -> Path:
    """The 60-second clip over and over, packets copied."""
    once = motion(height, 60)
    return _make(f"long-{height}-{times}.mp4", ["-stream_loop", str(times - 1), "-i", str(once), "-c", "copy"])


def slides(height: int, seconds: int, each: int = 5) -> Path:
    """A photo every `each` seconds, standing still in between."""
    width = height * 16 // 9
    hold = f"select='isnan(prev_selected_t)+gte(t-prev_selected_t,{each})',scale={width}:{height},fps={FRAMES_A_SECOND}"
    encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    source = ["-stream_loop", "-1", "-i", str(_source())]
    return _make(f"slides-{height}-{seconds}.mp4", [*source, "-t", str(seconds), "-vf", hold, *encode])


def plain(height: int, seconds: int) -> Path:
    """Full motion without any text: heads and hands of the film, above what is written on shirts and below."""
    return _make(f"plain-{height}-{seconds}.mp4", [*_without_text(height, seconds, []), *_ENCODE])


def news(height: int, seconds: int) -> Path:
    """The same with a channel's name, a headline on a bar for ten seconds each, and subtitles for three each."""
    folder = cache_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[tuple[Image.Image, float, float]] = []
    for number in range(-(-seconds // _HEADLINE_SECONDS)):
        pictures.append((_headline(height, number), number * _HEADLINE_SECONDS, (number + 1) * _HEADLINE_SECONDS))
    for number in range(-(-seconds // _SUBTITLE_SECONDS)):
        pictures.append((_subtitle(height, number), number * _SUBTITLE_SECONDS, (number + 1) * _SUBTITLE_SECONDS - 0.5))
    shown: list[tuple[Path, float, float]] = []
    for number, (picture, start, end) in enumerate(pictures):
        path = folder / f"news-{height}-{number}.png"
        picture.save(path)
        shown.append((path, start, end))
    return _make(f"news-{height}-{seconds}.mp4", [*_without_text(height, seconds, shown), *_ENCODE])


_ENCODE = ("-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-r", str(FRAMES_A_SECOND))
_HEADLINE_SECONDS, _SUBTITLE_SECONDS = 10, 3
_HEADLINES = (
    "Ferries to the islands stay in port until Sunday",
    "City council votes on new tram line tonight",
    "Researchers count 412 species in one garden",
    "Rain in the north, sunny spells in the south",
)
_SUBTITLES = (
    "We have waited for this for a long time.",
    "And what will you do when it is over?",
    "Nobody told us that the bridge was closed.",
    "It began with three people in a kitchen.",
    "They come here every summer, with their children.",
)


def _without_text(height: int, seconds: int, shown: list[tuple[Path, float, float]]) -> list[str]:
    """ffmpeg's arguments for the film without its text, and pictures over it from and until their times."""
    width = height * 16 // 9
    pan = "crop=92:52:x='(iw-ow)*(0.5+0.5*sin(t/3))':y=24"
    chain = f"[0:v]{pan},scale={width}:{height}:flags=bicubic,{GRAIN},format=yuv420p[v0]"
    inputs = ["-stream_loop", "-1", "-ss", "15", "-i", str(_source())]
    for number, (path, start, end) in enumerate(shown):
        inputs += ["-i", str(path)]
        chain += f";[v{number}][{number + 1}:v]overlay=enable='between(t,{start},{end})'[v{number + 1}]"
    return [*inputs, "-filter_complex", chain, "-map", f"[v{len(shown)}]", "-t", str(seconds)]


def _headline(height: int, number: int) -> Image.Image:
    """A bar below with a headline, and the channel's name above."""
    picture, unit = Image.new("RGBA", (height * 16 // 9, height)), height / 720
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 600 * unit, 1280 * unit, 660 * unit), fill=(20, 40, 110))
    draw.text((60 * unit, 630 * unit), _HEADLINES[number % 4], "white", ImageFont.load_default(32 * unit), anchor="lm")
    draw.rectangle((1120 * unit, 30 * unit, 1240 * unit, 70 * unit), fill=(150, 0, 0))
    draw.text((1180 * unit, 50 * unit), "NEWS 9", "white", ImageFont.load_default(26 * unit), anchor="mm")
    return picture


def _subtitle(height: int, number: int) -> Image.Image:
    """A line in white with a black edge on the picture itself."""
    picture, unit = Image.new("RGBA", (height * 16 // 9, height)), height / 720
    font = ImageFont.load_default(28 * unit)
    place = (640 * unit, 560 * unit)
    edge = round(2 * unit)
    text = _SUBTITLES[number % 5]
    ImageDraw.Draw(picture).text(place, text, "white", font, anchor="mm", stroke_width=edge, stroke_fill="black")
    return picture
