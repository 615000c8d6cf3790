"""Labelled texts from CSV files, and the recipe that says which of them teach what."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from greenlight.texts.errors import TextsError
from moderation.models.base import Model

OWN = Path(__file__).parent
HELD_OUT = 5
"""One text in five, chosen by its digest, is never learnt from: all figures are on those."""


class Part(Model):
    """A file with the columns text and label: which labels are positive. Without any, all of it is negative."""

    file: str
    positive: tuple[str, ...] = ()
    source: str = Field(description="where it comes from, for the card")
    licence: str
    learn: bool = Field(default=True, description="false for a file that is measured on only")
    groups: str | None = Field(
        default=None, description="in `extra`, what follows this names texts that belong together"
    )


class HeadPlan(Model):
    """One classifier."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    label: str
    sub_label: str
    script: Literal["han", "latin"]
    disguised: bool = Field(default=False, description="learn each text a second time as it is hidden from lists")
    parts: tuple[Part, ...] = Field(min_length=1)


class Recipe(Model):
    """Which classifiers are made of which files."""

    heads: tuple[HeadPlan, ...] = Field(min_length=1)
    known_failures: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Raises TextsError."""
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise TextsError(f"{path} is no recipe: {error}") from error


@dataclass(frozen=True)
class Sample:
    """One text. `group` names what it belongs to: texts of a group are learnt from or measured on together."""

    text: str
    positive: bool
    part: Part
    group: str

    @property
    def held_out(self) -> bool:
        digest = sha256(self.group.encode()).digest()
        return not self.part.learn or int.from_bytes(digest[:4], "big") % HELD_OUT == 0


def read(plan: HeadPlan, folder: Path) -> list[Sample]:
    """The texts of all parts, each once; `own/` is beside this module. Raises TextsError for a file that is missing."""
    samples: dict[str, Sample] = {}
    for part in plan.parts:
        for sample in _rows(part, (OWN if part.file.startswith("own/") else folder) / part.file):
            samples.setdefault(_sameness(sample.text), sample)
    if len({sample.positive for sample in samples.values()}) < 2:
        raise TextsError(f"{plan.name} needs texts of both kinds")
    return list(samples.values())


def _rows(part: Part, path: Path) -> Iterator[Sample]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"text", "label"} <= set(reader.fieldnames or ()):
                raise TextsError(f"{path} needs the columns text and label")
            for row in reader:
                text = (row["text"] or "").strip()
                if text:
                    extra = row.get("extra") or ""
                    grouped = part.groups is not None and part.groups in extra
                    group = f"{part.groups}{extra.split(part.groups or '')[-1]}" if grouped else _sameness(text)
                    yield Sample(text, row["label"] in part.positive, part, group)
    except OSError as error:
        raise TextsError(f"{path} cannot be read: {error.strerror}") from error


def _sameness(text: str) -> str:
    """Two texts that differ in case, white space and signs only are one."""
    return "".join(sign for sign in text.casefold() if sign.isalnum()) or text
