"""What is heard in labelled sound: `python -m tests.quality.sound FOLDER [--template NAME] [--words] [--json]`.

FOLDER has a manifest.csv with the columns path, label or labels (joined by |) and perhaps category. The sound of each
file, of video too, goes through the real scan_audio step and then through the preset's rules for sounds; files of sound
shorter than three seconds are repeated to that length. A row tells for the files of a label in which share of them the
preset finds each sub_label, how many segments it tells of in an hour, and which share of the seconds is speech; with
--words also how many words were written down. Sixty seconds each of silence, white and pink noise come along.
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

from moderation.detectors.catalog import CATALOG
from moderation.detectors.speech import RATE
from moderation.hearing import sound_segments
from moderation.models.template import Form, Rule, Template
from moderation.services.templates import load_template
from moderation.verdict import targets_of
from tests.builders import audio_plan
from tests.sounds import Samples, Studio, decoded, noise, silence, wav

FILMS = (".mp4", ".mkv", ".mov", ".webm", ".avi")
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".wv", ".aif", ".aiff", ".opus", ".g722")
LENGTH = 3.0
MADE = 60.0


@dataclass
class Row:
    """All files of one label, counted."""

    label: str
    files: int = 0
    found: dict[str, int] = field(default_factory=dict)
    segments: int = 0
    seconds: float = 0.0
    speech: float = 0.0
    words: int = 0


def template(preset: str, *, words: bool) -> Template:
    """The preset's own rules for sounds, and with words one that has speech recognised."""
    whole = load_template(preset)
    asked = [rule for rule in whole.rules if rule.forms == {Form.VOICE}]
    if words:
        asked.append(Rule(label="abuse", sub_label="speech", forms=frozenset({Form.ASR}), review=50))
    return whole.model_copy(update={"rules": tuple(asked)})


def sounds(folder: Path) -> Iterator[tuple[str, Samples]]:
    """Label and samples of every file of sound, and of what is made here."""
    yield from (("silence", silence(MADE)), ("white noise", noise(MADE)), ("pink noise", noise(MADE, pink=True)))
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].lower().endswith(SUFFIXES + FILMS)]
    for row in track(rows, "Listening", console=Console(stderr=True)):
        try:
            samples = decoded(folder / row["path"], MADE)
        except subprocess.CalledProcessError:
            continue
        if not len(samples):
            continue
        if not row["path"].lower().endswith(FILMS):
            length = max(len(samples), round(LENGTH * RATE))
            samples = np.tile(samples, -(-length // len(samples)))[:length]
        for label in (row.get("labels") or row.get("label") or "").split("|"):
            yield label, samples


def measure(folder: Path, asked: Template) -> list[Row]:
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
        segments = sound_segments([hearing], plan, asked, reporters)
        for sub_label in {found.sub_label for found in segments}:
            row.found[sub_label] = row.found.get(sub_label, 0) + 1
        row.segments += len(segments)
    return sorted(rows.values(), key=lambda row: row.label)


def show(rows: Sequence[Row], asked: Template, console: Console) -> None:
    sub_labels = [rule.sub_label for rule in asked.rules if Form.VOICE in rule.forms]
    table = Table("label", "files", *sub_labels, "per hour", "speech", "words", title=f"Found by {asked.id}")
    for row in rows:
        shares = [f"{row.found.get(sub_label, 0) / row.files:.2f}" for sub_label in sub_labels]
        rates = f"{row.segments / row.seconds * 3600:.1f}", f"{row.speech / row.seconds:.2f}"
        table.add_row(row.label, str(row.files), *shares, *rates, str(row.words))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--template", default="strict", help="the preset whose rules are asked")
    parser.add_argument("--words", action="store_true", help="recognise speech too")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON and nothing else")
    options = parser.parse_args()
    asked = template(options.template, words=options.words)
    rows = measure(options.folder, asked)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show(rows, asked, Console(width=140))


if __name__ == "__main__":
    main()
