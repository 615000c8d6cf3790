"""How well the text judge does on labelled texts: figures of each file, as templates judge them.

    python -m tests.quality.texts FOLDER

FOLDER holds the CSV files of local/greenlight/texts/recipe.yaml. Texts that the classifiers learnt from are left out.
Behind F1 stands the interval that holds it in 95 of 100 drawings of as many texts from those held out.
"""

import argparse
import csv
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from greenlight.texts.cli import RECIPE
from greenlight.texts.data import HeadPlan, Recipe, read
from greenlight.texts.disguise import Homophones
from greenlight.texts.figures import figures
from greenlight.texts.fit import Doubles, Flags
from greenlight.weights import ensure_weights
from moderation.detectors.catalog import CATALOG
from moderation.models.reading import Text, TextFinding
from moderation.models.template import Form
from moderation.services.templates import load_template
from moderation.text.judge import Judge

BENIGN = ("titles", "comments")
THRESHOLD = 0.55
"""Above one hint of a list (0.5), at about the boundary of the classifiers."""
DRAWINGS = 1000
_HOMOPHONES = str.maketrans(
    {"微": "薇", "信": "❤", "加": "伽", "群": "裙", "发": "珐", "赌": "堵", "博": "搏", "卖": "売", "代": "玳"}
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    weights = ensure_weights(dict.fromkeys(name for spec in CATALOG if spec.step == "text" for name in spec.models))
    judge = Judge(weights)
    print("| texts held out | with, without | accuracy | F1 | recall | false positives | AUC |")
    print("|---|---|---|---|---|---|---|")
    for plan in Recipe.read(RECIPE).heads:
        for name, chosen in _files(plan, arguments.folder):
            truth = np.array([positive for _, positive in chosen])
            if truth.all() or not truth.any():
                continue
            texts = [text for text, _ in chosen]
            _row(f"{name}, {plan.label}", _scores(judge, texts, plan), truth)
            if plan.disguised:
                alike = Homophones(texts)
                spelt = [disguised(text, number) for number, text in enumerate(texts)]
                heard = [alike.hide(text, number) for number, text in enumerate(texts)]
                _row(f"{name}, disguised", _scores(judge, spelt, plan), truth)
                _row(f"{name}, homophones", _scores(judge, heard, plan), truth)
    for kind in BENIGN:
        with Path(__file__).with_name(f"benign_{kind}.csv").open(newline="", encoding="utf-8") as file:
            benign = [row["text"] for row in csv.DictReader(file)]
        for preset in ("standard", "strict"):
            flagged = flagged_by(judge, preset, benign)
            print(
                f"\n{preset}: {len(flagged)} of {len(benign)} benign {kind} flagged ({len(flagged) / len(benign):.2%})"
            )
            for text in flagged:
                print(f"  {text}")


def flagged_by(judge: Judge, preset: str, titles: Sequence[str]) -> list[str]:
    """The titles that a preset template would not let pass."""
    review = {
        (rule.label, rule.sub_label): min(one for one in (rule.review, rule.block) if one is not None)
        for rule in load_template(preset).rules
        if Form.TITLE in rule.forms
    }
    found = judge.judge_all([Text(form=Form.TITLE, text=title) for title in titles])
    return [
        title
        for title, findings in zip(titles, found, strict=True)
        if any(one.score * 100 >= review.get((one.label, one.sub_label), 101) for one in findings)
    ]


def disguised(text: str, seed: int) -> str:
    """A text as an advertiser hides it: other characters of the same sound, signs and blanks between characters."""
    chance = random.Random(seed)
    hidden = text.translate(_HOMOPHONES)
    between: Callable[[], str] = lambda: chance.choice(["", "", "", " ", ".", "\u200b", "*", "·"])  # noqa: E731
    return "".join(sign + (between() if "\u4e00" <= sign <= "\u9fff" else "") for sign in hidden)


def _files(plan: HeadPlan, folder: Path) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    samples = [sample for sample in read(plan, folder) if sample.held_out]
    for part in plan.parts:
        chosen = [(sample.text, sample.positive) for sample in samples if sample.part == part]
        if chosen:
            yield part.file, chosen
    yield "all files", [(sample.text, sample.positive) for sample in samples]


def _scores(judge: Judge, texts: Sequence[str], plan: HeadPlan) -> Doubles:
    found = judge.judge_all([Text(form=Form.TITLE, text=text) for text in texts])
    return np.array([_score(findings, plan.label) for findings in found])


def _score(findings: Sequence[TextFinding], label: str) -> float:
    """The surest finding of a label. One thing repeated and letters at random are spam, but advertise nothing."""
    labels = {"ad": {"ad", "illegal", "spam"}, "spam": {"spam", "ad"}}.get(label, {label})
    found = (one for one in findings if one.label in labels and one.sub_label not in ("flood", "meaningless"))
    return max((one.score for one in found), default=0.0)


def interval(scores: Doubles, truth: Flags) -> tuple[float, float]:
    """What F1 lies between in 95 of 100 drawings of the texts."""
    chance = np.random.default_rng(0)
    drawings = (chance.integers(0, len(truth), len(truth)) for _ in range(DRAWINGS))
    drawn = [figures(scores[rows], truth[rows], THRESHOLD).f1 for rows in drawings if truth[rows].any()]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _row(name: str, scores: Doubles, truth: Flags) -> None:
    found, (low, high) = figures(scores, truth, THRESHOLD), interval(scores, truth)
    cells = [f"{found.accuracy:.3f}", f"{found.f1:.3f} ({low:.2f}–{high:.2f})"]
    cells += [f"{rate:.3f}" for rate in (found.recall, found.false_positives, found.auc)]
    print(f"| {name} | {found.positives}, {found.negatives} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
