"""How well text in pictures is read: captions and ad cards drawn with a folder's fonts, as share of characters.

    python -m tests.quality.captions FONTS [--photos FOLDER] [--small] [--seed 1] [--json]

FONTS is searched for TrueType and OpenType files. The regular fonts of twelve families write English, those that can
write Chinese as well. Captions are drawn light on dark on frames of a film at 720p, 24 pixels high, on a bar or with
an edge, level or turned by five degrees, saved as JPEG and read as frames of a video are: what the cheap glance misses
counts as missed. Ad cards are covers with a QR code. Captions that stand while the ground changes are read on each
frame by itself, and one after the other as in a video. With `--photos`, pictures without text are counted on which a
line is read. Width of characters, case and spaces do not count.
"""

import argparse
import json
import random
import subprocess
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import iscc_samples
import zxingcpp
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from greenlight.weights import ensure_weights
from moderation.detectors.base import Frame
from moderation.detectors.covers import CoverRefused, open_cover
from moderation.detectors.ocr import Ocr, SmallOcr
from moderation.media.ffmpeg import executable
from moderation.models.observation import Observation
from moderation.models.template import Form

FAMILIES = 12
HEIGHT = 24
ENGLISH = (
    "The ferry leaves at half past seven.",
    "Did anybody see where the keys went?",
    "Interest rates stay at 4.25% until June",
    "Add me on Telegram @bonus_club88 today",
    "Call 0800 555 014 or go to www.example.com",
    "I told you: it was never about the money!",
)
CHINESE = (
    "明天上午八点在火车站见面",
    "这家餐厅的菜又贵又难吃",
    "央行宣布下调存款利率百分之零点五",
    "加薇信：hao8866 免费送礼品",
    "日赚300元，在家兼职请联系客服",
    "你为什么不早一点告诉我？",
)
STYLES = ("bar", "edge")
ANGLES = (0, 5, -5)


Place = tuple[float, float, float, float]
"""left, top, right, bottom as parts of the picture"""


@dataclass(frozen=True)
class Drawn:
    """A picture file, the groups it counts for, and what it says within `place`."""

    file: bytes
    form: Form
    groups: tuple[str, ...]
    text: str
    place: Place


@dataclass(frozen=True)
class Result:
    """A group of pictures: its characters, those wrong (edits), and the share that is right."""

    group: str
    characters: int
    wrong: int
    share: float


def families(folder: Path) -> dict[str, Path]:
    """One regular font each, those with Chinese characters first, as many as are taken."""
    found: dict[str, Path] = {}
    for path in sorted([*folder.rglob("*.tt[cf]"), *folder.rglob("*.otf")]):
        name, style = ImageFont.truetype(path, HEIGHT).getname()
        if name and style in ("Regular", "Book", "Medium"):
            found.setdefault(name, path)
    return dict(sorted(found.items(), key=lambda item: (not writes_chinese(item[1]), item[0]))[:FAMILIES])


def writes_chinese(path: Path) -> bool:
    font = ImageFont.truetype(path, HEIGHT)
    return bytes(font.getmask("见")) != bytes(font.getmask("\uffff"))


def film() -> list[Image.Image]:
    """Frames of 1280 x 720 from a part of the film in which nothing is written."""
    source = next(path for path in iscc_samples.videos() if path.name == "demo.mp4")
    shape = "crop=92:52:x='(iw-ow)*t/45':y=24,scale=1280:720:flags=bicubic,noise=alls=6:allf=t,fps=1/4"
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "%02d.png")
        subprocess.run([executable(), "-v", "error", "-ss", "15", "-i", source, "-vf", shape, target], check=True)
        return [Image.open(path).convert("RGB") for path in sorted(Path(folder).iterdir())]


def captions(fonts: dict[str, Path], chance: random.Random) -> Iterator[Drawn]:
    """For each font and language every style and angle."""
    scenes = film()
    for name, path in fonts.items():
        for language, texts in (("English", ENGLISH), ("Chinese", CHINESE if writes_chinese(path) else ())):
            for style, angle in ((style, angle) for style in STYLES for angle in ANGLES if texts):
                text, page = chance.choice(texts), chance.choice(scenes)
                tile = line(text, path, style).rotate(angle, Image.Resampling.BICUBIC, expand=True)
                left, top = chance.randrange(page.width - tile.width), chance.randrange(page.height - tile.height)
                groups = ("all", language, style, "turned" if angle else "level", name)
                yield captioned(page, tile, left, top, text, groups)


def standing(fonts: dict[str, Path], chance: random.Random) -> Iterator[list[Drawn]]:
    """For each font and style a caption that stands while five scenes pass behind it."""
    scenes = film()
    for path, style in ((path, style) for path in fonts.values() for style in STYLES):
        text = chance.choice((*ENGLISH, *(CHINESE if writes_chinese(path) else ())))
        tile = line(text, path, style)
        left, top = chance.randrange(1280 - tile.width), chance.randrange(720 - tile.height)
        first = chance.randrange(len(scenes) - 4)
        yield [captioned(page, tile, left, top, text, ()) for page in scenes[first : first + 5]]


def captioned(page: Image.Image, tile: Image.Image, left: int, top: int, text: str, groups: tuple[str, ...]) -> Drawn:
    """A frame with a caption."""
    page = page.copy()
    page.paste(tile, (left, top), tile)
    place = left / 1280, top / 720, (left + tile.width) / 1280, (top + tile.height) / 720
    file = BytesIO()
    page.save(file, "JPEG", quality=85)
    return Drawn(file.getvalue(), Form.IMAGE, groups, text, place)


def line(text: str, font: Path, style: str) -> Image.Image:
    letters = ImageFont.truetype(font, HEIGHT)
    left, top, right, bottom = letters.getbbox(text)
    tile = Image.new("RGBA", (round(right - left) + 24, round(bottom - top) + 24))
    edge = 2 if style == "edge" else 0
    if not edge:
        tile.paste((20, 30, 90), (0, 0, *tile.size))
    ImageDraw.Draw(tile).text((12 - left, 12 - top), text, "white", letters, stroke_width=edge, stroke_fill="black")
    return tile


def cards(fonts: dict[str, Path], chance: random.Random) -> Iterator[Drawn]:
    """A QR code on a coloured page and two lines under it."""
    symbol = zxingcpp.create_barcode("https://example.com/join", zxingcpp.BarcodeFormat.QRCode)
    code = Image.fromarray(zxingcpp.write_barcode_to_image(symbol, scale=8, add_quiet_zones=True))
    for name, path in fonts.items():
        lines = chance.sample(CHINESE if writes_chinese(path) else ENGLISH, 2)
        page = Image.new("RGB", (900, 900), chance.choice(("#fff3d6", "#0b6e4f", "#b3001b", "#f4f4f4")))
        page.paste(code, ((900 - code.width) // 2, 120))
        ink = "black" if page.getpixel((0, 0)) in ((255, 243, 214), (244, 244, 244)) else "white"
        for number, text in enumerate(lines):
            ImageDraw.Draw(page).text((450, 640 + 90 * number), text, ink, ImageFont.truetype(path, 36), anchor="mm")
        file = BytesIO()
        page.save(file, "PNG")
        yield Drawn(file.getvalue(), Form.COVER, ("all", "ad cards", name), "".join(lines), (0.0, 0.6, 1.0, 1.0))


def read(drawn: Drawn, detector: Ocr, weights: Path) -> str:
    """What is read within the place, from top to bottom."""
    files = open_cover(drawn.file).pictures[0].files
    found = detector.observe([Frame(files, weights, drawn.form)])[0]
    return "".join(seen.text or "" for seen in found if _within(seen, drawn.place))


def _within(seen: Observation, place: Place) -> bool:
    if seen.box is None:
        return False
    x, y = seen.box.left + seen.box.width / 2, seen.box.top + seen.box.height / 2
    return place[0] <= x <= place[2] and place[1] <= y <= place[3]


def edits(one: str, other: str) -> int:
    """How many characters are put in, left out or changed from one to the other."""
    row = list(range(len(other) + 1))
    for above, left in enumerate(one, start=1):
        before, row[0] = row[0], above
        for place, character in enumerate(other, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (left != character))
    return row[-1]


def plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def invented(folder: Path, detector: type[Ocr], weights: Path) -> tuple[int, int]:
    """Pictures on which a line is read, of how many."""
    hits = total = 0
    for path in sorted(folder.rglob("*.jp*g")):
        try:
            files = open_cover(path.read_bytes()).pictures[0].files
        except CoverRefused:
            continue
        total += 1
        hits += bool(detector().observe([Frame(files, weights)])[0])
    return hits, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fonts", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--small", action="store_true", help="read with the finer networks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON and nothing else")
    options = parser.parse_args()
    weights, detector, chance = ensure_weights(), SmallOcr if options.small else Ocr, random.Random(options.seed)
    fonts = families(options.fonts)
    characters: Counter[str] = Counter()
    wrong: Counter[str] = Counter()

    def count(drawn: Drawn, reader: Ocr, groups: tuple[str, ...]) -> None:
        mistakes = min(len(plain(drawn.text)), edits(plain(drawn.text), plain(read(drawn, reader, weights))))
        for group in groups:
            characters[group] += len(plain(drawn.text))
            wrong[group] += mistakes

    for drawn in (*captions(fonts, chance), *cards(fonts, chance)):
        count(drawn, detector(), drawn.groups)
    for frames in standing(fonts, chance):
        reader = detector()
        for drawn in frames:
            count(drawn, detector(), ("standing, each frame by itself",))
            count(drawn, reader, ("standing, one after the other",))
    results = [Result(group, n, wrong[group], round(1 - wrong[group] / n, 4)) for group, n in characters.items()]
    photos = invented(options.photos, detector, weights) if options.photos else None
    if options.json:
        print(json.dumps({"groups": [asdict(result) for result in results], "photos": photos}, indent=1))
        return
    table = Table("group", "characters", "wrong", "right")
    for result in results:
        table.add_row(result.group, str(result.characters), str(result.wrong), f"{result.share:.2%}")
    Console().print(table)
    if photos:
        Console().print(f"a line is read on {photos[0]} of {photos[1]} pictures")


if __name__ == "__main__":
    main()
