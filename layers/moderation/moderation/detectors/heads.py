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
from moderation.detectors.lite import Impression, Lite
from moderation.models.base import Model
from moderation.models.observation import Observation, Score
from moderation.models.template import OWN_LABEL

WIDTH = 1280
TAGS = 1000
SHIPPED = Path(__file__).resolve().parent.parent / "heads" / "heads.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Halves = npt.NDArray[np.float16]
TagNumber = Annotated[int, Field(ge=0, lt=TAGS)]
Vector = npt.NDArray[np.floating[Any]]

_FLOOR = 1e-4
"""Probabilities of tags below say nothing."""


class HeadsDamaged(ValueError):
    """A file of heads is not what was trained, or is none."""


class Head(Model):
    """sigmoid(weights · embedding + tag_weight · evidence of tags + bias) is the probability of what `name` says.

    `weights` are 1280 float16, little endian, in base64. `tags` are numbers of ImageNet tags that speak for it, or
    against it where their weight is below 0. `thresholds` maps a share of pictures without the label, such as "0.01",
    to the score that no more of them reached. `permissive`: all it learnt from has a permissive licence.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    weights: str
    bias: float
    thresholds: dict[str, Score]
    permissive: bool
    # Left out of the file, and of its digest, where there are none.
    tags: tuple[TagNumber, ...] = Field(default=(), exclude_if=lambda tags: not tags)
    tag_weight: float = Field(default=0.0, exclude_if=lambda weight: not weight, allow_inf_nan=False)

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
    """Heads side by side: names, weights (heads x 1280) and biases (heads); tags and their weight, where there are."""

    names: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]
    tags: dict[int, tuple[tuple[int, ...], float]]

    def scores(self, seen: Impression) -> dict[str, float]:
        """The probability that each head gives a picture."""
        logits = self.weights @ seen.embedding.astype(np.float32) + self.biases
        for number, (tags, weight) in self.tags.items():
            logits[number] += weight * evidence(seen.chances, tags)
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
        {number: (head.tags, head.tag_weight) for number, head in enumerate(heads) if head.tags},
    )


def evidence(chances: Vector, tags: Sequence[int]) -> npt.NDArray[np.float64]:
    """The logarithm of the probability that a picture shows one of the tags; `chances` are ... x 1000."""
    summed = chances[..., list(tags)].sum(axis=-1, dtype=float)
    return np.asarray(np.log(_FLOOR + summed))


def encode(weights: Vector) -> str:
    """Weights as a head carries them."""
    return b64encode(weights.astype("<f2").tobytes()).decode()


def judged(bank: Bank, seen: Impression) -> dict[tuple[str, str], tuple[float, str | None]]:
    """Score and kind of each label and sub_label that the heads have something to say on.

    The score of a sub_label with kinds is the highest of its own head and theirs: most weapons are guns, and a head for
    all of them knows little of the others.
    """
    own: dict[tuple[str, str], float] = {}
    kinds: dict[tuple[str, str], tuple[float, str]] = {}
    for name, score in bank.scores(seen).items():
        if (meaning := MEANINGS.get(name)) is None:
            continue
        target = (meaning.label, meaning.sub_label)
        if meaning.kind is None:
            own[target] = score
        else:
            kinds[target] = max(kinds.get(target, (0.0, "")), (score, meaning.kind))
    found = {}
    for target in sorted(own.keys() | kinds.keys()):
        score, kind = kinds.get(target, (0.0, None))
        found[target] = (max(score, own.get(target, 0.0)), kind)
    return found


class Heads:
    """What the heads say that have a meaning, but for what other detectors look at more closely."""

    name: ClassVar[str] = "heads"

    def __init__(self, path: Path = SHIPPED) -> None:
        self._path = path

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [
            [
                frame.observation(self.name, *target, score, text=kind)
                for target, (score, kind) in judged(load(self._path), frame.result(Lite)).items()
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
                for name, score in self._bank.scores(frame.result(Lite)).items()
            ]
            for frame in frames
        ]
