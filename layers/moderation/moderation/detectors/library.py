"""Libraries of pictures that an owner looks out for: their file, and what is kept of each picture.

`greenlight library build` writes the file; a template names it. A library that is missing or changed fails the
detectors that are made with it.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field, ValidationError, model_validator

from moderation.detectors.heads import WIDTH, Sha256
from moderation.models.base import Model
from moderation.models.observation import Score
from moderation.models.template import Name

Floats = npt.NDArray[np.float32]

SIDE = 128
"""The longer side of what is kept of a picture, in pixels."""
FILLING = 128
"""The luma that shows through where a picture is transparent."""
_ALIKE = 40


class LibraryDamaged(ValueError):
    """A library of pictures is missing, is not what was built, or is none."""


class Entry(Model):
    """One picture to look out for. `name` is what a finding quotes.

    `luma` and `alpha` are height x width levels, deflated, in base64; `embedding` is that of the model, 1280 float16,
    little endian, in base64. `chance` is the highest score that it reached where it was not to be found, `promise`
    the most that it promised there: pictures with few edges are like anything.
    """

    name: str = Field(min_length=1, max_length=128)
    label: Name
    sub_label: Name
    width: int = Field(ge=3, le=SIDE)
    height: int = Field(ge=3, le=SIDE)
    luma: str
    alpha: str
    embedding: str
    chance: Score
    promise: Score

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.picture.size != (self.width, self.height) or self.vector.shape != (WIDTH,):
            raise ValueError(f"{self.name} is not whole")
        return self

    @property
    def picture(self) -> Image.Image:
        """Mode LA."""
        size = (self.width, self.height)
        channels = (Image.frombytes("L", size, _inflate(one, size)) for one in (self.luma, self.alpha))
        return Image.merge("LA", tuple(channels))

    @property
    def vector(self) -> npt.NDArray[np.float16]:
        """The embedding as numbers."""
        return np.frombuffer(b64decode(self.embedding, validate=True), "<f2")


class LibraryFile(Model):
    """The pictures of a library. `model_sha256` is the digest of the weights that their embeddings are of."""

    version: Literal[2] = 2
    model_sha256: Sha256
    entries: tuple[Entry, ...]

    @property
    def digest(self) -> str:
        """Over everything that is in the file."""
        return sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def dump(self) -> bytes:
        """With its digest, so that `parse` sees any change."""
        return (json.dumps({"sha256": self.digest, **self.model_dump()}, indent=1) + "\n").encode()

    @classmethod
    def parse(cls, content: bytes) -> "LibraryFile":
        """Raises LibraryDamaged when anything in it was changed."""
        try:
            document = json.loads(content)
            digest = document.pop("sha256")
            library = cls.model_validate(document)
        except ValidationError as error:
            raise LibraryDamaged(f"this is no library of pictures: {error.errors()[0]['msg']}") from error
        except (ValueError, LookupError, AttributeError, TypeError, zlib.error) as error:
            raise LibraryDamaged(f"this is no library of pictures: {error}") from error
        if digest != library.digest:
            raise LibraryDamaged("the library was changed after it was built")
        return library


class _Drawn(NamedTuple):
    """Luma over a ground, opacity, the level of the ground, and the share of the box that is opaque."""

    luma: Image.Image
    alpha: Image.Image
    ground: int
    share: float


class Rendered(NamedTuple):
    """A picture at one size with a margin: luma over a ground, and opacity 0..1."""

    luma: Floats
    alpha: Floats


def entries(documents: Mapping[str, bytes | None]) -> tuple[Entry, ...]:
    """All pictures of the libraries of a template. Raises LibraryDamaged for one that is missing, or where none is."""
    if not documents:
        raise LibraryDamaged("the template names no library of pictures")
    found: list[Entry] = []
    for name, content in sorted(documents.items()):
        if content is None:
            raise LibraryDamaged(f"there is no library of pictures {name}")
        found += _parsed(content).entries
    return tuple(found)


def render(entry: Entry, width: int, margin: int) -> Rendered:
    """A picture at a width."""
    drawn = _drawn(entry)
    size = (width, max(3, round(entry.height * width / entry.width)))
    luma, alpha = (
        np.asarray(one.resize(size, Image.Resampling.BICUBIC), np.float32) for one in (drawn.luma, drawn.alpha)
    )
    return Rendered(np.pad(luma, margin, constant_values=drawn.ground), np.pad(alpha / 255, margin))


def opaque(entry: Entry, width: float) -> float:
    """How many pixels of a picture are opaque at a width."""
    return _drawn(entry).share * width**2 * entry.height / entry.width


def pack(levels: npt.NDArray[Any]) -> str:
    """Levels as an entry carries them."""
    return b64encode(zlib.compress(levels.astype(np.uint8).tobytes(), 9)).decode()


def _inflate(packed: str, size: tuple[int, int]) -> bytes:
    """Raises ValueError when there is more or less of it than the size says."""
    levels = zlib.decompressobj().decompress(b64decode(packed, validate=True), size[0] * size[1] + 1)
    if len(levels) != size[0] * size[1]:
        raise ValueError("a picture is not of the size that it says")
    return levels


@lru_cache(maxsize=256)
def _drawn(entry: Entry) -> _Drawn:
    """The ground is of a level from which the picture stands out."""
    levels, alpha = entry.picture.split()
    there = np.asarray(alpha) > FILLING
    alike = np.abs(np.asarray(levels, np.float32) - FILLING)[there] < _ALIKE
    ground = 0 if alike.size and alike.mean() > 0.5 else FILLING
    over = Image.composite(levels, Image.new("L", levels.size, ground), alpha)
    return _Drawn(over, alpha, ground, float(there.mean()))


@lru_cache(maxsize=16)
def _parsed(content: bytes) -> LibraryFile:
    return LibraryFile.parse(content)
