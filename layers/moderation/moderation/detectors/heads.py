"""Weapons, fire, marches, smoking and what else was trained: linear heads over one embedding of the picture.

`greenlight train-heads` writes the file of heads that is read here, and the model card beside it.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from moderation.detectors.base import Batch
from moderation.detectors.labels import LOOKED_AT_CLOSELY, MEANINGS
from moderation.detectors.lite import Lite
from moderation.models.base import Model
from moderation.models.observation import Observation, Score
from moderation.models.template import OWN_LABEL

WIDTH = 1280
SHIPPED = Path(__file__).resolve().parent.parent / "heads" / "heads.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Halves = npt.NDArray[np.float16]
Vector = npt.NDArray[np.floating[Any]]


class HeadsDamaged(ValueError):
    """A file of heads is not what was trained, or is none."""


class Head(Model):
    """sigmoid(weights · embedding + bias) is the probability of what `name` says, calibrated.

    `weights` are 1280 float16, little endian, in base64. `thresholds` maps a share of pictures without the label, such
    as "0.01", to the score that no more of them reached. `permissive`: all it learnt from has a permissive licence.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    weights: str
    bias: float
    thresholds: dict[str, Score]
    permissive: bool

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.vector.shape != (WIDTH,) or not np.isfinite(self.vector).all():
            raise ValueError(f"{self.name} has no {WIDTH} weights")
        return self

    @property
    def vector(self) -> Halves:
        """The weights as numbers."""
        return np.frombuffer(b64decode(self.weights, validate=True), "<f2")


class HeadsFile(Model):
    """Heads over the embedding of one model, in order of name. `data_sha256` is the digest of the list of pictures."""

    version: Literal[1] = 1
    model: Literal["lite"] = "lite"
    model_sha256: Sha256
    data_sha256: Sha256
    heads: tuple[Head, ...]

    @property
    def digest(self) -> str:
        """Over everything that is in the file."""
        return sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """With its digest, so that `read` sees any change."""
        document = {"sha256": self.digest, **self.model_dump()}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "HeadsFile":
        """Raises HeadsDamaged when anything in it was changed."""
        try:
            return cls.parse(path.read_bytes(), path.name)
        except OSError as error:
            raise HeadsDamaged(f"{path.name} holds no heads: {error}") from error

    @classmethod
    def parse(cls, content: bytes, name: str) -> "HeadsFile":
        """What a file of that name contains. Raises HeadsDamaged."""
        try:
            document = json.loads(content)
            digest = document.pop("sha256")
            heads = cls.model_validate(document)
        except (ValueError, LookupError, AttributeError, TypeError, ValidationError) as error:
            raise HeadsDamaged(f"{name} holds no heads: {error}") from error
        if digest != heads.digest:
            raise HeadsDamaged(f"{name} was changed after training")
        return heads


class Bank(NamedTuple):
    """Heads side by side: names, weights (heads x 1280) and biases (heads)."""

    names: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]

    def scores(self, embedding: Vector) -> dict[str, float]:
        """The probability that each head gives an embedding."""
        logits = self.weights @ embedding.astype(np.float32) + self.biases
        return dict(zip(self.names, (0.5 * (1 + np.tanh(logits / 2))).tolist(), strict=True))


@cache
def load(path: Path) -> Bank:
    """All heads of a file, read once. Raises HeadsDamaged."""
    return bank(HeadsFile.read(path).heads)


def bank(heads: Sequence[Head]) -> Bank:
    """Heads side by side."""
    return Bank(
        tuple(head.name for head in heads),
        np.array([head.vector for head in heads], np.float32).reshape(-1, WIDTH),
        np.array([head.bias for head in heads], np.float32),
    )


def encode(weights: Vector) -> str:
    """Weights as a head carries them."""
    return b64encode(weights.astype("<f2").tobytes()).decode()


def judged(bank: Bank, embedding: Vector) -> dict[tuple[str, str], tuple[float, str | None]]:
    """Score and kind of each label and sub_label that the heads have something to say on.

    The score of a sub_label with kinds is that of its own head, which has one threshold, and the strongest kind's
    without it.
    """
    own: dict[tuple[str, str], float] = {}
    kinds: dict[tuple[str, str], tuple[float, str]] = {}
    for name, score in bank.scores(embedding).items():
        if (meaning := MEANINGS.get(name)) is None:
            continue
        target = (meaning.label, meaning.sub_label)
        if meaning.kind is None:
            own[target] = score
        else:
            kinds[target] = max(kinds.get(target, (0.0, "")), (score, meaning.kind))
    found = {target: score for target, (score, _) in kinds.items()} | own
    return {target: (score, kinds[target][1] if target in kinds else None) for target, score in sorted(found.items())}


class Heads:
    """What the heads say that have a meaning, but for what other detectors look at more closely."""

    name: ClassVar[str] = "heads"

    def __init__(self, path: Path = SHIPPED) -> None:
        self._path = path

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [
            [
                frame.observation(self.name, *target, score, text=kind)
                for target, (score, kind) in judged(load(self._path), frame.result(Lite).embedding).items()
                if target not in LOOKED_AT_CLOSELY
            ]
            for frame in frames
        ]


class OwnHeads:
    """The owner's heads, one a document, which is named like the head in it that counts: also its sub_label."""

    name: ClassVar[str] = "own_heads"

    def __init__(self, documents: Mapping[str, bytes | None]) -> None:
        self._documents = documents

    @cached_property
    def _bank(self) -> Bank:
        """Raises HeadsDamaged for a document that is missing, damaged, without its head or for another model."""
        model = HeadsFile.read(SHIPPED).model_sha256
        heads = []
        for name, document in self._documents.items():
            if document is None:
                raise HeadsDamaged(f"{name} is not among the owner's heads")
            file = HeadsFile.parse(document, name)
            if file.model_sha256 != model:
                raise HeadsDamaged(f"{name} was trained on the embedding of another model")
            found = next((head for head in file.heads if head.name == name), None)
            if found is None:
                raise HeadsDamaged(f"{name} holds no head of that name")
            heads.append(found)
        return bank(heads)

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [
            [
                frame.observation(self.name, OWN_LABEL, name, score)
                for name, score in self._bank.scores(frame.result(Lite).embedding).items()
            ]
            for frame in frames
        ]
