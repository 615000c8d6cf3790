"""What the detectors make of labelled pictures: `python -m tests.quality.measure FOLDER [--json]`.

FOLDER has a manifest.csv with the columns path, label or labels (joined by |) and perhaps category. Each picture goes
through the real Scanner as a frame of a video would, and its highest score per sub_label is held against every
threshold of every preset template. Persistence is left out: these are shares of single pictures.
"""

import argparse
import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from greenlight.weights import ensure_weights
from moderation.detectors.catalog import CATALOG
from moderation.detectors.covers import CoverRefused, open_cover
from moderation.detectors.scanner import Scanner
from moderation.models.template import Form
from moderation.policy import confidence
from moderation.services.templates import load_template

PRESETS = ("default", "standard", "strict")
"""`fast` has the thresholds of `default`."""
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
BENIGN = "benign"
NOT_IN_STILLS = {target[1:] for spec in CATALOG if spec.follows for target in spec.reports}

Target = tuple[str, str]
"""(label, sub_label)"""
Confidences = Mapping[Target, int]


@dataclass(frozen=True)
class Rate:
    """How many of a group's pictures reach a threshold; `low` and `high` are the 95 % Wilson interval of `share`."""

    group: str
    target: str
    threshold: int
    used_by: str
    hits: int
    pictures: int
    share: float
    low: float
    high: float


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, right for shares near 0 and 1 too."""
    z = 1.96
    share = hits / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def thresholds() -> dict[Target, dict[int, str]]:
    """Per target, each threshold of the presets and which of them uses it for what."""
    found: dict[Target, dict[int, str]] = defaultdict(dict)
    for name in PRESETS:
        for rule in load_template(name).rules:
            target = (rule.label, rule.sub_label)
            if target in NOT_IN_STILLS or not rule.forms & {Form.IMAGE, Form.CODE}:
                continue
            for kind, value in (("review", rule.review), ("block", rule.block), ("single", rule.single)):
                if value is not None:
                    use = f"{name} {kind}"
                    found[target][value] = f"{found[target][value]}, {use}" if value in found[target] else use
    return found


def labelled(folder: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """The pictures of a manifest with their groups: labels and category."""
    with (folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            path = folder / row["path"]
            if path.suffix.lower() in PICTURES:
                labels = (row.get("labels") or row.get("label") or "").split("|")
                yield path, frozenset(filter(None, [*labels, row.get("category", "")]))


def judge(scanner: Scanner, path: Path) -> Confidences | None:
    """The highest confidence per target; None for what is no picture. Raises when a detector fails."""
    best: dict[Target, int] = defaultdict(int)
    try:
        pictures = open_cover(path.read_bytes()).pictures
    except CoverRefused:
        return None
    for picture in pictures:
        result = scanner.look(picture.files)
        if result.failed:
            raise RuntimeError(f"{path}: {result.failed}")
        for seen in result.observations:
            target = (seen.label, seen.sub_label)
            best[target] = max(best[target], confidence(seen.score))
    return best


def rates(judged: Sequence[tuple[frozenset[str], Confidences]]) -> list[Rate]:
    """Benign first, then the other groups by name."""
    groups = sorted(set().union(*(labels for labels, _ in judged)), key=lambda group: (group != BENIGN, group))
    found = []
    for group in groups:
        members = [seen for labels, seen in judged if group in labels]
        for target, uses in sorted(thresholds().items()):
            for threshold, used_by in sorted(uses.items()):
                hits = sum(seen.get(target, 0) >= threshold for seen in members)
                low, high = wilson(hits, len(members))
                share = hits / len(members)
                found.append(Rate(group, "/".join(target), threshold, used_by, hits, len(members), share, low, high))
    return found


def show(found: Sequence[Rate], console: Console) -> None:
    """A table; of groups other than benign only what is hit at all."""
    table = Table("group", "target", "at least", "used by", "hits", "of", "share", "95 % interval")
    for rate in found:
        if rate.group == BENIGN or rate.hits:
            numbers = (str(rate.threshold), rate.used_by, str(rate.hits), str(rate.pictures), f"{rate.share:.2%}")
            table.add_row(rate.group, rate.target, *numbers, f"{rate.low:.2%} to {rate.high:.2%}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON and nothing else")
    parser.add_argument("--workers", type=int, default=2, help="pictures looked at side by side")
    options = parser.parse_args()
    rows = list(labelled(options.folder))
    scanner = Scanner([spec for spec in CATALOG if spec.step == "frames" and not spec.owned], ensure_weights())
    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(options.workers) as pool:
        looked = progress.track(
            pool.map(lambda row: judge(scanner, row[0]), rows), total=len(rows), description="Looking"
        )
        judged = [(labels, seen) for (_, labels), seen in zip(rows, looked, strict=True) if seen is not None]
    found = rates(judged)
    if options.json:
        print(json.dumps([asdict(rate) for rate in found], indent=1))
    else:
        show(found, Console())


if __name__ == "__main__":
    main()
