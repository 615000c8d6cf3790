"""`greenlight evaluate` and `greenlight calibrate`."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from greenlight.evaluate.calibrate import calibrated, rewritten
from greenlight.evaluate.errors import EvaluateError
from greenlight.evaluate.look import Looked, Looking, Pair, widened
from greenlight.evaluate.manifest import Item, Kind, read, sampled
from greenlight.evaluate.report import document, evaluation, markdown
from greenlight.evaluate.score import judged
from greenlight.evaluate.sheet import page
from greenlight.exits import Exit
from greenlight.libraries import beside
from greenlight.paths import cache_folder
from greenlight.weights.errors import WeightsError
from greenlight.weights.store import ensure_weights
from moderation.detectors.catalog import CATALOG
from moderation.detectors.labels import meant
from moderation.models.errors import ModerationError
from moderation.models.template import Form, Template
from moderation.services.templates import load_template

_messages = Console(stderr=True)
_FORMS = {
    Kind.PICTURE: (Form.IMAGE, Form.CODE),
    Kind.CLIP: (Form.IMAGE, Form.CODE),
    Kind.SOUND: (Form.VOICE,),
    Kind.TEXT: (Form.TITLE,),
}

Manifests = Annotated[
    list[Path],
    typer.Argument(help="CSVs: path or text, label (joined by |), perhaps group and transcript", exists=True),
]
Each = Annotated[int | None, typer.Option(min=1, help="at most so many items of each label, always the same ones")]
Only = Annotated[list[str] | None, typer.Option(help="only items with this label; benign for those without any")]
Under = Annotated[list[str] | None, typer.Option(help="only rows of which the path begins so")]
Named = Annotated[str, typer.Option("--template", help="a preset or a JSON file")]
Rename = Annotated[
    list[str] | None, typer.Option(help="LABEL=NAME: what a label of the manifest means, such as 1=abuse")
]
AsJson = Annotated[bool, typer.Option("--json", help="print the figures as JSON and nothing else")]


def evaluate(
    manifests: Manifests,
    template: Named = "default",
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option(help="a folder for report.md, report.json and errors.html", file_okay=False)
    ] = None,
    rename: Rename = None,
    under: Under = None,
    only: Only = None,
    each: Each = None,
) -> None:
    """Hold labelled pictures, clips, sounds and texts against what the product makes of them.

    Whatever was looked at is kept in the cache folder, so that a run cut short goes on where it stopped. Labels may be
    those of the product (label, sub_label, label/sub_label) or those of collections, such as weapon_gun or qr_code;
    `benign`, or none, means that nothing is to be found. Exit codes: 0 evaluated, 4 failed, 2 usage.
    """
    with _told():
        seen, chosen, meanings = _seen(manifests, template, rename or (), under or (), only or (), each)
        pairs = [(item, judged(item, looked, chosen)) for item, looked in seen]
        refused = [(item, looked.refused) for item, looked in seen if looked.refused]
        found = evaluation([one for _, one in pairs if one], refused, meanings, chosen)
    figures = json.dumps(document(found), indent=1, ensure_ascii=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").write_text(figures + "\n", encoding="utf-8")
        (out / "report.md").write_text(markdown(found), encoding="utf-8")
        (out / "errors.html").write_text(page(found), encoding="utf-8")
    typer.echo(figures if as_json else markdown(found))


def calibrate(
    manifests: Manifests,
    per_hour: Annotated[float, typer.Option(min=0.0, help="false positives allowed in an hour of video, of all rules")],
    template: Named = "default",
    as_json: AsJson = False,
    write: Annotated[
        Path | None,
        typer.Option(help="write the next revision of the template, with what is proposed (of a preset, own_NAME)"),
    ] = None,
    shot: Annotated[float, typer.Option(min=0.1, help="seconds of video that a benign picture stands for")] = 5.0,
    rename: Rename = None,
    under: Under = None,
    only: Only = None,
    each: Each = None,
) -> None:
    """Propose thresholds of a template's rules about pictures, from benign clips and pictures.

    Each rule gets the same share of the budget, and blocking a tenth of that. What is looked at is kept, as by
    evaluate. Exit codes: 0 proposed, 4 failed, 2 usage.
    """
    with _told():
        seen, chosen, meanings = _seen(manifests, template, rename or (), under or (), only or (), each)
        with _bar() as bar:
            task = bar.add_task("thresholds", total=len(chosen.rules))
            proposals = calibrated(
                seen,
                chosen,
                meanings,
                per_hour=per_hour,
                shot_seconds=shot,
                progress=lambda: bar.advance(task),
            )
        if not proposals or not proposals[0].hours:
            raise EvaluateError("there are no benign pictures or clips, or no rules about pictures")
    if write is not None:
        document = rewritten(chosen, proposals).model_dump_json(indent=2, exclude_defaults=True)
        write.write_text(document + "\n", encoding="utf-8")
    if as_json:
        rows = [
            {
                "label": one.rule.label,
                "sub_label": one.rule.sub_label,
                "review": one.proposed.review,
                "block": one.proposed.block,
                "false_positives_per_hour": one.reviews.value if one.reviews else None,
                "false_positives_per_hour_ci": one.reviews.interval if one.reviews else None,
                "hours": one.hours,
                "recall": one.recall.value if one.recall.total else None,
            }
            for one in proposals
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    columns = ("review", "block", "false reviews an hour", "false blocks an hour", "recall")
    table = Table(Column("rule", no_wrap=True), *columns)
    for one in proposals:
        table.add_row(
            f"{one.rule.label}/{one.rule.sub_label}",
            f"{one.rule.review} → {one.proposed.review}" if one.reviews else "",
            f"{one.rule.block} → {one.proposed.block}" if one.blocks else "",
            str(one.reviews or ""),
            str(one.blocks or ""),
            str(one.recall) if one.recall.total else "–",
        )
    Console().print(table)
    hours = proposals[0].hours
    typer.echo(
        f"From {hours:.2f} hours without anything to find, which can show no rate below {3 / hours:.2f} an hour."
    )


def _seen(
    manifests: Sequence[Path],
    template: str,
    rename: Sequence[str],
    under: Sequence[str],
    only: Sequence[str],
    each: int | None,
) -> tuple[list[tuple[Item, Looked]], Template, dict[str, frozenset[Pair]]]:
    """Every item of the manifests, looked at; the template; and what their labels mean."""
    chosen = load_template(template)
    items = read(manifests, dict(_renamed(rename)), under, only)
    if each is not None:
        items = sampled(items, each)
    targets = {target[1:] for spec in CATALOG for target in spec.reports}
    targets |= {(rule.label, rule.sub_label) for rule in chosen.rules}
    names = sorted({label for item in items for label in item.labels})
    meanings = {name: meant(name, targets) for name in names}
    asked = frozenset(pair for pairs in meanings.values() for pair in pairs)
    forms = {form for item in items for form in _FORMS[item.kind]}
    with _bar() as bar, ThreadPoolExecutor(2) as pool:
        task = bar.add_task("weights", total=None)
        cache = cache_folder() / "evaluate"
        looking = Looking(widened(chosen, asked, forms), ensure_weights(), cache, asked, beside(template, chosen))
        bar.update(task, description="looking", total=len(items))

        def one(item: Item) -> tuple[Item, Looked]:
            looked = looking.look(item)
            bar.advance(task)
            return item, looked

        return list(pool.map(one, items)), chosen, meanings


def _renamed(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for one in given:
        label, equals, name = one.partition("=")
        if not equals:
            raise EvaluateError(f"{one} does not say what it means: write LABEL=NAME")
        yield label, name


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ModerationError as error:
        _fail(error.message, Exit.USAGE)
    except (EvaluateError, WeightsError) as error:
        _fail(str(error), Exit.FAILED)


def _fail(problem: str, code: Exit) -> NoReturn:
    _messages.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=_messages)
