"""How much of what is said is written down wrong: `python -m tests.quality.speech FOLDER [--under PREFIX] [--json]`.

FOLDER has a manifest.csv with the columns path and transcript, or extra with `text…:` and the transcript. Each file
goes through the real scan_audio step with each recogniser. Chinese and Japanese count by characters (CER), whatever
their variant; the others by words (WER). CPU seconds are those of the whole step, models loaded before.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from greenlight.evaluate.errors_of_speech import characters, errors, words
from greenlight.weights import ensure_weights
from moderation.detectors.speech import RATE
from moderation.models.template import Form, Rule, Template
from tests.quality.sound import SUFFIXES
from tests.sounds import Samples, decoded, heard, speech

_BY_SIGN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_TRANSCRIPT = re.compile(r"text[^:]*:(.+)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One file by one recogniser: of `length` words or characters so many are wrong."""

    recogniser: str
    path: str
    unit: str
    errors: int
    length: int
    languages: str
    seconds: float
    cpu: float
    text: str


def recorded(folder: Path, under: str) -> Iterator[tuple[str, str, Samples]]:
    """Path, transcript and samples of every file that can be decoded and of which is known what is said."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            told = _TRANSCRIPT.fullmatch(row.get("extra") or "")
            transcript = row.get("transcript") or (told[1] if told else "")
            if not (row["path"].startswith(under) and row["path"].lower().endswith(SUFFIXES) and transcript.strip()):
                continue
            try:
                yield row["path"], transcript, decoded(folder / row["path"])
            except subprocess.CalledProcessError:
                print(f"{row['path']}: cannot be decoded", file=sys.stderr)


def listen(recogniser: str, path: str, transcript: str, samples: Samples, variants: dict[str, str]) -> Row:
    rule = Rule(label="abuse", sub_label="speech", forms=frozenset({Form.ASR}), review=50)
    asked = Template.model_validate({"name": "quality", "revision": 1, "speech": recogniser, "rules": (rule,)})
    with tempfile.TemporaryDirectory() as place:
        began = time.process_time()
        track = heard(Path(place), samples, asked)
        cpu = time.process_time() - began
    # Moonshine does not understand Chinese, and says so: then all of it is wrong.
    text = " ".join(utterance.text for utterance in track.utterances)
    by_sign = bool(_BY_SIGN.search(transcript))
    reference, written = (_split(told, variants) if by_sign else words(told) for told in (transcript, text))
    return Row(
        recogniser,
        path,
        "characters" if by_sign else "words",
        errors(reference, written),
        len(reference),
        " ".join(sorted({utterance.language for utterance in track.utterances})) or ", ".join(track.failed.values()),
        round(len(samples) / RATE, 2),
        round(cpu, 2),
        text,
    )


def show(rows: Iterable[Row], console: Console) -> None:
    table = Table("recogniser", "file", "wrong", "of", "", "language", "CPU s/min")
    for row in rows:
        cost = f"{row.cpu / row.seconds * 60:.1f}"
        table.add_row(row.recogniser, row.path, str(row.errors), str(row.length), row.unit, row.languages, cost)
    groups = sorted({(row.recogniser, row.unit) for row in rows})
    for recogniser, unit in groups:
        own = [row for row in rows if (row.recogniser, row.unit) == (recogniser, unit)]
        wrong, length = sum(row.errors for row in own), sum(row.length for row in own)
        cost = f"{sum(row.cpu for row in own) / sum(row.seconds for row in own) * 60:.1f}"
        table.add_row(recogniser, "all", str(wrong), str(length), unit, f"{wrong / length:.1%}", cost, style="bold")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--under", default="", help="only files whose path begins so")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON and nothing else")
    options = parser.parse_args()
    variants = json.loads((ensure_weights() / "variants.json").read_text(encoding="utf-8"))
    rows = []
    for recogniser in get_args(Template.model_fields["speech"].annotation):
        listen(recogniser, "", "warm", speech(), variants)
        for path, transcript, samples in recorded(options.folder, options.under):
            rows.append(listen(recogniser, path, transcript, samples, variants))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
    else:
        show(rows, Console(width=140))


def _split(text: str, variants: dict[str, str]) -> list[str]:
    return characters("".join(variants.get(sign, sign) for sign in text))


if __name__ == "__main__":
    main()
