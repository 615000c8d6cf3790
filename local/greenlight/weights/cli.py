"""`greenlight weights`: build, list, verify and copy model weights."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from greenlight.weights import store
from greenlight.weights.errors import WeightsError
from greenlight.weights.manifest import load_manifest

app = typer.Typer(help="Fetch, verify and convert model weights.", no_args_is_help=True)

_FAILED = 4
_errors = Console(stderr=True)

Names = Annotated[
    list[str] | None, typer.Argument(help="Names of the manifest; all when none is given.", show_default=False)
]


@app.command("build")
def build(names: Names = None) -> None:
    """Build the weights that are missing, verified by the manifest's hashes."""
    bar = Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.fields[name]:12} {task.description}"),
        TimeElapsedColumn(),
        console=_errors,
    )
    tasks = {}

    def show(name: str, step: store.Step) -> None:
        if name not in tasks:
            tasks[name] = bar.add_task("", total=1, name=name)
        bar.update(tasks[name], description=step, completed=int(step == "ready"))

    try:
        with bar:
            folder = store.ensure_weights(names or None, show)
    except WeightsError as error:
        raise _fail(error) from error
    _errors.print(f"Weights are in {folder}", highlight=False, soft_wrap=True)


@app.command("list")
def list_() -> None:
    """Show what the manifest holds and what is built."""
    table = Table("name", "from", "licence", "MB", "built")
    folder = store.weights_folder()
    for entry in load_manifest().weights:
        size = f"{entry.output.size / 1e6:.1f}"
        built = "yes" if store.is_ready(entry, folder) else "no"
        table.add_row(entry.name, str(entry.source), entry.licence.spdx, size, built)
    Console().print(table)


@app.command("verify")
def verify(names: Names = None) -> None:
    """Hash the built weights again and compare them with the manifest."""
    folder = store.weights_folder()
    try:
        for entry in load_manifest().select(names or None):
            store.check(entry, folder)
            typer.echo(f"{entry.name}: {entry.output.sha256}")
    except WeightsError as error:
        raise _fail(error) from error


@app.command("copy")
def copy(
    layer: Annotated[str, typer.Argument(help="A layer named in the manifest.")],
    destination: Annotated[Path, typer.Argument(help="The folder to fill.", file_okay=False)],
) -> None:
    """Copy a Lambda layer's weights, building them first where needed."""
    try:
        for path in store.copy_layer(layer, destination):
            typer.echo(path)
    except WeightsError as error:
        raise _fail(error) from error


def _fail(error: WeightsError) -> typer.Exit:
    _errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(_FAILED)
