"""`python -m tests.hostile.containers FOLDER`: whether real files of odd containers behave.

Each file is moderated as `greenlight scan` does. It behaves when it is refused with a code of the closed set within
the bounds of a refusal, or comes to a verdict that owns up to all that was not looked at. With a manifest.csv (columns
path and label) in FOLDER or above it, files labelled `decodable` must moreover be looked at whole. Exits with 1 when
one misbehaves.
"""

import csv
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from moderation.models.plan import RefusalCode
from moderation.models.verdict import Verdict
from tests.hostile.looking import look

CPU_SECONDS = 3.0
WHOLE = {"decodable", "rotated", "unordered"}


@dataclass(frozen=True)
class Behaviour:
    """What came of one file, and what is wrong with that, if anything."""

    outcome: str
    wrong: str | None


def behaviour(path: Path, label: str) -> Behaviour:
    """Moderate one file and judge what came of it."""
    before = _cpu()
    scanned = look(path)
    used = _cpu() - before
    verdict, error = scanned.verdict, scanned.job.error
    if verdict is not None:
        return Behaviour(_told(verdict), _unseen(verdict) or (_missed(verdict) if label in WHOLE else None))
    if error is None or scanned.job.outcome != "refused" or error.code not in {*RefusalCode}:
        return Behaviour(f"{scanned.job.outcome} {error}", "neither a verdict nor a refusal")
    if label in WHOLE:
        return Behaviour(error.code, "refused although it can be decoded")
    return Behaviour(error.code, f"{used:.1f} s of CPU for a refusal" if used > CPU_SECONDS else None)


def _told(verdict: Verdict) -> str:
    seen = verdict.coverage
    frames = f"{seen.frames_scored} of {seen.frames_planned} looked at, {seen.frames_decoded} of {seen.frames_expected}"
    return " ".join([f"{verdict.suggestion}: {frames} decoded", *verdict.evasions, *verdict.reasons])


def _unseen(verdict: Verdict) -> str | None:
    seen = verdict.coverage
    whole = seen.frames_scored >= seen.frames_planned > 0
    return "complete without having been looked at" if seen.complete and not whole else None


def _missed(verdict: Verdict) -> str | None:
    return None if verdict.coverage.complete else "not looked at whole although it can be decoded"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    manifest = next((at / "manifest.csv" for at in (folder, *folder.parents) if (at / "manifest.csv").is_file()), None)
    labels: dict[Path, str] = {}
    if manifest is not None:
        with manifest.open(newline="") as lines:
            labels = {manifest.parent / row["path"]: row["label"] for row in csv.DictReader(lines)}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in {".csv", ".md"}:
            yield path, labels.get(path, "")


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    table = Table("file", "label", "came of it", "wrong")
    wrong = 0
    for path, label in _files(folder):
        found = behaviour(path, label)
        wrong += found.wrong is not None
        table.add_row(str(path.relative_to(folder)), label, found.outcome, found.wrong or "")
    Console(width=200).print(table)
    print(f"{table.row_count} files, {wrong} misbehave")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
