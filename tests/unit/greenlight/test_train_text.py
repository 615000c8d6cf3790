"""Training of the text classifiers: what is learnt, what is held out, and what the card says of it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from greenlight.cli import app
from greenlight.texts.data import HELD_OUT, HeadPlan, Part, Recipe, read
from greenlight.texts.errors import TextsError
from greenlight.texts.figures import area, figures
from greenlight.texts.fit import Table, fit
from greenlight.weights import ensure_weights
from moderation.text.encoder import WIDTH
from moderation.text.folding import Folding
from moderation.text.linear import load, spelling

FRUITS = ("apple", "pear", "plum", "fig")
TOOLS = ("hammer", "saw", "drill", "file")


def write(path: Path, rows: list[tuple[str, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("text", "label", "extra"), *rows])


def plan(file: str = "goods.csv", groups: str | None = None) -> HeadPlan:
    part = Part(file=file, positive=("fruit",), source="own", licence="Apache-2.0", groups=groups)
    return HeadPlan(name="fruit", label="ad", sub_label="text", script="latin", parts=(part,))


def goods() -> list[tuple[str, str, str]]:
    fruits = [(f"a {word} number {n}", "fruit", f"of={n % 9}") for word in FRUITS for n in range(12)]
    tools = [(f"one {word} number {n}", "tool", f"of={n % 9 + 9}") for word in TOOLS for n in range(12)]
    return [*fruits, *tools, ("A  apple, number 0!", "fruit", "of=0")]


def test_texts_come_once_and_groups_stay_together(tmp_path: Path) -> None:
    write(tmp_path / "goods.csv", goods())
    samples = read(plan(groups="of="), tmp_path)
    assert len(samples) == len(goods()) - 1
    for group in {sample.group for sample in samples}:
        assert len({sample.held_out for sample in samples if sample.group == group}) == 1
    held_out = sum(sample.held_out for sample in read(plan(), tmp_path))
    assert held_out == pytest.approx(len(samples) / HELD_OUT, rel=0.6)


@pytest.mark.parametrize("rows", [[("a", "tool", "")], [("a", "fruit", "")], []])
def test_one_kind_alone_teaches_nothing(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    write(tmp_path / "goods.csv", rows)
    with pytest.raises(TextsError, match="both kinds"):
        read(plan(), tmp_path)


def test_a_missing_file_and_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(TextsError, match="cannot be read"):
        read(plan(), tmp_path)
    (tmp_path / "goods.csv").write_text("words,kind\na,b\n")
    with pytest.raises(TextsError, match="columns text and label"):
        read(plan(), tmp_path)


def test_the_fit_parts_what_can_be_parted() -> None:
    folding = Folding({})
    texts = [text for text, _, _ in goods()]
    positive = np.array([kind == "fruit" for _, kind, _ in goods()])
    table = Table.of(
        [spelling(folding.fold(text), "latin") for text in texts], np.zeros((len(texts), WIDTH), np.float32)
    )
    scores = fit(table, positive)(table)
    assert area(scores, positive) == 1.0
    assert ((scores > 0) == positive).all()


def test_figures_are_what_they_are_called() -> None:
    truth = np.array([True, True, False, False])
    found = figures(np.array([0.9, 0.4, 0.6, 0.1]), truth)
    assert (found.accuracy, found.f1, found.recall, found.false_positives, found.auc) == (0.5, 0.5, 0.5, 0.5, 0.75)
    assert area([1.0, 1.0, 1.0, 1.0], truth) == 0.5


def test_the_command_writes_classifiers_that_the_judge_loads_and_a_card(tmp_path: Path) -> None:
    ensure_weights(["use", "use_pieces", "variants"])
    write(tmp_path / "goods.csv", goods())
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(json.loads(Recipe(heads=(plan(),)).model_dump_json())))
    run = CliRunner().invoke(
        app, ["train-text", str(tmp_path), "--recipe", str(recipe), "--out", str(tmp_path / "out")]
    )
    assert run.exit_code == 0, run.output
    (head,) = load(tmp_path / "out" / "classifiers.npz")
    folded = Folding({}).fold("a plum number 99")
    none = np.zeros(WIDTH, np.float32)
    assert head.score(spelling(folded, "latin"), none) > head.score(
        spelling(Folding({}).fold("one drill number 99"), "latin"), none
    )
    assert "| goods.csv | own | Apache-2.0 |" in (tmp_path / "out" / "text-classifiers.md").read_text()


def test_a_broken_recipe_fails_in_words(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("heads: []")
    run = CliRunner().invoke(app, ["train-text", str(tmp_path), "--recipe", str(tmp_path / "recipe.yaml")])
    assert run.exit_code == 4
    assert "is no recipe" in run.output
