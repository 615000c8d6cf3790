"""Whether skipping near-duplicates hides anything: clips scanned with it and without it.

    python -m tests.quality.skipping FOLDER [--template strict]
    python -m tests.quality.skipping FOLDER --things

Of FOLDER each clip is scanned, and the pictures of each folder in it as a slide show. With `--things`, its pictures are
instead the still scenes of a fixed camera into which small things come for a second and go again: told is which of them
nobody looks at, and of which codes and texts a label is lost by that. Exit code 1 where a label is hidden.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from math import ceil
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import zxingcpp
from PIL import Image, ImageDraw, ImageFont, ImageOps

from greenlight.scan import scan
from greenlight.weights import ensure_weights
from moderation.media import frames
from moderation.media.ffmpeg import executable
from moderation.media.frames import extract_segment
from moderation.media.plan import make_plan
from moderation.models.plan import FrameSize
from moderation.models.template import Form, Template
from moderation.services.templates import load_template

PICTURES = (".jpg", ".jpeg", ".png")
CLIPS = (".mp4", ".mkv", ".mov", ".webm", ".m4v", ".gif")
SIZE = (1280, 720)
RATE = 5
SLIDE_SECONDS = 2
MOST_SECONDS = 600.0
CONTACT = "Add me on Telegram @bonus_club88"
LINK = "https://example.com/win-a-prize"

Label = tuple[str, int]
"""What was found, as label/sub_label, and in which second."""


class Thing(NamedTuple):
    """A small picture, and where in the scene its upper left corner is."""

    name: str
    picture: Image.Image
    left: int
    top: int


class Looked(NamedTuple):
    """What a scan found, and of how many frames how many were not looked at."""

    labels: frozenset[Label]
    frames: int
    skipped: int


def scanned(clip: Path, template: Template, *, skipping: bool = True) -> Looked:
    """A clip as the command line scans it, with near-duplicates skipped or scored like any other frame."""
    with nullcontext() if skipping else patch.object(frames, "_alike", lambda one, other: False):
        verdict = scan(clip, template, weights=ensure_weights()).verdict
    if verdict is None:
        raise RuntimeError(f"{clip} was refused")
    labels = frozenset(
        (f"{one.label}/{one.sub_label}", second)
        for one in verdict.segments
        for second in range(ceil(verdict.duration))
        if one.start <= second + 0.5 < one.end
    )
    return Looked(labels, verdict.coverage.frames_planned, verdict.coverage.duplicates)


def unseen(clip: Path, shown: Mapping[int, Thing]) -> list[Thing]:
    """The things, by the second in which they are shown, of which no frame is looked at."""
    until = time.monotonic() + MOST_SECONDS
    plan = make_plan(clip, interval=1.0, deadline=until)
    looked: set[int] = set()
    for span in plan.segments:
        with tempfile.TemporaryDirectory() as folder:
            size = FrameSize(name="detail", side="long", pixels=64)
            found = extract_segment(clip, plan, span.index, sizes=[size], deadline=until, folder=Path(folder)).frames
            looked |= {int(entry.time + 1e-3) for entry in found.frames if entry.duplicate_of is None}
    return [thing for second, thing in shown.items() if second not in looked]


def film(path: Path, pictures: Sequence[Image.Image], seconds: int) -> Path:
    """A clip that shows each picture for so long, from a camera that does not move."""
    coded = ("-c:v", "libx264", "-preset", "veryfast", "-g", str(10 * RATE), "-pix_fmt", "yuv420p")
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*SIZE), "-r", str(RATE), "-i", "-")
    command = [executable(), "-nostdin", "-v", "error", "-y", *raw, *coded, f"file:{path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        for picture in pictures:
            running.stdin.write(picture.tobytes() * seconds * RATE)
    if running.returncode:
        raise RuntimeError(f"{path} could not be made")
    return path


def visited(scene: Image.Image, things: Sequence[Thing]) -> tuple[list[Image.Image], dict[int, Thing]]:
    """A scene second by second, while one thing after the other comes and goes; and which of them is there when."""
    slides, shown = [scene], {}
    for thing in things:
        shown[len(slides)] = thing
        with_it = scene.copy()
        with_it.paste(thing.picture, (thing.left, thing.top), thing.picture.convert("RGBA"))
        slides += [with_it, scene]
    return slides, shown


def code(side: int, grey: int = 255) -> Image.Image:
    symbol = zxingcpp.create_barcode(LINK, zxingcpp.BarcodeFormat.QRCode).to_image(scale=8)
    return ImageOps.colorize(Image.fromarray(symbol).convert("L").resize((side, side)), "black", (grey,) * 3)


def line(height: int, color: str) -> Image.Image:
    """A line of text without a ground of its own, its letters so many pixels high with their descenders."""
    font = ImageFont.load_default(height * 0.8)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(CONTACT))
    picture = Image.new("RGBA", (right - left, bottom - top))
    ImageDraw.Draw(picture).text((-left, -top), CONTACT, color, font)
    return picture


def pistol(length: int, level: int) -> Image.Image:
    """The outline of one, of one level of grey."""
    picture = Image.new("RGBA", (400, 260))
    outline = [
        (0, 20),
        (390, 20),
        (390, 90),
        (180, 90),
        (170, 140),
        (120, 140),
        (95, 250),
        (15, 250),
        (45, 110),
        (0, 80),
    ]
    ImageDraw.Draw(picture).polygon(outline, (level, level, level, 255))
    return picture.resize((length, length * 26 // 40), Image.Resampling.LANCZOS)


def things() -> Iterator[Thing]:
    """Things as small as a detector may find them, or smaller, at places of all parts of the picture."""
    made = [(f"QR code of {side} pixels", code(side)) for side in (45, 60, 90)]
    made += [
        (f"{color} text of {high} pixels", line(high, color))
        for high in (14, 20)
        for color in ("white", "gray", "black")
    ]
    made += [
        (f"pistol of {long} pixels, level {level}", pistol(long, level)) for long in (24, 40, 80) for level in (20, 90)
    ]
    for number, (name, picture) in enumerate(made):
        across, down = (number * 37 % 100) / 100, (number * 61 % 100) / 100
        yield Thing(name, picture, int(across * (SIZE[0] - picture.width)), int(down * (SIZE[1] - picture.height)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--things", action="store_true", help="things come into its pictures and go")
    parser.add_argument("--template", default="strict")
    options = parser.parse_args()
    pictures = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in PICTURES)
    if options.things:
        sys.exit(_things(pictures))
    clips = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in CLIPS)
    shows = sorted({path.parent for path in pictures})
    template = load_template(options.template)
    hidden = 0
    with tempfile.TemporaryDirectory() as place:
        for number, folder in enumerate(shows):
            slides = [fitted(path) for path in pictures if path.parent == folder]
            clips.append(film(Path(place) / f"{number} {folder.name}.mp4", slides, SLIDE_SECONDS))
        for clip in clips:
            with_it, without = (scanned(clip, template, skipping=skipping) for skipping in (True, False))
            lost = sorted(without.labels - with_it.labels)
            hidden += bool(lost)
            found = sorted({label for label, _ in without.labels})
            print(f"{clip.stem}: {with_it.skipped} of {with_it.frames} skipped; found {found}, hidden {lost}")
    print(f"{hidden} of {len(clips)} clips with a hidden label")
    sys.exit(1 if hidden else 0)


def fitted(path: Path) -> Image.Image:
    """A picture that fills the frame."""
    with Image.open(path) as picture:
        return ImageOps.fit(picture.convert("RGB"), SIZE)


def _things(pictures: Sequence[Path]) -> int:
    """How many labels are hidden."""
    strict, shown = load_template("strict"), list(things())
    read = tuple(rule for rule in strict.rules if rule.forms & {Form.CODE, Form.OCR})
    template = strict.model_copy(update={"rules": read})
    missed: Counter[str] = Counter()
    found: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        for path in pictures:
            slides, visits = visited(fitted(path), shown)
            scene = film(Path(place) / "scene.mp4", slides, 1)
            missed.update(thing.name for thing in unseen(scene, visits))
            with_it, without = (scanned(scene, template, skipping=skipping) for skipping in (True, False))
            found.update(visits[second].name for _, second in without.labels if second in visits)
            hidden.update(visits[second].name for _, second in without.labels - with_it.labels if second in visits)
    print(f"of {len(pictures)} scenes: not looked at, labels found when everything is looked at, hidden")
    for thing in shown:
        print(f"{thing.name}: {missed[thing.name]}, {found[thing.name]}, {hidden[thing.name]}")
    return min(1, hidden.total())


if __name__ == "__main__":
    main()
