"""How well codes, pictures of a library and small weapons are found, in pictures as they are, altered, or drawn here.

    python -m tests.quality.pictures qr CODES
    python -m tests.quality.pictures round PHOTOS
    python -m tests.quality.pictures known REFERENCES --others PHOTOS [--pasted FOLDER]
    python -m tests.quality.pictures small WEAPONS --others PHOTOS

`qr` holds the detector of codes against zxing-cpp alone on the same pictures. `round` draws codes of no maker's on
photographs of 1280 x 720: turned, blurred, 12 to 60 % of the height. `known` makes a library of REFERENCES and shows
two altered copies of each (turned by up to 8 degrees, cropped by up to a third, lit otherwise, half of them mirrored,
compressed), other pictures, and those of `--pasted`, NAME_….jpg being one in which the reference NAME is somewhere.
`small` pastes pictures with weapons, and as many without, in the small into photographs of 1280 x 720, and tells what
the whole picture says of them and what close-ups of people add, where they are asked for and if they always were.
Of each folder as many pictures as `--most` are taken, always the same. Intervals are of 95 %.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import zxingcpp
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from greenlight.evaluate.figures import Share
from greenlight.library import Reference, entry_of
from greenlight.weights import ensure_weights
from moderation.detectors import weapons
from moderation.detectors.base import Frame
from moderation.detectors.codes import FORMATS, Codes
from moderation.detectors.covers import open_cover
from moderation.detectors.library import LibraryFile
from moderation.detectors.likeness import Likeness
from moderation.detectors.lite import Lite
from moderation.models.observation import Observation
from tests.unit.detectors.conftest import files
from tests.unit.detectors.test_codes import round_code

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SIZE = (1280, 720)
ROUND = 60
LARGE = 0.24
"""Of the height: smaller round codes are counted apart."""
COPIES = 2
SMALL = (0.3, 0.5)
"""Of the height: what a picture takes up that is shown in the small."""
Found = tuple[float, str]


def pictures(folder: Path, most: int) -> list[Path]:
    """As many as are asked for, in an order that is neither that of names nor of chance."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in PICTURES]
    return sorted(found, key=lambda path: sha256(path.name.encode()).digest())[:most]


def frame(path: Path, weights: Path) -> Frame:
    """A picture as it would come from a cover."""
    return Frame(open_cover(path.read_bytes()).pictures[0].files, weights)


def best(detector: Codes | Likeness, shown: Frame, sub_label: str) -> Found:
    """The highest score for one sub_label and its text; nothing is 0."""
    (seen,) = detector.observe([shown])
    found: list[Observation] = [one for one in seen if one.sub_label == sub_label]
    return max(((one.score, one.text or "") for one in found), default=(0.0, ""))


def table(rows: Mapping[str, Sequence[float]], thresholds: Sequence[float]) -> None:
    """Of each row how many scores reach each threshold."""
    print("| pictures | " + " | ".join(f"≥ {threshold:.2f}" for threshold in thresholds) + " |")
    print("|---" * (len(thresholds) + 1) + "|")
    for name, scores in rows.items():
        shares = [Share(sum(score >= threshold for score in scores), len(scores)) for threshold in thresholds]
        print(f"| {name} | " + " | ".join(f"{share.hits} of {share.total}: {share}" for share in shares) + " |")


def qr(folder: Path, most: int) -> None:
    scores, read, alone = [], [], []
    for path in pictures(folder, most):
        score, text = best(Codes(), frame(path, Path()), "qrcode")
        scores.append(score)
        read.append(float(bool(text)))
        found = zxingcpp.read_barcodes(Image.open(path).convert("L"), formats=FORMATS)
        alone.append(float(any("QR" in str(code.format) for code in found)))
    table({"found": scores, "with text": read, "zxing-cpp alone": alone}, (0.6,))


def round_codes(folder: Path, most: int) -> None:
    random = np.random.default_rng(7)
    photos = [ImageOps.fit(Image.open(path).convert("RGB"), SIZE) for path in pictures(folder, most)]
    scores: dict[str, list[float]] = {"large codes": [], "smaller codes": [], "photographs without": []}
    for number in range(ROUND):
        part = random.uniform(0.12, 0.6)
        code = round_code(round(part * SIZE[1])).rotate(
            random.uniform(-45, 45), expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC
        )
        code.thumbnail(SIZE)
        place = [int(random.integers(0, whole - side + 1)) for whole, side in zip(SIZE, code.size, strict=True)]
        photo = photos[number % len(photos)].copy()
        photo.paste(code, (place[0], place[1]))
        shown = files(photo.filter(ImageFilter.GaussianBlur(random.uniform(0, 1.5))))
        name = "large codes" if part >= LARGE else "smaller codes"
        scores[name].append(best(Codes(), Frame(shown, Path()), "programcode")[0])
    scores["photographs without"] = [best(Codes(), Frame(files(one), Path()), "programcode")[0] for one in photos]
    table(scores, (0.46, 0.50))


def altered(path: Path, random: np.random.Generator) -> Iterator[Image.Image]:
    """Copies as they are passed on."""
    whole = Image.open(path).convert("RGB")
    for number in range(COPIES):
        copy = whole.rotate(random.uniform(-8, 8), resample=Image.Resampling.BICUBIC)
        kept = random.uniform(2 / 3, 1, 2)
        across, down = (
            int(random.integers(0, side - int(side * part) + 1)) for side, part in zip(copy.size, kept, strict=True)
        )
        copy = copy.crop((across, down, across + int(copy.width * kept[0]), down + int(copy.height * kept[1])))
        copy = ImageEnhance.Brightness(copy).enhance(random.uniform(0.7, 1.3))
        copy = ImageOps.mirror(copy) if number % 2 else copy
        file = BytesIO()
        copy.save(file, "JPEG", quality=int(random.integers(40, 90)))
        yield Image.open(file)


def known(references: Path, others: Path, pasted: Path | None, most: int) -> None:
    weights = ensure_weights(["lite"])
    model, random = Lite(weights), np.random.default_rng(7)
    chosen = pictures(references, most)
    entries = tuple(entry_of(Reference(path, "terror", "flag"), model) for path in chosen)
    detector = Likeness({"known": LibraryFile(model_sha256="0" * 64, entries=entries).dump()})

    def named(shown: Frame, name: str) -> float:
        score, text = best(detector, shown, "flag")
        return score if text == name else 0.0

    copies = [named(Frame(files(copy), weights), path.stem) for path in chosen for copy in altered(path, random)]
    names = {path.stem for path in chosen}
    foreign = [path for path in pictures(others, 2 * most + len(chosen)) if path.stem not in names][: 2 * most]
    rows = {"altered copies": copies, "others": [best(detector, frame(path, weights), "flag")[0] for path in foreign]}
    if pasted is not None:
        within = [path for path in pictures(pasted, 10 * most) if path.stem.partition("_")[0] in names]
        rows["pasted"] = [named(frame(path, weights), path.stem.partition("_")[0]) for path in within]
    table(rows, (0.60, 0.65, 0.70, 0.75))


def small(armed: Path, others: Path, most: int) -> None:
    folder, random = ensure_weights(["lite", "nanodet"]), np.random.default_rng(7)
    scenes = [ImageOps.fit(Image.open(path).convert("RGB"), SIZE) for path in pictures(others, most)]
    things = {"weapons": pictures(armed, most), "others": pictures(others, 2 * most)[most:]}
    rows: dict[str, list[float]] = {}
    for part, (kind, paths) in product(SMALL, things.items()):
        for path, scene in zip(paths, scenes, strict=False):
            thing, shown = Image.open(path).convert("RGB"), scene.copy()
            thing.thumbnail((SIZE[0], round(part * SIZE[1])))
            left, top = (int(random.integers(0, side - own + 1)) for side, own in zip(SIZE, thing.size, strict=True))
            shown.paste(thing, (left, top))
            looked_at = Frame(files(shown), folder)
            for name, asked in (("whole", 1.0), ("with close-ups", weapons._ASKED), ("always", 0.0)):
                with patch.object(weapons, "_ASKED", asked):
                    score = weapons.Weapons().observe([looked_at])[0][0].score
                rows.setdefault(f"{kind}, {part:.0%} of the height: {name}", []).append(score)
    table(rows, (0.16, 0.44, 0.60, 0.85))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("qr", "round", "known", "small"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--others", type=Path, help="pictures of which none is a reference")
    parser.add_argument("--pasted", type=Path)
    parser.add_argument("--most", type=int, default=100)
    options = parser.parse_args()
    if options.what in {"known", "small"} and options.others is None:
        parser.error(f"{options.what} needs --others")
    if options.what == "known":
        known(options.folder, options.others, options.pasted, options.most)
    elif options.what == "small":
        small(options.folder, options.others, options.most)
    else:
        {"qr": qr, "round": round_codes}[options.what](options.folder, options.most)


if __name__ == "__main__":
    main()
