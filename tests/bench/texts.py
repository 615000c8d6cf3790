"""The text judge: how many short texts a second, of lists and rules and of all parts."""

import csv
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console

from greenlight.weights import ensure_weights
from moderation.detectors.catalog import CATALOG
from moderation.models.reading import Text
from moderation.models.template import Form
from moderation.text.judge import PARTS, make
from tests.quality import texts

COUNT = 2000
TURNS = 3
MOST_MS = {"words": 1000 / 2000, "text_models": None}
"""CPU milliseconds that a text may take: 2,000 a second by lists and rules."""
RUDE = ("加薇❤ abc12345 看片", "f.u.c.k you", "how are you, 你好")

Row = tuple[str, float, str, float | None, float | None]


def figures(console: Console) -> Iterator[Row]:
    """(name, value, unit, limit, target) rows, each the best of some turns."""
    weights = ensure_weights(dict.fromkeys(name for spec in CATALOG if spec.step == "text" for name in spec.models))
    with Path(texts.__file__).with_name("benign_titles.csv").open(newline="", encoding="utf-8") as file:
        titles = [row["text"] for row in csv.DictReader(file)]
    judged = [Text(form=Form.TITLE, text=text) for text in islice(cycle([*titles, *RUDE]), COUNT)]
    for name, implementation in PARTS.items():
        with console.status(f"texts: {name}"):
            part = make(implementation, weights, ())
            some = judged if name == "words" else judged[: COUNT // 10]
            part.find(some[:100])
            spent = []
            for _ in range(TURNS):
                start = time.process_time()
                part.find(some)
                spent.append((time.process_time() - start) / len(some) * 1000)
        yield (f"judging a short text, {name}", min(spent), "CPU ms", None, MOST_MS[name])
