"""`greenlight simulate`"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from greenlight.exits import Exit
from greenlight.paths import CHECKOUT
from greenlight.simulate.limits import Break, first_break
from greenlight.simulate.load import CYCLE, Load
from greenlight.simulate.model import Model
from greenlight.simulate.published import quotas, steps
from greenlight.simulate.report import report, tables
from greenlight.simulate.shipped import shipped

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def simulate(
    rate: Annotated[float, typer.Option(help="uploads an hour, on average", min=1)] = 10_000,
    minutes: Annotated[float, typer.Option(help="how long uploads arrive; then all come to their end", min=1)] = 20,
    burst: Annotated[float, typer.Option(help="how many times as many come in one minute of ten", min=1)] = 3,
    lengths: Annotated[str, typer.Option(help="shares of lengths, such as 30s:0.7,10m:0.29,6h:0.01")] = "",
    heights: Annotated[str, typer.Option(help="shares of heights, such as 720:0.6,1080:0.4")] = "",
    covers: Annotated[float, typer.Option(help="share of uploads with a cover", min=0, max=1)] = 0.3,
    poll: Annotated[float, typer.Option(help="seconds between looks of uploaders; 0 where events do", min=0)] = 10,
    plays: Annotated[int, typer.Option(help="playback URLs asked for each media that plays", min=0)] = 5,
    deleted: Annotated[float, typer.Option(help="share of playing media that is deleted later", min=0, max=1)] = 0.05,
    template: Annotated[str, typer.Option(help="default, standard, strict, fast, or a JSON file")] = "default",
    clip: Annotated[
        Path | None, typer.Option(help="a video typical of the load: its steps are measured here", exists=True)
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="a parameter of template.yaml, such as ExtractConcurrency=400")
    ] = None,
    region: Annotated[str, typer.Option(help="whose quotas apply; prices are always those of us-east-1")] = "us-east-1",
    account: Annotated[int, typer.Option(help="concurrent executions of the account; 0 for the quota", min=0)] = 0,
    vcpu_speed: Annotated[float, typer.Option(help="a vCPU of Lambda, measured in cores of this machine", min=0.1)] = 1,
    breaks: Annotated[int, typer.Option(help="how many limits to break, one after the other", min=0)] = 2,
    seed: Annotated[int, typer.Option(help="of all chances; the same gives the same result")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print plain data and nothing else")] = False,
) -> None:
    """Simulate a load on the application as template.yaml describes it: concurrency, waits, limits and cost.

    Quotas and prices are what AWS publishes; the times of steps are measured on one machine. See docs/capacity.md.
    """
    from moderation.models.errors import ModerationError
    from moderation.services.templates import load_template

    messages = Console(stderr=True)
    try:
        chosen = load_template(template)
        app = shipped(CHECKOUT, dict(setting.split("=", 1) for setting in parameter or ()))
        load = Load(
            rate=rate,
            burst=burst,
            lengths={_length(text): share for text, share in _shares(lengths)} or None,
            heights={int(text): share for text, share in _shares(heights)} or None,
            covers=covers,
            poll=poll,
            plays=plays,
            deleted=deleted,
            key_frames_only=chosen.key_frames_only,
            seed=seed,
        )
    except (ModerationError, KeyError, ValueError) as error:
        messages.print(f"[red]{error}[/]")
        raise typer.Exit(Exit.USAGE) from error
    found, known = quotas(region), steps()
    if account:
        found["lambda_concurrency"] = replace(found["lambda_concurrency"], value=float(account))
    if clip is not None:
        from greenlight.simulate.measure import measured
        from greenlight.weights.store import ensure_weights
        from moderation.media.ffmpeg import MediaRefused

        try:
            with messages.status(f"measuring {clip.name}"):
                height, known = measured(clip, chosen, ensure_weights(), known)
        except MediaRefused as refusal:
            messages.print(f"[red]{clip.name}: {refusal.message}[/]")
            raise typer.Exit(Exit.REFUSED) from refusal
        load = replace(load, heights={height: 1.0})

    def run(uploads_an_hour: float, lifted: frozenset[str]) -> Model:
        model = Model(
            app, replace(load, rate=uploads_an_hour), found, known=known, vcpu_speed=vcpu_speed, lifted=lifted
        )
        return model.run(CYCLE, drain=False)

    try:
        model = Model(app, load, found, known=known, vcpu_speed=vcpu_speed)
    except ValueError as error:
        messages.print(f"[red]{error}[/]")
        raise typer.Exit(Exit.USAGE) from error
    with messages.status("simulating"):
        model.run(minutes * 60)
        broken: list[Break] = []
        for _ in range(breaks):
            lifted = frozenset(earlier.limit.key for earlier in broken)
            next_break = first_break(run, broken[-1].breaks_at if broken else rate, lifted)
            if next_break is None:
                break
            broken.append(next_break)
        told = report(model, broken)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        Console().print(tables(told))


def _shares(text: str) -> list[tuple[str, float]]:
    pairs = (part.split(":") for part in text.split(",") if part)
    return [(name.strip(), float(share)) for name, share in pairs]


def _length(text: str) -> float:
    return float(text[:-1]) * _UNITS[text[-1]]
