"""`greenlight train-text`: the text classifiers from labelled texts, with their model card."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from greenlight.exits import Exit
from greenlight.paths import cache_folder
from greenlight.texts.card import card
from greenlight.texts.data import Recipe, read
from greenlight.texts.errors import TextsError
from greenlight.texts.train import train
from greenlight.weights.errors import WeightsError
from greenlight.weights.store import ensure_weights
from moderation.text.folding import Folding
from moderation.text.linear import save

RECIPE = Path(__file__).with_name("recipe.yaml")
CLASSIFIERS = "classifiers.npz"
CARD = "text-classifiers.md"

_messages = Console(stderr=True)


def train_text(
    data: Annotated[Path, typer.Argument(help="the folder of the recipe's CSV files", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help=f"the folder for {CLASSIFIERS} and {CARD}", file_okay=False)] = Path(),
    recipe: Annotated[Path, typer.Option(help="a YAML file: which classifiers of which files")] = RECIPE,
) -> None:
    """Train text classifiers on labelled texts: abuse, advertising, spam, or labels of your own.

    Vectors of texts are kept in the cache folder, so that a second run takes seconds. Exit codes: 0 trained, 4 failed,
    2 usage.
    """
    try:
        plan = Recipe.read(recipe)
        weights = ensure_weights(["use", "use_pieces", "variants"])
        folding = Folding(json.loads((weights / "variants.json").read_text(encoding="utf-8")))
        cache = cache_folder() / "texts" / "vectors.npz"
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        trained = []
        with Progress(*columns, TimeRemainingColumn(), console=_messages) as bar:
            for one in plan.heads:
                samples = read(one, data)
                twice = sum(one.disguised and not sample.held_out for sample in samples)
                task = bar.add_task(one.name, total=len(samples) + twice)
                advance = lambda count, task=task: bar.advance(task, count)  # noqa: E731
                trained.append(train(one, data, weights, folding, cache, advance))
    except (TextsError, WeightsError) as error:
        _messages.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.FAILED) from error
    out.mkdir(parents=True, exist_ok=True)
    save([head for head, _ in trained], out / CLASSIFIERS)
    reports = [report for _, report in trained]
    (out / CARD).write_text(card(reports, plan), encoding="utf-8")
    for report in reports:
        together = report.together
        _messages.print(
            f"{report.plan.name}: AUC {together.auc:.3f}, accuracy {together.accuracy:.3f}", highlight=False
        )
    typer.echo(out / CLASSIFIERS)
