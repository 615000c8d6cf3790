"""`greenlight library`: pictures that an owner looks out for, as the file that a template names."""

import csv
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import numpy as np
import typer
from PIL import Image
from pydantic import ValidationError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from greenlight.exits import Exit
from greenlight.weights.errors import WeightsError
from greenlight.weights.store import ensure_weights
from moderation.detectors.heads import encode
from moderation.detectors.library import FILLING, SIDE, Entry, LibraryDamaged, LibraryFile, pack
from moderation.detectors.lite import Lite
from moderation.detectors.overlays import WIDTH, Corners, calibrated, corners

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
_VISIBLE = 16
_SCENES, _LEAVES = 8, 900
_HEIGHT = WIDTH * 9 // 16

app = typer.Typer(help="Libraries of pictures to look out for: logos, flags, emblems, landmarks.", no_args_is_help=True)
_messages = Console(stderr=True)

Library = Annotated[Path, typer.Argument(help="the library, such as tv.json; its name is what a template names")]


class LibraryError(Exception):
    """A library cannot be built from these pictures; the message says why."""


class Reference(NamedTuple):
    """A picture with what it is, such as logo and tv."""

    path: Path
    label: str
    sub_label: str


@app.command()
def build(
    source: Annotated[
        Path,
        typer.Argument(help="folders such as logo/tv with pictures in them, or a CSV with path,label", exists=True),
    ],
    library: Library,
) -> None:
    """Write LIBRARY from labelled pictures. A label is written label/sub_label, such as logo/tv or terror/flag."""
    _write(library, (), references(source))


@app.command()
def add(
    library: Library,
    pictures: Annotated[list[Path], typer.Argument(help="pictures of one label", exists=True, dir_okay=False)],
    label: Annotated[str, typer.Option(help="label/sub_label, such as logo/tv")],
) -> None:
    """Add pictures to LIBRARY, or begin it with them. A picture of the same name is replaced."""
    known = _read(library).entries if library.is_file() else ()
    _write(library, known, (Reference(path, *_label(label)) for path in pictures))


@app.command(name="list")
def list_(library: Library) -> None:
    """Show what is in LIBRARY."""
    table = Table("name", "label", "size", "chance")
    for entry in _read(library).entries:
        size = f"{entry.width} x {entry.height}"
        table.add_row(entry.name, f"{entry.label}/{entry.sub_label}", size, f"{entry.chance:.2f}")
    Console().print(table)


def references(source: Path) -> Iterator[Reference]:
    """The pictures of a CSV, or of a folder of folders. Raises LibraryError."""
    if source.is_file():
        with source.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                if not row.get("path") or not row.get("label"):
                    raise LibraryError(f"{source} needs the columns path and label")
                yield Reference(source.parent / row["path"], *_label(row["label"]))
        return
    for path in sorted(source.glob("*/*/*")):
        if path.suffix.lower() in PICTURES:
            yield Reference(path, path.parts[-3], path.parts[-2])


def entry_of(reference: Reference, model: Lite) -> Entry:
    """What a library keeps of a picture. Raises LibraryError."""
    try:
        with Image.open(reference.path) as image:
            picture = image.convert("RGBA")
        picture = picture.crop(picture.getchannel("A").point(lambda level: 255 * (level >= _VISIBLE)).getbbox())
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise LibraryError(f"{reference.path} is no picture: {error}") from error
    # A shape that only its transparency draws would be one level on the same: what shows through is in between.
    ground = Image.new("RGBA", picture.size, (FILLING, FILLING, FILLING, 255))
    ground.alpha_composite(picture)
    small = picture.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    luma, alpha = small.convert("RGB").convert("L"), small.getchannel("A")
    if min(small.size) < 3:
        raise LibraryError(f"{reference.path} is too narrow to be found again")
    try:
        entry = Entry(
            name=reference.path.stem,
            label=reference.label,
            sub_label=reference.sub_label,
            width=small.width,
            height=small.height,
            luma=pack(np.asarray(luma)),
            alpha=pack(np.asarray(alpha)),
            embedding=encode(model.run(ground.convert("RGB")).embedding),
            chance=0.0,
            promise=1.0,
        )
    except ValidationError as error:
        raise LibraryError(f"{reference.path}: {error.errors()[0]['msg']}") from error
    if (entry.label, entry.sub_label) != ("logo", "tv"):
        return entry
    return calibrated(entry, [scene.levels[np.newaxis] for scene in scenes()], (_HEIGHT, WIDTH))


@cache
def scenes() -> tuple[Corners, ...]:
    """Pictures without any logo: leaves of all sizes and levels over one another, which photographs resemble."""
    drawn = []
    for number in range(_SCENES):
        random = np.random.default_rng(number)
        scene = np.full((_HEIGHT, WIDTH), FILLING, np.uint8)
        for _ in range(_LEAVES):
            size = 3 / random.uniform(0.02, 1.0)
            high, wide = (max(2, int(size * random.uniform(0.4, 2.0))) for _ in range(2))
            top, left = random.integers(-high, _HEIGHT), random.integers(-wide, WIDTH)
            scene[max(0, top) : max(0, top + high), max(0, left) : max(0, left + wide)] = random.integers(0, 256)
        drawn.append(corners(Image.fromarray(scene)))
    return tuple(drawn)


def _write(library: Path, known: Iterable[Entry], wanted: Iterable[Reference]) -> None:
    """Entries in order of label and name; whoever comes later takes the place of one of the same."""
    kept = {(entry.label, entry.sub_label, entry.name): entry for entry in known}
    try:
        weights = ensure_weights(["lite"])
        model = Lite(weights)
        for reference in track(list(wanted), "pictures", console=_messages, transient=True):
            entry = entry_of(reference, model)
            kept[entry.label, entry.sub_label, entry.name] = entry
    except (LibraryError, WeightsError, UnicodeDecodeError, csv.Error) as error:
        _fail(str(error))
    if not kept:
        _fail("there are no labelled pictures")
    digest = sha256((weights / "lite.onnx").read_bytes()).hexdigest()
    ordered = tuple(kept[key] for key in sorted(kept))
    library.write_bytes(LibraryFile(model_sha256=digest, entries=ordered).dump())
    typer.echo(library)


def _label(text: str) -> tuple[str, str]:
    label, _, sub_label = text.partition("/")
    if not label or not sub_label:
        raise LibraryError(f"{text!r} is no label: write label/sub_label, such as logo/tv")
    return label, sub_label


def _read(library: Path) -> LibraryFile:
    try:
        return LibraryFile.parse(library.read_bytes())
    except (OSError, LibraryDamaged) as error:
        _fail(f"{library}: {error}")


def _fail(problem: str) -> NoReturn:
    _messages.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.FAILED)
