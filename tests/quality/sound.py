"""What is heard in labelled sound: `python -m tests.quality.sound FOLDER [--words] [--json]`.

FOLDER has a manifest.csv with the columns path, label or labels (joined by |) and perhaps category. Each file of sound
goes through the real scan_audio step, sounds shorter than three seconds repeated to that length. A row tells for the
files of one label in which share of them each sub_label is found with a confidence of 50, and which share of their
seconds is speech; with --words also how many words were written down. Sixty seconds each of silence, white and pink
noise come along.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from moderation.detectors.catalog import CATALOG, VOICE
from moderation.detectors.speech import RATE
from moderation.hearing import sound_segments
from moderation.models.template import Form, Rule, Template
from moderation.services.templates import load_template
from moderation.verdict import targets_of
from tests.builders import audio_plan
from tests.sounds import Samples, Studio, decoded, noise, silence, wav

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".wv", ".aif", ".aiff", ".opus", ".g722")
CERTAIN = 50
LENGTH = 3.0
MADE = 60.0
SUB_LABELS = sorted(sub_label for _, _, sub_label in VOICE)


@dataclass
class Row:
    """All files of one label, counted."""

    label: str
    files: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUB_LABELS, 0))
    seconds: float = 0.0
    speech: float = 0.0
    words: int = 0


def template(*, words: bool) -> Template:
    asked = [Rule(label=label, sub_label=sub, forms=frozenset({form}), review=CERTAIN) for form, label, sub in VOICE]
    if words:
        asked.append(Rule(label="abuse", sub_label="speech", forms=frozenset({Form.ASR}), review=CERTAIN))
    return load_template("default").model_copy(update={"name": "quality", "rules": tuple(asked)})


def sounds(folder: Path) -> Iterator[tuple[str, Samples]]:
    """Label and samples of every file of sound, and of what is made here."""
    yield from (("silence", silence(MADE)), ("white noise", noise(MADE)), ("pink noise", noise(MADE, pink=True)))
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].lower().endswith(SUFFIXES)]
    for row in track(rows, "Listening", console=Console(stderr=True)):
        try:
            samples = decoded(folder / row["path"], MADE)
        except subprocess.CalledProcessError:
            continue
        if not len(samples):
            continue
        repeats = -(-round(LENGTH * RATE) // len(samples))
        repeated = np.tile(samples, repeats)[: max(len(samples), round(LENGTH * RATE))]
        for label in (row.get("labels") or row.get("label") or "").split("|"):
            yield label, repeated


def measure(folder: Path, *, words: bool) -> list[Row]:
    asked = template(words=words)
    reporters = targets_of([(spec.name, spec.reports) for spec in CATALOG])
    rows: defaultdict[str, Row] = defaultdict(lambda: Row(""))
    for label, samples in sounds(folder):
        plan = audio_plan(seconds=len(samples) / RATE)
        with tempfile.TemporaryDirectory() as place:
            studio = Studio(Path(place), asked, plan)
            studio.record(0, 0, wav(samples))
            hearing = studio.hear()
        (heard,) = hearing.tracks
        if heard.failed:
            raise RuntimeError(f"{label}: {heard.failed}")
        row = rows[label]
        row.label = label
        row.files += 1
        row.seconds += heard.heard
        row.speech += heard.speech
        row.words += sum(len(utterance.words) for utterance in heard.utterances)
        for sub_label in {found.sub_label for found in sound_segments([hearing], plan, asked, reporters)}:
            row.found[sub_label] += 1
    return sorted(rows.values(), key=lambda row: row.label)


def show(rows: Sequence[Row], console: Console) -> None:
    table = Table("label", "files", *SUB_LABELS, "speech", "words", title=f"Found at {CERTAIN} or more")
    for row in rows:
        shares = [f"{row.found[sub_label] / row.files:.2f}" for sub_label in SUB_LABELS]
        table.add_row(row.label, str(row.files), *shares, f"{row.speech / row.seconds:.2f}", str(row.words))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", action="store_true", help="recognise speech too")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON and nothing else")
    options = parser.parse_args()
    rows = measure(options.folder, words=options.words)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show(rows, Console(width=140))


if __name__ == "__main__":
    main()
