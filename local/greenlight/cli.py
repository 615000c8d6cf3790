"""The command line. Every command is thin: it parses, calls, shows."""

import json
import os
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, NoReturn

import typer
import typer.main
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from greenlight.exits import OF_SUGGESTION, Exit
from greenlight.paths import name_of
from greenlight.stack import cli as stack_cli
from moderation.models.job import JobError
from moderation.models.verdict import Verdict

# As in Lambda, and before anything loads numpy: its threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

SUB_COMMANDS = {
    "weights": "greenlight.weights.cli:app",
    "keys": "greenlight.keys:app",
    "sizes": "greenlight.sizes:sizes",
    "doctor": "greenlight.doctor:doctor",
    "redrive": "greenlight.redrive:redrive",
    "documents": "greenlight.documents:write_documents",
    "simulate": "greenlight.simulate.cli:simulate",
    "train-heads": "greenlight.heads.cli:train_heads",
    "library": "greenlight.library:app",
    "put-template": "greenlight.put_template:put_template",
    "judge": "greenlight.judge:judge",
    "train-text": "greenlight.texts.cli:train_text",
    "evaluate": "greenlight.evaluate.cli:evaluate",
    "calibrate": "greenlight.evaluate.cli:calibrate",
}


class _Commands(TyperGroup):
    """Loads a sub-command when it is called, so that `scan` does not wait for what only `keys` imports."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *SUB_COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SUB_COMMANDS:
            return super().get_command(ctx, cmd_name)
        loaded = resolve_name(SUB_COMMANDS[cmd_name])
        if not isinstance(loaded, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command()(loaded)
            loaded = single
        command = typer.main.get_command(loaded)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    help="Moderation for uploaded video in your own AWS account.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(stack_cli.up)
app.command()(stack_cli.down)
app.command()(stack_cli.status)
app.command()(stack_cli.logs)

WAIT_SECONDS = 6 * 3600.0
"""How long `upload` waits for a verdict: the longest media there is."""

messages = Console(stderr=True)
"""Everything but the answer: with --json, standard output holds the answer and nothing else."""

Media = Annotated[Path, typer.Argument(help="a video or sound file", exists=True, dir_okay=False, readable=True)]
Covers = Annotated[
    list[Path] | None,
    typer.Option("--cover", help="a cover picture; up to five", exists=True, dir_okay=False, readable=True),
]
AsJson = Annotated[bool, typer.Option("--json", help="print the verdict document and nothing else")]


@app.command()
def scan(
    file: Media,
    template: Annotated[
        str, typer.Option(help="a preset (default, standard, strict, fast) or a JSON file")
    ] = "default",
    title: Annotated[str, typer.Option(help="the media's title, at most 128 bytes")] = "",
    covers: Covers = None,
    as_json: AsJson = False,
    pictures: Annotated[
        Path | None,
        typer.Option(help="a folder to keep evidence pictures in, with transcript.vtt and texts.vtt", file_okay=False),
    ] = None,
) -> None:
    """Moderate FILE on this machine, without any stack.

    Exit codes: 0 pass, 10 review, 20 block, 3 refused, 4 failed, 2 usage.
    """
    from pydantic import TypeAdapter, ValidationError

    from greenlight.libraries import beside
    from greenlight.scan import cover_of
    from greenlight.scan import scan as scan_file
    from greenlight.weights.errors import WeightsError
    from greenlight.weights.store import ensure_weights
    from moderation.models.errors import ModerationError
    from moderation.models.media import Title
    from moderation.services.templates import load_template

    try:
        chosen = load_template(template)
        TypeAdapter(Title).validate_python(title)
        for index, cover in enumerate(covers or ()):
            cover_of(index, cover)
    except ModerationError as error:
        _usage(error.message, error)
    except ValidationError as error:
        _usage(f"--title or --cover: {error.errors()[0]['msg']}", error)
    with _bar() as bar:
        task = bar.add_task("weights", total=None)
        try:
            weights = ensure_weights()
        except WeightsError as error:
            _answer(name_of(file), None, JobError(code="weights", message=str(error)), refused=False, as_json=as_json)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        scanned = scan_file(
            file,
            chosen,
            weights=weights,
            title=title,
            covers=covers or (),
            progress=show,
            pictures=pictures,
            libraries=beside(template, chosen),
            once=True,
        )
    _answer(
        name_of(file),
        scanned.verdict,
        scanned.job.error,
        refused=scanned.job.outcome == "refused",
        as_json=as_json,
        captions=(scanned.transcript, scanned.texts),
    )


@app.command()
def upload(
    file: Media,
    title: Annotated[str, typer.Option(help="the media's title, at most 128 bytes")] = "",
    procedure: Annotated[
        str, typer.Option(help="template and mode, such as standard_pre or default_post")
    ] = "default_pre",
    covers: Covers = None,
    as_json: AsJson = False,
    url: Annotated[
        str | None, typer.Option(envvar="GREENLIGHT_API_URL", help="a deployed API; else the local stack")
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="GREENLIGHT_TOKEN", help="an access token for --url")] = None,
) -> None:
    """Sign, upload and moderate FILE the whole way through the HTTP API.

    Exit codes: 0 pass, 10 review, 20 block, 3 refused, 4 failed, 2 usage.
    """
    import httpx
    from pydantic import ValidationError

    from greenlight.api import Api, ApiError
    from greenlight.stack.errors import StackError
    from greenlight.stack.stack import Stack

    if (url is None) != (token is None):
        _usage("--url and --token belong together")
    try:
        if url is not None and token is not None:
            api = Api(url, lambda: token)
        else:
            stack = Stack.running()
            api = Api(stack.api_url, stack.token)
        with api, _bar() as bar:
            task = bar.add_task("upload", total=file.stat().st_size)
            media_id = api.upload(
                file,
                title=title,
                procedure=procedure,
                covers=covers or (),
                progress=lambda sent: bar.update(task, advance=sent),
            )
            bar.update(task, description="moderation", total=None)
            view = api.wait(media_id, timeout=WAIT_SECONDS)
            job = view.job
            captions = api.captions(view)
    except ValidationError as error:
        _usage("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()), error)
    except ApiError as error:
        if error.status == 400:
            _usage(error.message, error)
        _answer(name_of(file), None, JobError(code=error.code, message=error.message), refused=False, as_json=as_json)
    except (StackError, httpx.HTTPError, TimeoutError) as error:
        _answer(name_of(file), None, JobError(code="unavailable", message=str(error)), refused=False, as_json=as_json)
    if not as_json:
        messages.print(f"media {view.media.media_id}: {view.media.status}")
    verdict, problem = (job.verdict, job.error) if job else (None, None)
    refused = job is not None and job.outcome == "refused"
    _answer(name_of(file), verdict, problem, refused=refused, as_json=as_json, captions=captions)


@app.command()
def demo() -> None:
    """Moderate two clips on the local stack: one that plays, one that does not."""
    from greenlight.api import ApiError
    from greenlight.demo import DemoFailed, run
    from greenlight.stack.errors import StackError

    try:
        run(Console())
    except (DemoFailed, StackError, ApiError, TimeoutError) as error:
        messages.print(f"[bold red]Error:[/] {error}")
        raise typer.Exit(Exit.FAILED) from error


def _answer(
    name: str,
    verdict: Verdict | None,
    error: JobError | None,
    *,
    refused: bool,
    as_json: bool,
    captions: tuple[str, str] = ("", ""),
) -> NoReturn:
    """Print what a job came to and leave with the exit code that says it."""
    from greenlight.show import error_panel, verdict_panel

    if verdict is not None:
        if as_json:
            typer.echo(verdict.model_dump_json(indent=2))
        else:
            Console().print(verdict_panel(name, verdict, *captions))
        raise typer.Exit(OF_SUGGESTION[verdict.suggestion])
    shown = error or JobError(code="internal", message="the job ended without a verdict and without a reason")
    if as_json:
        typer.echo(json.dumps({"file_name": name, "error": shown.model_dump()}, indent=2))
    else:
        Console().print(error_panel(name, shown))
    raise typer.Exit(Exit.REFUSED if refused else Exit.FAILED)


def _usage(problem: str, cause: Exception | None = None) -> NoReturn:
    messages.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.USAGE) from cause


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
        transient=True,
    )
