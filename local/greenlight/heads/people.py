"""The people in labelled pictures, cut out to learn from instead of the pictures: what a close-up shows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image

from greenlight.heads.data import Sample
from greenlight.heads.embed import extracted
from greenlight.heads.errors import HeadsError
from moderation.detectors.closeups import around_people, cut
from moderation.detectors.nanodet import NanoDet

_MOST = 2
_SMALL = (40, 110)
"""Pixels of the longer side of a person far from the camera."""
_QUALITIES = (60, 75, 90)


def cut_out(
    samples: Sequence[Sample], folder: Path, *, weights: Path, progress: Callable[[int], None] = lambda count: None
) -> list[Sample]:
    """Two pictures of each of at most two people: as they are, and as if they were far away.

    They are kept in `folder`, so that an interrupted run goes on where it stopped. Pictures without people are left
    out; `progress` is told the number of pictures done. Raises HeadsError for a file that is no picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = NanoDet(weights)
    found: list[Sample] = []
    for sample in samples:
        content = sample.path.read_bytes()
        key = sha256(content).hexdigest()[:24]
        done = folder / f"{key}.done"
        if not done.is_file():
            for number, picture in enumerate(_close_ups(sample.path, content, key, model)):
                (folder / f"{key}-{number}.jpg").write_bytes(picture)
            done.touch()
        found += [replace(sample, path=path) for path in sorted(folder.glob(f"{key}-*.jpg"))]
        progress(1)
    return found


def _close_ups(path: Path, content: bytes, key: str, model: NanoDet) -> Iterator[bytes]:
    try:
        with Image.open(BytesIO(content)) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise HeadsError(f"{path} is no picture: {error}") from error
    chance = Random(key)  # the same close-ups every time  # nosec B311
    for box in around_people(model.run(extracted(picture)), picture, most=_MOST, whole=1.01):
        close = cut(picture, box)
        scale = min(1.0, chance.uniform(*_SMALL) / max(close.size))
        far = close.resize((max(8, round(close.width * scale)), max(8, round(close.height * scale))))
        for one, quality in ((close, 90), (far, chance.choice(_QUALITIES))):
            file = BytesIO()
            one.save(file, "JPEG", quality=quality)
            yield file.getvalue()
