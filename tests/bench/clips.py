"""The clips that are measured on, made once from a real video and kept in the cache folder."""

import subprocess
from pathlib import Path

import iscc_samples

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
