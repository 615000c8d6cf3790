"""Recall and false alarms of pip and overlays, on clips with pictures and logos pasted on them.

    python -m tests.quality.overlays pip CLIPS... [--stills FOLDER]
    python -m tests.quality.overlays logos CLIPS... --logos FOLDER [--stills FOLDER]

CLIPS are folders of clips without overlays. Those shorter than five seconds are looked at four times a second and cut
together.
Of the logos seven in ten make the library; the others are pasted as what is not in it. Stills are looked at without
what is pasted: for logos as clips in which nothing moves, for pip as a camera that pans over them, and as one that
stands while something oval, of another still, moves through.
"""

import argparse
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image, ImageDraw

from greenlight.evaluate.figures import Share
from greenlight.library import Reference, entry_of
from greenlight.weights import ensure_weights
from moderation.detectors.base import Frame, Moment
from moderation.detectors.library import LibraryFile
from moderation.detectors.lite import Lite
from moderation.detectors.overlays import Overlays
from moderation.detectors.pip import Pip
from moderation.media.ffmpeg import executable
from tests.unit.detectors.conftest import files

SIZE = (640, 360)
FRAMES = 15
CLIPS = (".mp4", ".mkv", ".mov", ".webm")
SURE = (0.2, 0.25, 0.3)

Clip = list[Image.Image]


def opened(path: Path) -> Clip:
    """The frames of a clip at one size."""
    for rate in (1, 4):
        arguments = ["-v", "error", "-i", str(path), "-vf", f"fps={rate},scale={SIZE[0]}:{SIZE[1]}"]
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        shown = subprocess.run([executable(), *arguments, *raw], capture_output=True, check=False).stdout
        levels = np.frombuffer(shown, np.uint8)
        frames = levels.reshape(-1, SIZE[1], SIZE[0], 3)
        if len(frames) >= 5:
            break
    return [Image.fromarray(frame) for frame in frames]


def cut(clips: Sequence[Clip], random: np.random.Generator) -> Clip:
    """Clips one after another."""
    frames: Clip = []
    while len(frames) < FRAMES:
        frames += clips[int(random.integers(len(clips)))]
    return frames[:FRAMES]


def with_picture(below: Clip, above: Clip, random: np.random.Generator) -> Clip:
    """A fifth to half of the width, mostly with a margin, in a corner."""
    wide = int(SIZE[0] * random.uniform(0.2, 0.5))
    inner = [frame.resize((wide, wide * 9 // 16)) for frame in above]
    margin = int(random.uniform(0.01, 0.06) * SIZE[0]) if random.random() < 0.85 else 0
    return _in_corner(below, inner, margin, margin, random)


def with_logo(below: Clip, logo: Image.Image, random: np.random.Generator) -> Clip:
    """4 to 10 % of the width, in a corner."""
    wide = round(SIZE[0] * random.uniform(0.04, 0.10))
    small = logo.resize((wide, max(2, round(logo.height * wide / logo.width))), Image.Resampling.LANCZOS)
    margins = (round(SIZE[0] * random.uniform(0.01, 0.06)), round(SIZE[1] * random.uniform(0.015, 0.08)))
    return _in_corner(below, [small] * len(below), *margins, random)


def _in_corner(below: Clip, above: Clip, across: int, down: int, random: np.random.Generator) -> Clip:
    left = across if random.random() < 0.5 else SIZE[0] - above[0].width - across
    top = down if random.random() < 0.5 else SIZE[1] - above[0].height - down
    shown = [frame.copy() for frame in below]
    for frame, over in zip(shown, above, strict=False):
        frame.paste(over, (left, top), over if over.mode == "RGBA" else None)
    return shown


def panned(still: Image.Image, random: np.random.Generator) -> Clip:
    """A camera that moves over a picture."""
    wide, high = (round(side * random.uniform(1.15, 1.6)) for side in SIZE)
    whole, begin, end = still.resize((wide, high)), random.random(2), random.random(2)
    shown = []
    for share in np.linspace(0, 1, FRAMES):
        left, top = (begin * (1 - share) + end * share) * (wide - SIZE[0], high - SIZE[1])
        shown.append(whole.crop((round(left), round(top), round(left) + SIZE[0], round(top) + SIZE[1])))
    return shown


def passed(still: Image.Image, other: Image.Image, random: np.random.Generator) -> Clip:
    """A camera that stands, and something that moves through what it shows, and back."""
    size = (round(SIZE[0] * random.uniform(0.1, 0.35)), round(SIZE[1] * random.uniform(0.2, 0.8)))
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse((0, 0, *size), fill=255)
    below, thing = still.resize(SIZE), other.resize(size)
    begin, end, pace = random.random(2), random.random(2), random.uniform(0.5, 3)
    shown = []
    for n in range(FRAMES):
        share = 0.5 - 0.5 * np.cos(n * pace)
        left, top = (begin * (1 - share) + end * share) * SIZE - np.array(size) / 2
        frame = below.copy()
        frame.paste(thing, (round(left), round(top)), mask)
        shown.append(frame)
    return shown


def followed(follower: Pip | Overlays, clip: Clip) -> tuple[float, str | None]:
    """The highest score, and of what."""
    moments = [Moment(float(n), n, follower.note(Frame(files(frame), Path()))) for n, frame in enumerate(clip)]
    seen = [one for found in follower.follow(moments) for one in found]  # type: ignore[arg-type]
    best = max(seen, key=lambda one: one.score, default=None)
    return (best.score, best.text) if best else (0.0, None)


def cost(follower: Pip | Overlays, clips: Sequence[Clip]) -> None:
    """CPU of a frame that is noted, decoding included, and of a clip that is followed."""
    shown = [[Frame(files(frame), Path()) for frame in clip[:FRAMES]] for clip in clips]
    began = process_time()
    noted = [[Moment(float(n), n, follower.note(frame)) for n, frame in enumerate(clip)] for clip in shown]
    until = process_time()
    for moments in noted:
        follower.follow(moments)  # type: ignore[arg-type]
    frames, over = sum(map(len, noted)), process_time() - until
    print(f"CPU: {1000 * (until - began) / frames:.1f} ms a frame noted, ", end="")
    print(f"{1000 * over / frames:.1f} ms a frame and {1000 * over / len(noted):.0f} ms a clip followed")


def table(found: Sequence[float], alarms: Sequence[float], thresholds: Sequence[float]) -> None:
    hits, false = np.array(found), np.array(alarms)
    for threshold in thresholds:
        for name, scores in (("recall", hits), ("false alarms", false)):
            if not len(scores):
                continue
            share = Share(int((scores >= threshold).sum()), len(scores))
            print(f"{threshold:.2f} {name}: {share.hits} of {share.total}: {share}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pip", "logos"))
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--logos", type=Path)
    parser.add_argument("--stills", type=Path, nargs="*", default=[])
    parser.add_argument("--most", type=int, default=400, help="stills, evenly of all")
    parser.add_argument("--trials", type=int, default=80, help="clips made, and of logos about as many clips without")
    options = parser.parse_args()
    random = np.random.default_rng(11)
    paths = sorted(path for folder in options.clips for path in folder.rglob("*") if path.suffix in CLIPS)
    clips = [opened(path) for path in paths]
    clips = [clip for clip in clips if len(clip) >= 6]
    stills = sorted(path for folder in options.stills for path in folder.rglob("*.jpg"))
    stills = stills[:: max(1, len(stills) // options.most)][: options.most]
    if options.what == "pip":
        cost(Pip(), clips)
        found = [
            followed(Pip(), with_picture(cut(clips, random), cut(clips, random), random))[0]
            for _ in range(options.trials)
        ]
        alarms = [followed(Pip(), clip[:FRAMES])[0] for clip in clips]
        alarms += [followed(Pip(), cut(clips, random))[0] for _ in range(options.trials)]
        table(found, alarms, (0.38, 0.42, 0.45))
        pictures = [Image.open(path).convert("RGB") for path in stills]
        for moving in (
            (panned(one, random) for one in pictures),
            (passed(one, other, random) for one, other in pairwise(pictures)),
        ):
            table([], [followed(Pip(), clip)[0] for clip in moving], (0.38, 0.42, 0.45))
        return
    model = Lite(ensure_weights(["lite"]))
    logos = sorted(options.logos.glob("*.png"))
    entries = tuple(entry_of(Reference(path, "logo", "tv"), model) for n, path in enumerate(logos) if n % 10 < 7)
    overlays = Overlays({"tv": LibraryFile(model_sha256="0" * 64, entries=entries).dump()})
    shown: list[tuple[Path, Image.Image]] = [(path, _visible(Image.open(path).convert("RGBA"))) for path in logos]
    known, other = ([one for n, one in enumerate(shown) if (n % 10 < 7) is inside] for inside in (True, False))
    scores = []
    for n in range(options.trials):
        path, logo = known[n % len(known)]
        score, name = followed(overlays, with_logo(clips[int(random.integers(len(clips)))][:FRAMES], logo, random))
        scores.append(score if name == path.stem else 0.0)
    cost(overlays, clips)
    alarms = [followed(overlays, clip[:FRAMES])[0] for clip in clips]
    for n, clip in enumerate(clips):
        alarms.append(followed(overlays, with_logo(clip[:FRAMES], other[n % len(other)][1], random))[0])
    table(scores, alarms, SURE)
    if stills:
        table([], [followed(overlays, [Image.open(path).convert("RGB").resize(SIZE)])[0] for path in stills], SURE)


def _visible(logo: Image.Image) -> Image.Image:
    return logo.crop(logo.getchannel("A").getbbox())


if __name__ == "__main__":
    main()
