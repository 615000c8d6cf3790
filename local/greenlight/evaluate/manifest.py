"""Labelled files and texts, from a CSV."""

import csv
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from greenlight.evaluate.errors import EvaluateError
from moderation.detectors.labels import BENIGN_NAMES

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_SOUNDS = frozenset({".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".amr", ".aiff", ".caf", ".wma"})
_CLIPS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp", ".ogv", ".gif"}
)


BENIGN = "benign"
"""What items without a label are called."""


class Kind(StrEnum):
    """What an item is, and so which way it goes."""

    PICTURE = "picture"
    CLIP = "clip"
    SOUND = "sound"
    TEXT = "text"


@dataclass(frozen=True)
class Item:
    """One row. `labels` are empty for what is benign, `group` names the scene or recording that it is of.

    A text has no `path`. `transcript` is what is said in it, None where nobody wrote that down.
    """

    name: str
    kind: Kind
    labels: frozenset[str]
    group: str
    path: Path | None = None
    text: str = ""
    transcript: str | None = None

    @property
    def file(self) -> Path:
        """Where it is. Raises ValueError for a text."""
        if self.path is None:
            raise ValueError(f"{self.name} is a text")
        return self.path


def read(
    manifests: Sequence[Path],
    renamed: Mapping[str, str] | None = None,
    under: Collection[str] = (),
    only: Collection[str] = (),
) -> list[Item]:
    """The rows of CSVs with `path` and `label` (joined by |), with or without `group` and `transcript`.

    Or with `text` and `label`. Files of other kinds are passed over; and, if any are given, those of which the path
    begins with none of `under` and those with none of the labels `only` (BENIGN is having none). `renamed` maps labels
    of the file to the names that are meant. Raises EvaluateError where there is nothing to evaluate.
    """
    csv.field_size_limit(sys.maxsize)
    items: list[Item] = []
    for manifest in manifests:
        try:
            items += _items(manifest, renamed or {}, tuple(under) or ("",))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise EvaluateError(f"{manifest} cannot be read: {error}") from error
    if only:
        items = [item for item in items if (item.labels or {BENIGN}) & set(only)]
    if not items:
        told = ", ".join(map(str, manifests))
        raise EvaluateError(f"there are no labelled pictures, clips, sounds or texts in {told}")
    return items


def sampled(items: Sequence[Item], each: int) -> list[Item]:
    """At most so many items of each label, and of the benign: always the same, wherever they stand in a manifest."""
    taken: Counter[str] = Counter()
    chosen = set()
    for item in sorted(items, key=lambda one: sha256(one.name.encode()).digest()):
        labels = item.labels or {""}
        if any(taken[label] < each for label in labels):
            taken.update(labels)
            chosen.add(item)
    return [item for item in items if item in chosen]


def _items(manifest: Path, renamed: Mapping[str, str], under: tuple[str, ...]) -> Iterator[Item]:
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or ()
        named = next((name for name in ("label", "labels") if name in columns), None)
        if not {"path", "text"} & set(columns) or not {named, "transcript"} & set(columns):
            raise EvaluateError(f"{manifest} needs the columns path or text, and label or transcript")
        for number, row in enumerate(reader, start=2):
            given = (row.get(named) or "").split("|") if named else []
            labels = frozenset(renamed.get(label.strip(), label.strip()) for label in given)
            labels = frozenset(label for label in labels if label.lower() not in BENIGN_NAMES)
            if "path" not in columns:
                text = row["text"] or ""
                yield Item(f"{manifest.name}:{number}", Kind.TEXT, labels, row.get("group") or str(number), text=text)
                continue
            path = manifest.parent / row["path"]
            kind = _kind(path)
            if kind is None or not row["path"].startswith(under):
                continue
            if not path.is_file():
                raise EvaluateError(f"{manifest} names {row['path']}, which is not there")
            transcript = row.get("transcript") or None
            yield Item(row["path"], kind, labels, row.get("group") or row["path"], path, transcript=transcript)


def _kind(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        return Kind.PICTURE
    if suffix in _SOUNDS:
        return Kind.SOUND
    return Kind.CLIP if suffix in _CLIPS else None
