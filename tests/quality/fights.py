"""Fights told apart from no fights: the network over clips, and what would cost less.

    python -m tests.quality.fights FOLDER …

A FOLDER has a manifest.csv with the columns path, labels or label, and group. Its clips below `fights`, of two seconds,
show a fight (`fight`) or none (`benign`). The network's own training data are such clips: what it is told of them says
little of others. The light ones are tested on groups that they have not learnt from. AUC with 95 % intervals.
"""

import argparse
import csv
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import track

from greenlight.heads.fit import Basis, balanced, deal, fit
from greenlight.weights import ensure_weights
from moderation.detectors.base import Picture
from moderation.detectors.clip import FRAMES, SIDE, FightClip
from moderation.detectors.lite import Lite
from moderation.detectors.violence import motion
from moderation.media.ffmpeg import executable

FOLDS, REPEATS = 5, 1000
LARGE, FEW = 256, 4
"""Pixels of the pictures that are embedded, and how many of them of a clip."""

Numbers = npt.NDArray[np.float64]


class Clip(NamedTuple):
    path: Path
    fight: bool
    group: str


def clips(folder: Path) -> Iterator[Clip]:
    with (folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["path"].startswith("fights/") and row["path"].endswith(".mp4"):
                labels = (row.get("labels") or row.get("label") or "").split("|")
                yield Clip(folder / row["path"], "fight" in labels, row["group"])


def pictures(path: Path, count: int, side: int) -> list[Picture]:
    """So many of the first two seconds, as squares."""
    small = f"fps={count / 2:g},scale={side}:{side}"
    command = [executable(), "-v", "error", "-i", str(path), "-vf", small, "-frames:v", str(count)]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return [Image.fromarray(one) for one in np.frombuffer(raw, np.uint8).reshape(-1, side, side, 3)]


def held_out(features: Numbers, shown: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> Numbers:
    """The scores of a line over features, each from groups that it has not learnt from."""
    dealt, scores = deal(groups, shown, FOLDS, 4), np.zeros(len(shown))
    for fold in range(FOLDS):
        aside = dealt == fold
        basis = Basis.of(features[~aside].astype(np.float32), size=32)
        weights = balanced(shown[~aside], groups[~aside])
        scores[aside] = fit(basis(features[~aside]), shown[~aside], weights)(basis(features[aside]))
    return scores


def auc(scores: Numbers, shown: npt.NDArray[np.bool_]) -> float:
    """The share of pairs of a fight and none of which the fight scores higher."""
    above = scores[shown][:, np.newaxis] - scores[~shown]
    return float(((above > 0) + (above == 0) / 2).mean())


def interval(scores: Numbers, shown: npt.NDArray[np.bool_]) -> str:
    chance, repeats = np.random.default_rng(0), []
    for _ in range(REPEATS):
        drawn = np.concatenate([chance.choice(np.flatnonzero(side), side.sum()) for side in (shown, ~shown)])
        repeats.append(auc(scores[drawn], shown[drawn]))
    low, high = np.quantile(repeats, [0.025, 0.975])
    return f"{auc(scores, shown):.3f} ({low:.3f}–{high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    found = [clip for folder in parser.parse_args().folders for clip in clips(folder)]
    weights = ensure_weights(["fight", "lite"])
    network, lite = FightClip(weights), Lite(weights)
    ways: dict[str, Callable[[Path], Sequence[float]]] = {
        "the network": lambda path: [network.run(pictures(path, FRAMES, SIDE))],
        "mean embedding, linear": lambda path: np.mean(
            [lite.run(one).embedding.astype(float) for one in pictures(path, FEW, LARGE)], axis=0
        ).tolist(),
        "motion": lambda path: [motion(pictures(path, FRAMES, SIDE))],
    }
    console = Console(stderr=True)
    shown = np.array([clip.fight for clip in found])
    groups = np.unique([clip.group for clip in found], return_inverse=True)[1]
    print(f"{shown.sum()} fights, {(~shown).sum()} without, of {groups.max() + 1} groups")
    print("| what | AUC | CPU s a clip |\n|---|---|---|")
    for name, way in ways.items():
        began = time.process_time()
        features = np.array([way(clip.path) for clip in track(found, description=name, console=console)])
        spent = (time.process_time() - began) / len(found)
        scores = features[:, 0] if features.shape[1] == 1 else held_out(features, shown, groups)
        print(f"| {name} | {interval(scores, shown)} | {spent:.2f} |")


if __name__ == "__main__":
    main()
