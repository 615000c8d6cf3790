"""Put the whole stack under load on this machine, with accidents, and see that nothing is lost or doubled.

Prints a table and writes build/stress.json. Exit code 1 when anything is not as it must be.
"""

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from greenlight.paths import CHECKOUT
from greenlight.stack.stack import Stack
from tests import clips
from tests.stored import queue_url
from tests.stress.accidents import accidents
from tests.stress.campaign import Campaign, Report

OUTPUT = CHECKOUT / "build" / "stress.json"
VISIBILITY_SECONDS = "20"
PUBLISH_SECONDS = 30
"""What a consumer that died was given comes again after about so long: uploads when the queue shows them again,
copies when the call would have been over. As shipped, six and sixteen minutes, which is only waiting."""

out = Console()


def main(
    number: Annotated[int | None, typer.Option("--number", "-n", min=2, help="Uploads. Default: 1000, or 50.")] = None,
    real: Annotated[bool, typer.Option("--real", help="Look with the real models at real clips.")] = False,
    seed: Annotated[int, typer.Option(help="Of accidents, duplicates and their order.")] = 1,
    transient: Annotated[float, typer.Option(min=0, max=0.5, help="Share of calls of steps that fail once.")] = 0.05,
    killed: Annotated[float, typer.Option(min=0, max=0.5, help="Share of calls whose process dies.")] = 0.02,
    minutes: Annotated[float, typer.Option(help="Give up after so long.")] = 30,
    output: Annotated[Path, typer.Option(help="Where to write the figures.")] = OUTPUT,
) -> None:
    """Upload many media at once."""
    number = number or (50 if real else 1000)
    clip = clips.clean() if real else clips.short()
    bars = Progress(TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with out.status("starting a local AWS of its own"):
        stack = Stack.start(Path(mkdtemp(prefix="greenlight-stress-")), port=0, end_with_us=True).deploy()
    try:
        for queue in ("UploadsQueue", "PublishQueue"):
            stack.client("sqs").set_queue_attributes(
                QueueUrl=queue_url(stack, queue), Attributes={"VisibilityTimeout": VISIBILITY_SECONDS}
            )
        stack.client("lambda").update_function_configuration(
            FunctionName=stack.functions()["publish"], Timeout=PUBLISH_SECONDS
        )
        with (
            accidents(
                stack, seed=seed, transient=transient, killed=killed, kill_consumers=True, blind=not real
            ) as happening,
            bars,
        ):
            tasks = {what: bars.add_task(what, total=number) for what in ("uploads", "verdicts", "followed")}
            report = Campaign(stack, clip, seed=seed).run(
                number, happening, lambda what, done, of: bars.update(tasks[what], completed=done), 60 * minutes
            )
    finally:
        stack.stop()
        shutil.rmtree(stack.state_dir, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(report.json())
    out.print(_table(report))
    for problem in report.problems[:20]:
        out.print(f"[bold red]✗[/] {problem}", soft_wrap=True)
    raise typer.Exit(1 if report.problems else 0)


def _table(report: Report) -> Table:
    table = Table("", "", title=f"{report.uploads} uploads at once", show_header=False, title_justify="left")
    table.add_row("all over after", f"{report.seconds:.0f} s, of which uploading took {report.uploading_seconds:.0f} s")
    table.add_row("throughput", f"{report.per_minute:.0f} media a minute")
    table.add_row("time to verdict", f"p50 {report.p50:.1f} s, p95 {report.p95:.1f} s")
    table.add_row("verdicts", _counts(report.verdicts))
    table.add_row("brought besides", f"{report.duplicates} copies of events, {report.overwrites} later versions")
    table.add_row("accidents", _counts(report.accidents))
    table.add_row("deepest queues", _counts(report.deepest))
    table.add_row("dead letters", str(sum(report.dead_letters.values())))
    table.add_row("lost or doubled", f"[bold green]{0}" if not report.problems else f"[bold red]{len(report.problems)}")
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"


if __name__ == "__main__":
    typer.run(main)
