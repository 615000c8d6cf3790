"""Labelled pictures, from a manifest or from folders named by their label."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from greenlight.heads.errors import HeadsError
from greenlight.heads.fit import BASE_RATE
from moderation.models.base import Model

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
BENIGN = "benign"
MANIFEST = "manifest.csv"
_YES = frozenset({"yes", "1", "true"})


@dataclass(frozen=True)
class Sample:
    """One picture. `group` names the scene or recording it is of, `origin` the collection: its first folder."""

    path: Path
    name: str
    labels: frozenset[str]
    group: str
    origin: str
    source: str
    licence: str
    permissive: bool


class HeadPlan(Model):
    """What a head learns: pictures with any of the labels `of`. An experimental one is measured and not written.

    `tags` are names of ImageNet tags that speak for it, or against it where `lean` is below 0: by so many deviations of
    the head's score for one of theirs. `base_rate` is the share of pictures that show it, for what its scores mean.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    of: tuple[str, ...] = Field(min_length=1)
    experimental: bool = False
    tags: tuple[str, ...] = ()
    lean: float = Field(default=0.5, ge=-1, le=1)
    base_rate: float = Field(default=BASE_RATE, gt=0, lt=1)

    def numbers(self, names: Sequence[str]) -> tuple[int, ...]:
        """The numbers of its tags; `names` are all of them in order, with synonyms. Raises HeadsError for others."""
        found: list[int] = []
        for tag in self.tags:
            here = [number for number, name in enumerate(names) if tag in name.lower().split(", ")]
            if not here:
                raise HeadsError(f"{self.name}: there is no tag {tag}")
            found += here
        return tuple(sorted(set(found)))


class Recipe(Model):
    """How a collection becomes heads.

    `leave_out` are patterns of paths, `groups` maps patterns of paths to the one group that they make up,
    `known_failures` are sentences for the card, `together` names heads of which the highest is reported. With `people`,
    close-ups of the people in the pictures are learnt from.
    """

    heads: tuple[HeadPlan, ...] = ()
    leave_out: tuple[str, ...] = ()
    groups: dict[str, str] = Field(default_factory=dict)
    known_failures: tuple[str, ...] = ()
    together: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    people: bool = False

    @classmethod
    def read(cls, path: Path | None) -> "Recipe":
        """Without a path the empty recipe: a head for each label. Raises HeadsError."""
        if path is None:
            return cls()
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise HeadsError(f"{path} is no recipe: {error}") from error

    def plans(self, samples: list[Sample]) -> tuple[HeadPlan, ...]:
        """The heads asked for, or one for each label but `benign`."""
        found = {label for sample in samples for label in sample.labels} - {BENIGN}
        return self.heads or tuple(HeadPlan(name=label, of=(label,)) for label in sorted(found))

    def apply(self, samples: list[Sample]) -> list[Sample]:
        """Without what is left out, and regrouped."""
        kept = [sample for sample in samples if not any(fnmatch(sample.name, one) for one in self.leave_out)]
        for pattern, group in self.groups.items():
            kept = [replace(one, group=group) if fnmatch(one.name, pattern) else one for one in kept]
        return kept


@dataclass(frozen=True)
class Data:
    """Pictures and the digest of the list that names them."""

    samples: list[Sample]
    sha256: str


def read(data: Path) -> Data:
    """The pictures of a manifest, of a folder with a manifest.csv, or of a folder of folders named by label.

    Other files, such as clips, are passed over. Raises HeadsError where there is nothing to learn from.
    """
    manifest = data / MANIFEST if data.is_dir() else data
    if manifest.is_file():
        samples = list(_rows(manifest))
        digest = sha256(manifest.read_bytes()).hexdigest()
    else:
        samples = list(_folders(data))
        lines = (f"{one.name} {sha256(one.path.read_bytes()).hexdigest()}\n" for one in samples)
        digest = sha256("".join(lines).encode()).hexdigest()
    if not samples:
        raise HeadsError(f"there are no labelled pictures in {data}")
    return Data(samples, digest)


def _rows(manifest: Path) -> Iterator[Sample]:
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        named = next((name for name in ("labels", "category", "label") if name in (reader.fieldnames or ())), None)
        if named is None or "path" not in (reader.fieldnames or ()):
            raise HeadsError(f"{manifest} needs the columns path and labels")
        for row in reader:
            path = manifest.parent / row["path"]
            if path.suffix.lower() not in PICTURES or row.get("decode_ok") == "0":
                continue
            if not path.is_file():
                raise HeadsError(f"{manifest} names {row['path']}, which is not there")
            yield Sample(
                path,
                row["path"],
                frozenset(filter(None, (row[named] or "").split("|"))) - {BENIGN},
                row.get("group") or row["path"],
                Path(row["path"]).parts[0],
                row.get("source") or "",
                row.get("licence") or "not stated",
                (row.get("permissive") or row.get("ship") or "").lower() in _YES,
            )


def _folders(data: Path) -> Iterator[Sample]:
    for path in sorted(data.glob("*/**/*")):
        if path.suffix.lower() in PICTURES and path.is_file():
            name = path.relative_to(data)
            label = name.parts[0]
            yield Sample(
                path, str(name), frozenset({label}) - {BENIGN}, str(name), label, "own", "not stated", permissive=False
            )
