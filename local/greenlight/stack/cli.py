"""`greenlight up`, `down`, `status` and `logs`."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight.exits import Exit
from greenlight.stack.errors import StackError
from greenlight.weights.errors import WeightsError

if TYPE_CHECKING:
    from greenlight.stack.stack import Stack

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Listen here. Default: 4566, or any free one.")]
Delete = Annotated[bool, typer.Option("--delete", help="Throw away what is stored, too.")]
Token = Annotated[bool, typer.Option("--token", help="Print an access token with all scopes, and nothing else.")]
Function = Annotated[str, typer.Argument(help="Folder below functions/, such as scan_frames.")]

out = Console()
err = Console(stderr=True)


def up(port: Port = None) -> None:
    """Start the local AWS on this machine and deploy template.yaml on it."""
    from greenlight.stack.stack import Stack
    from greenlight.weights.store import ensure_weights

    began = time.monotonic()
    with _clear_errors(), err.status("checking the weights") as progress:
        ensure_weights()
        progress.update("starting the local AWS")
        stack = Stack.start(port=port)
        stack.deploy(say=lambda step: progress.update(step))
        lines = _lines(stack)
    out.print(f"[bold green]Up[/] in {time.monotonic() - began:.1f} s")
    out.print(lines)


def down(delete: Delete = False) -> None:
    """Stop the local AWS. What it holds is there again after the next `greenlight up`."""
    from greenlight.stack import server
    from greenlight.stack.stack import STATE

    found = server.find(STATE)
    if found is not None:
        with err.status("stopping the local AWS"):
            server.stop(found)
    out.print("Stopped." if found is not None else "The local stack was not running.")
    if delete and STATE.exists():
        shutil.rmtree(STATE)
        out.print("What it held is deleted.")


def status(token: Token = False) -> None:
    """Say where the local stack answers. Exit code 4 when it is not running."""
    from greenlight.stack.stack import Stack

    with _clear_errors():
        stack = Stack.running()
        if token:
            typer.echo(stack.token())
        else:
            out.print(_lines(stack))


def logs(function: Function) -> None:
    """Print what a function of the local stack has logged."""
    from greenlight.stack.stack import Stack

    with _clear_errors():
        for line in Stack.running().logs(function):
            typer.echo(line)


def _lines(stack: "Stack") -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("HTTP API", stack.api_url)
    table.add_row("Token", "greenlight status --token")
    table.add_row("AWS", f"{stack.endpoint} (keys test/test, region us-east-1)")
    table.add_row("State", str(stack.state_dir))
    return table


@contextmanager
def _clear_errors() -> Iterator[None]:
    """What the reader can do something about is said without a traceback."""
    try:
        yield
    except (StackError, WeightsError) as error:
        err.print("[bold red]Error:[/]", escape(str(error)), highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.FAILED) from error
