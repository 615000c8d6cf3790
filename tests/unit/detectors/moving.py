"""Moving pictures drawn by a seed, and what overlays of a detector's tests are drawn on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from moderation.detectors.base import Frame, Moment
from tests.unit.detectors.conftest import files


def scene(seed: int, frames: int, size: tuple[int, int] = (640, 360), speed: int = 23) -> list[Image.Image]:
    """A camera that pans over leaves of all sizes and levels."""
    random = np.random.default_rng(seed)
    width, height = size
    wide = width + speed * frames
    world = Image.new("RGB", (wide, height), "gray")
    pen = ImageDraw.Draw(world)
    for _ in range(wide):
        x, y = float(random.uniform(-40, wide)), float(random.uniform(-40, height))
        side = 4 / float(random.uniform(0.03, 1.0))
        colour = tuple(int(level) for level in random.integers(0, 256, 3))
        pen.ellipse((x, y, x + side * float(random.uniform(0.5, 2)), y + side), fill=colour)
    return [world.crop((speed * n, 0, speed * n + width, height)) for n in range(frames)]


def still(seed: int, frames: int, size: tuple[int, int] = (640, 360)) -> list[Image.Image]:
    """A camera that does not move, and a little noise."""
    (picture,) = scene(seed, 1, size)
    random = np.random.default_rng(seed)
    levels = np.asarray(picture).astype(np.int16)
    noisy = (levels + random.integers(-3, 4, levels.shape) for _ in range(frames))
    return [Image.fromarray(np.clip(one, 0, 255).astype(np.uint8)) for one in noisy]


def pasted(below: Sequence[Image.Image], above: Sequence[Image.Image], place: tuple[int, int]) -> list[Image.Image]:
    """Each of some pictures on its own; one with transparency lets through what is below."""
    shown = []
    for under, over in zip(below, above, strict=True):
        picture = under.copy()
        picture.paste(over, place, over if over.mode == "RGBA" else None)
        shown.append(picture)
    return shown


def moments(follower: object, pictures: Sequence[Image.Image]) -> list[Moment[object]]:
    """One frame a second, noted."""
    note = follower.note  # type: ignore[attr-defined]
    return [Moment(float(n), n, note(Frame(files(picture), Path()))) for n, picture in enumerate(pictures)]
