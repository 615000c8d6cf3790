"""`greenlight train-heads`: linear heads from labelled pictures, with their model card."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from greenlight.exits import Exit
from greenlight.heads.card import card
from greenlight.heads.data import Recipe, read
from greenlight.heads.embed import embed
from greenlight.heads.errors import HeadsError
from greenlight.heads.people import cut_out
from greenlight.heads.train import Set, together, train
from greenlight.paths import cache_folder
from greenlight.weights.errors import WeightsError
from greenlight.weights.store import ensure_weights
from moderation.detectors.heads import HeadsFile

HEADS = "heads.json"
CARD = "heads.md"

_messages = Console(stderr=True)


def train_heads(
    data: Annotated[
        Path,
        typer.Argument(help="folders named by label, or a CSV with path, labels (joined by |), group", exists=True),
    ],
    out: Annotated[Path, typer.Option(help="the folder for heads.json and heads.md", file_okay=False)] = Path(),
    recipe: Annotated[
        Path | None, typer.Option(help="a YAML file: which heads, what is left out, what belongs together")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="other labelled pictures to measure on", exists=True)] = None,
    altered: Annotated[int, typer.Option(help="altered copies of each picture to learn from", min=0, max=8)] = 1,
    permissive_only: Annotated[
        bool, typer.Option("--permissive-only", help="leave out pictures without a permissive licence")
    ] = False,
) -> None:
    """Train heads on labelled pictures: weapons, smoking, or labels of your own.

    Embeddings are kept in the cache folder, so that a second run takes seconds. With --permissive-only, heads that too
    few pictures are left for are left out as well. Exit codes: 0 trained, 4 failed, 2 usage.
    """
    try:
        plan = Recipe.read(recipe)
        learnt = read(data)
        samples = [one for one in plan.apply(learnt.samples) if one.permissive or not permissive_only]
        if not samples:
            raise HeadsError("no pictures are left to learn from")
        others = read(test) if test else None
        with _bar() as bar:
            task = bar.add_task("weights", total=None)
            weights = ensure_weights(["lite", *(["nanodet"] if plan.people else [])])
            model = _digest(weights / "lite.onnx")
            cache = cache_folder() / "heads" / f"{model[:12]}.looks"

            def step(count: int) -> None:
                bar.advance(task, count)

            if plan.people:
                bar.update(task, description="people", total=len(samples))
                people = cache.with_name(f"{_digest(weights / 'nanodet.onnx')[:12]}.people")
                samples = cut_out(samples, people, weights=weights, progress=step)
            total = len(samples) * (1 + altered) + (len(others.samples) if others else 0)
            bar.update(task, description="embeddings", completed=0, total=total)

            paths = [one.path for one in samples]
            pictures = Set(samples, embed(paths, weights=weights, cache=cache, altered=altered, progress=step))
            tested = None
            if others:
                shown = embed([one.path for one in others.samples], weights=weights, cache=cache, progress=step)
                tested = Set(others.samples, shown)
            plans, scarce = pictures.trainable(plan.plans(learnt.samples))
            bar.update(task, completed=0, total=len(plans))

            def begin(name: str) -> None:
                bar.update(task, description=f"head {name}")

            trained = []
            tags = (weights / "lite_tags.txt").read_text(encoding="utf-8").splitlines()
            for pair in train(plans, pictures, tested, tags=tags, progress=begin):
                trained.append(pair)
                bar.advance(task)
    except (HeadsError, WeightsError) as error:
        _fail(str(error))
    if scarce:
        _messages.print(f"Too few pictures for a head: {', '.join(scarce)}", style="yellow", highlight=False)
    shipped = [head for head, report in trained if not report.plan.experimental]
    heads = tuple(sorted(shipped, key=lambda head: head.name))
    if not heads:
        _fail("no label is on enough pictures for a head")
    out.mkdir(parents=True, exist_ok=True)
    file = HeadsFile(model_sha256=model, data_sha256=learnt.sha256, heads=heads)
    file.write(out / HEADS)
    reports = [report for _, report in trained]
    named = {report.plan.name: report for report in reports}
    joined = [
        row
        for name, members in plan.together.items()
        if all(one in named for one in members)
        for row in together(name, [named[one] for one in members], pictures)
    ]
    told = f"{len(others.samples)} of list `{others.sha256[:12]}`" if others else ""
    lines = card(file, reports, joined, samples, plan, altered=altered, tested=told)
    (out / CARD).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for report in reports:
        _messages.print(f"{report.plan.name}: average precision {report.precision}", highlight=False)
    typer.echo(out / HEADS)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=_messages)


def _fail(problem: str) -> NoReturn:
    _messages.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.FAILED)
