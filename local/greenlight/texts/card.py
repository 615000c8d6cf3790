"""The model card of the text classifiers, in markdown."""

from collections.abc import Iterator, Sequence

from greenlight.texts.data import Recipe
from greenlight.texts.figures import Figures
from greenlight.texts.fit import PENALTY
from greenlight.texts.train import Report


def card(reports: Sequence[Report], recipe: Recipe) -> str:
    """What the classifiers learnt from and how well they know it."""
    return "\n".join(_lines(reports, recipe)) + "\n"


def _lines(reports: Sequence[Report], recipe: Recipe) -> Iterator[str]:
    yield "## Classifiers"
    yield ""
    yield "Each is a logistic regression over hashed n-grams of the folded text, of Chinese of its syllables as"
    yield "well, and the text's vector (universal sentence encoder, multilingual);"
    yield f"penalty {PENALTY:g}, both sides of equal weight, then Platt's line."
    yield "One text in five, chosen by its digest and with all of its group, is held out: the figures are on those"
    yield "alone. A score of 0.5 is the boundary of these figures; templates ask for more."
    yield ""
    head = "| classifier | file | with, without | accuracy | F1 | recall | false positives | AUC |"
    yield head
    yield "|---|---|---|---|---|---|---|---|"
    for report in reports:
        yield f"| **{report.plan.name}**, {report.learnt} learnt | all held out | {_cells(report.together)} |"
        for part, found in report.by_part:
            yield f"| | {part.file} | {_cells(found)} |"
    yield ""
    yield "| file | source | licence |"
    yield "|---|---|---|"
    parts = {part.file: part for report in reports for part in report.plan.parts}
    for part in parts.values():
        yield f"| {part.file} | {part.source} | {part.licence} |"
    yield ""
    yield "### Known failures"
    yield ""
    yield from (f"* {sentence}" for sentence in recipe.known_failures)


def _cells(found: Figures) -> str:
    rates = (found.accuracy, found.f1, found.recall, found.false_positives, found.auc)
    shown = " | ".join("–" if rate != rate else f"{rate:.3f}" for rate in rates)
    return f"{found.positives}, {found.negatives} | {shown}"
