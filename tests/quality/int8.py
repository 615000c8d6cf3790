"""Networks in eight bits, and what they change.

    python -m tests.quality.int8 ranges NAME FOLDER          # writes local/greenlight/weights/ranges/NAME.json
    python -m tests.quality.int8 compare FOLDER … [--most N] [--json]

A FOLDER has a manifest.csv with the columns path, labels or label (joined by |) and, for ranges, permissive. They come
from sixty of its pictures, or clips, with a permissive licence; those are left out when decisions are compared.
"""

import argparse
import csv
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from greenlight.heads.figures import average_precision
from greenlight.paths import cache_folder
from greenlight.weights import ensure_weights, int8, store
from greenlight.weights.manifest import Entry, load_manifest
from moderation.detectors import clip, lite, nanodet, nsfwjs, open_nsfw
from moderation.detectors.boxes import Letterbox
from moderation.detectors.catalog import CATALOG
from moderation.detectors.covers import CoverRefused, open_cover
from moderation.detectors.inference import Array, Network
from moderation.detectors.labels import meant
from moderation.detectors.scanner import Scanner
from moderation.media.ffmpeg import executable
from moderation.models.template import Form
from moderation.policy import confidence
from moderation.services.templates import load_template

PRESETS = ("default", "standard", "strict")
"""`fast` has the thresholds of `default`."""
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
SAMPLES = 60
CLIPS = ".mp4"
BENIGN, FIGHT = "benign", ("terror", "violence")
DIGITS = 5

Target = tuple[str, str]
"""(label, sub_label)"""
Confidences = Mapping[Target, int]


def _picture(prepare: Callable[[Any], Array]) -> Callable[[Path], Array]:
    return lambda path: prepare(Image.open(path).convert("RGB"))


def _clip(path: Path) -> Array:
    """The first two seconds as the extract step leaves them."""
    small = f"fps={clip.FRAMES / 2:g},scale={clip.SIDE}:{clip.SIDE}"
    command = [executable(), "-v", "error", "-i", str(path), "-vf", small, "-frames:v", str(clip.FRAMES)]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, clip.SIDE, clip.SIDE, 3)
    return clip.prepare([Image.fromarray(one) for one in pictures])


INPUTS: dict[str, Callable[[Path], Array]] = {
    "fight": _clip,
    "lite": _picture(lite.prepare),
    "nanodet": _picture(lambda picture: nanodet.prepare(Letterbox.around(picture, nanodet.SIDE).draw(picture))),
    "nsfwjs": _picture(nsfwjs.prepare),
    "open_nsfw": _picture(open_nsfw.prepare),
}


def samples(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Sixty files of a manifest that may be used by anybody, the same ones each time."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].lower().endswith(tuple(endings))]
    free = [row["path"] for row in rows if row.get("permissive") == "yes"]
    return [folder / path for path in sorted(free, key=lambda path: sha256(path.encode()).digest())[:SAMPLES]]


def ranges(name: str, folder: Path) -> int8.Ranges:
    """How far each tensor that is brought to levels reaches on the samples; what stays plain does."""
    model = onnx.load_model_from_string(plain_file(_entry(name)).read_bytes())
    network = int8.read(model)
    sources = [node.inputs[0] for node in network.nodes if node.kind == "Conv"]
    (picture,) = (source.name for source in model.graph.input)
    names = sorted({*network.targets().values(), *sources})
    known = {picture, *(output.name for output in model.graph.output)}
    model.graph.output.extend(
        helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in names if one not in known
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [one for one in names if one != picture]
    lows, highs = defaultdict(list), defaultdict(list)
    for path in track(samples(folder, PICTURES if name != "fight" else (CLIPS,)), description=name):
        values = INPUTS[name](path)
        for one, result in ((picture, values), *zip(wanted, session.run(wanted, {picture: values}), strict=True)):
            lows[one].append(float(result.min()))
            highs[one].append(float(result.max()))
    reach = {one: (_rounded(min(lows[one])), _rounded(max(highs[one]))) for one in names}
    path = int8.RANGES / f"{name}.json"
    before = int8.measured(name).plain if path.exists() else ()
    return int8.Ranges(plain=before, reach=reach)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def plain_file(entry: Entry) -> Path:
    """The network of an entry in real numbers, made once and kept in the cache folder."""
    path = cache_folder() / "int8" / f"{entry.name}-{sha256(entry.model_dump_json().encode()).hexdigest()[:12]}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.plain(entry))
    return path


def _entry(name: str) -> Entry:
    (entry,) = load_manifest().select([name])
    return entry


@dataclass(frozen=True)
class Speed:
    """Milliseconds of CPU that a network takes for one of its inputs, and how large its file is, in MB."""

    network: str
    plain_ms: float
    int8_ms: float
    plain_mb: float
    int8_mb: float


@dataclass(frozen=True)
class Change:
    """What eight bits make of a target on `pictures`: of so many decisions (one for each threshold of a preset) so many
    differ. `ap` are over the pictures labelled so, None where there are none.
    """

    target: str
    pictures: int
    decisions: int
    changed: int
    largest: int
    positives: int
    plain_ap: float | None
    int8_ap: float | None


def compare(folders: Sequence[Path], most: int, console: Console) -> tuple[list[Speed], list[Change]]:
    """Every picture before the same detectors with either kind of networks."""
    entries = [entry for entry in load_manifest().weights if entry.int8]
    weights = ensure_weights()
    plain = cache_folder() / "int8" / "weights"
    plain.mkdir(parents=True, exist_ok=True)
    for file in weights.iterdir():
        source = next((plain_file(entry) for entry in entries if entry.output.file == file.name), file)
        (plain / file.name).unlink(missing_ok=True)
        (plain / file.name).symlink_to(source)
    names = {entry.name for entry in entries}
    stills = [spec for spec in CATALOG if names & set(spec.models) and not spec.follows and not spec.owned]
    seen = {target[1:] for spec in stills for target in spec.reports}
    used = {path for folder in folders for path in samples(folder, PICTURES)}
    pictures = [row for folder in folders for row in labelled(folder) if row[0] not in used]
    pictures.sort(key=lambda row: sha256(row[0].name.encode()).digest())
    judged: list[tuple[frozenset[str], Confidences, Confidences]] = []
    spent: dict[tuple[str, Path], list[float]] = defaultdict(list)
    with patch.object(Network, "run", _timed(spent)):
        scanners = [Scanner(stills, folder) for folder in (plain, weights)]
        for path, labels in track(pictures[:most], description="Comparing", console=console):
            one, other = (judge(scanner, path) for scanner in scanners)
            if one is not None and other is not None:
                judged.append((labels, one, other))
        fights = [
            (labels, _fight(plain, path), _fight(weights, path))
            for folder in folders
            for path, labels in labelled(folder, (CLIPS,))
            if path not in samples(folder, (CLIPS,)) and labels & {"fight", BENIGN} and "fights" in path.parts
        ]
    speeds = [
        Speed(
            entry.name,
            *(1000 * float(np.median(spent[entry.output.file, folder])) for folder in (plain, weights)),
            *((folder / entry.output.file).stat().st_size / 1e6 for folder in (plain, weights)),
        )
        for entry in entries
        if (entry.output.file, plain) in spent
    ]
    changes = [
        _change(target, sorted(found), fights if target == FIGHT else judged)
        for target, found in sorted(thresholds().items())
        if target in seen or (target == FIGHT and fights)
    ]
    return speeds, changes


def _fight(weights: Path, path: Path) -> Confidences:
    (probabilities,) = Network(weights, "fight").run(["probs"], _clip(path))
    return {FIGHT: confidence(float(probabilities[0, 0]))}


def labelled(folder: Path, endings: tuple[str, ...] = PICTURES) -> Iterator[tuple[Path, frozenset[str]]]:
    """The files of a manifest, by how their names end, with their labels."""
    with (folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["path"].lower().endswith(endings):
                yield folder / row["path"], frozenset((row.get("labels") or row.get("label") or "").split("|"))


def judge(scanner: Scanner, path: Path) -> Confidences | None:
    """The highest confidence per target; None for what is no picture. Raises RuntimeError when a detector fails."""
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


def thresholds() -> dict[Target, set[int]]:
    """All that the presets hold single pictures against, per target."""
    found: dict[Target, set[int]] = defaultdict(set)
    for rule in (rule for name in PRESETS for rule in load_template(name).rules if Form.IMAGE in rule.forms):
        found[rule.label, rule.sub_label] |= {one for one in (rule.review, rule.block, rule.single) if one is not None}
    return found


def _timed(spent: dict[tuple[str, Path], list[float]]) -> Callable[..., Any]:
    run = Network.run

    def timed(network: Network, *arguments: Any) -> Any:
        began = time.process_time()
        try:
            return run(network, *arguments)
        finally:
            spent[network.path.name, network.path.parent].append(time.process_time() - began)

    return timed


def _change(
    target: tuple[str, str], limits: Sequence[int], judged: Sequence[tuple[frozenset[str], Confidences, Confidences]]
) -> Change:
    scores = np.array([[seen.get(target, 0) for seen in both] for _, *both in judged])
    shown = np.array([any(target in meant(label, {target}) for label in labels) for labels, *_ in judged])
    reached = scores[:, :, np.newaxis] >= np.array(limits)
    apart = np.arange(len(judged))
    aps = [average_precision(one.astype(float), shown, apart).value if shown.any() else None for one in scores.T]
    changed, largest = (reached[:, 0] != reached[:, 1]).sum(), np.abs(scores[:, 0] - scores[:, 1]).max()
    name = "/".join(target)
    return Change(name, len(judged), reached[:, 0].size, int(changed), int(largest), int(shown.sum()), aps[0], aps[1])


def show(speeds: Sequence[Speed], changes: Sequence[Change], console: Console) -> None:
    """Two tables."""
    table = Table("network", "ms", "in int8", "ratio", "MB", "in int8")
    for one in speeds:
        numbers = (one.plain_ms, one.int8_ms, one.plain_ms / one.int8_ms, one.plain_mb, one.int8_mb)
        table.add_row(one.network, *(f"{number:.1f}" for number in numbers))
    console.print(table)
    table = Table("target", "pictures", "decisions changed", "share", "largest change", "shown", "AP", "in int8")
    for change in changes:
        aps = (f"{ap:.3f}" if ap is not None else "" for ap in (change.plain_ap, change.int8_ap))
        share = f"{change.changed / change.decisions:.2%}"
        counts = (f"{change.changed} of {change.decisions}", share, str(change.largest), str(change.positives))
        table.add_row(change.target, str(change.pictures), *counts, *aps)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    measuring = steps.add_parser("ranges")
    measuring.add_argument("name", choices=sorted(INPUTS))
    measuring.add_argument("folder", type=Path)
    comparing = steps.add_parser("compare")
    comparing.add_argument("folders", type=Path, nargs="+")
    comparing.add_argument("--most", type=int, default=1000, help="pictures")
    comparing.add_argument("--json", action="store_true", help="print the figures as JSON and nothing else")
    options = parser.parse_args()
    if options.step == "ranges":
        found = ranges(options.name, options.folder)
        (int8.RANGES / f"{options.name}.json").write_text(found.model_dump_json(indent=1) + "\n")
        return
    speeds, changes = compare(options.folders, options.most, Console(stderr=True))
    if options.json:
        print(json.dumps({"networks": list(map(asdict, speeds)), "targets": list(map(asdict, changes))}, indent=1))
    else:
        show(speeds, changes, Console())


if __name__ == "__main__":
    main()
