"""Embeddings and tags of pictures, computed once each and kept in one file of the cache folder."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from greenlight.heads.errors import HeadsError
from moderation.detectors.catalog import CLASSIFY
from moderation.detectors.heads import TAGS, WIDTH
from moderation.detectors.lite import Lite

Floats = npt.NDArray[np.float32]

_RECORD = np.dtype([("key", "V32"), ("embedding", "<f2", (WIDTH,)), ("chances", "<f2", (TAGS,))])
_ROTATION = 8.0
_CROP = 0.35
_BRIGHTNESS = 0.25
_QUALITY = 90
_AHEAD = 64


class Looks(NamedTuple):
    """What the model says: embeddings, (1 + altered copies) x pictures x 1280, and so the chances of its 1000 tags."""

    embeddings: Floats
    chances: Floats


def embed(
    paths: Sequence[Path],
    *,
    weights: Path,
    cache: Path,
    altered: int = 0,
    progress: Callable[[int], None] = lambda count: None,
) -> Looks:
    """The looks of pictures, `altered` copies each included.

    `cache` is a file that grows with every picture, so that an interrupted run goes on where it stopped; give another
    one for other weights. `progress` is told how many looks are there in addition. Raises HeadsError for a file
    that is no picture.
    """
    known = _read(cache)
    model = Lite(weights)

    def one(work: tuple[Path, int]) -> tuple[np.void, bool]:
        path, copy = work
        content = path.read_bytes()
        key = sha256(content + bytes([copy])).digest()
        if key in known:
            return known[key], False
        try:
            with Image.open(BytesIO(content)) as image:
                picture = image.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise HeadsError(f"{path} is no picture: {error}") from error
        seen = model.run(extracted(alter(picture, Random(key)) if copy else picture))
        record: np.void = np.array([(key, seen.embedding, seen.chances)], _RECORD)[0]
        return record, True

    found = np.empty((1 + altered) * len(paths), _RECORD)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("ab") as file, ThreadPoolExecutor(2) as pool:
        works = [(path, copy) for copy in range(1 + altered) for path in paths]
        for start in range(0, len(works), _AHEAD):
            for number, (record, is_new) in enumerate(pool.map(one, works[start : start + _AHEAD]), start):
                if is_new:
                    file.write(record.tobytes())
                found[number] = record
                progress(1)
            file.flush()
    shaped = found.reshape(1 + altered, len(paths))
    return Looks(shaped["embedding"].astype(np.float32), shaped["chances"].astype(np.float32))


def extracted(picture: Image.Image) -> Image.Image:
    """A picture as the extract step hands it to detectors: the shorter side 256, a JPEG of its own."""
    scale = CLASSIFY.pixels / min(picture.size)
    small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    file = BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return Image.open(file).convert("RGB")


def alter(picture: Image.Image, chance: Random) -> Image.Image:
    """Turned, cropped and lit a little otherwise, without the black corners that turning leaves."""
    turned = picture.rotate(chance.uniform(-_ROTATION, _ROTATION), Image.Resampling.BICUBIC)
    # Turned by 8 degrees, a rectangle loses up to an eighth of each side to the corners.
    margin = 0.08
    width, height = (round(side * (1 - 2 * margin) * chance.uniform(1 - _CROP + 0.16, 1)) for side in picture.size)
    left = chance.uniform(margin * picture.width, (1 - margin) * picture.width - width)
    top = chance.uniform(margin * picture.height, (1 - margin) * picture.height - height)
    cropped = turned.crop((round(left), round(top), round(left) + max(1, width), round(top) + max(1, height)))
    lit = ImageEnhance.Brightness(cropped).enhance(chance.uniform(1 - _BRIGHTNESS, 1 + _BRIGHTNESS))
    return lit.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else lit


def _read(cache: Path) -> dict[bytes, np.void]:
    """What is kept already. A last record that was cut short is taken away, so that the next ones stay in step."""
    if not cache.is_file():
        return {}
    whole = cache.stat().st_size // _RECORD.itemsize * _RECORD.itemsize
    with cache.open("r+b") as file:
        file.truncate(whole)
    return {record["key"].tobytes(): record for record in np.fromfile(cache, _RECORD)}
