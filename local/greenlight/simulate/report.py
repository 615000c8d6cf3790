"""What a simulation came to, as plain data and as tables."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from greenlight.simulate.costs import by_service, costs
from greenlight.simulate.history import worst
from greenlight.simulate.limits import Break, Limit, limits
from greenlight.simulate.load import LENGTHS, segments
from greenlight.simulate.model import Model
from greenlight.simulate.parts import percentile
from greenlight.simulate.published import vendors
from moderation.models.media import MAX_COVERS
from moderation.refine import MAX_QUESTIONS

SHARES = (0.5, 0.95, 0.99)
SHOWN = 12
"""Limits in the table; the JSON has all."""


def report(model: Model, breaks: Sequence[Break]) -> dict[str, Any]:
    """Everything that is shown, and more. Times are seconds, money is US dollars."""
    paid, uploads = costs(model), model.uploads
    total = sum(paid.values())
    longest = max(uploads, key=lambda upload: upload.events)
    pieces = len(segments(max(model.load.lengths or LENGTHS)))
    hours_a_day = model.minutes / 60 / model.window * 86_400
    return {
        "load": {
            "uploads": len(uploads),
            "uploads_an_hour": model.load.rate,
            "minutes_simulated": model.window / 60,
            "video_minutes": model.minutes,
            "segments": sum(len(upload.segments) for upload in uploads),
        },
        "outcome": {
            "verdicts": sum(upload.verdicts for upload in uploads),
            "failed_jobs": sum(upload.lost for upload in uploads),
            "to_verdict": _percentiles(model.to_verdict),
            "to_playable": _percentiles(model.to_play),
            "of_the_longest": max((upload.took for upload in uploads if upload.video == longest.video), default=0.0),
        },
        "functions": {
            name: {
                "calls": function.calls,
                "cold": function.cold,
                "throttled": function.throttled,
                "given_up": function.given_up,
                "timed_out": function.timed_out,
                "mean_seconds": function.seconds / function.calls,
                "concurrency": {
                    "mean": function.level.mean,
                    "p95": function.level.percentile(0.95),
                    "most": function.level.most,
                },
                "reserved": model.app.functions[name].reserved,
                "wait_p95": percentile(function.waits, 0.95),
            }
            for name, function in model.functions.items()
            if function.calls
        },
        "state_machine": {
            "transitions": model.transitions.meter.total,
            "transitions_a_second": model.transitions.meter.busiest_second,
            "transitions_for_retries": sum(model.retried.values()),
            "history_of_the_longest": longest.events,
            "history_at_worst": worst(
                model.app.machine, {"segments": pieces, "covers": MAX_COVERS, "windows": MAX_QUESTIONS}
            ),
        },
        "requests_a_second": {
            name: {"busiest_second": meter.busiest_second, "busiest_minute": meter.busiest_minute}
            for name, meter in sorted(model.meters.items())
        },
        "budget": {
            "hours_a_day": hours_a_day,
            "DailyVideoHours": float(model.app.parameters["DailyVideoHours"]),
        },
        "limits": [_limit(limit) for limit in limits(model)],
        "breaks": [
            {"limit": _limit(found.limit), "holds_at": found.holds_at, "breaks_at": found.breaks_at} for found in breaks
        ],
        "cost": {
            "a_video_minute": total / model.minutes,
            "a_thousand_videos": total / len(uploads) * 1000,
            "a_video_minute_by_service": {name: dollars / model.minutes for name, dollars in by_service(paid).items()},
            "a_thousand_videos_by_part": {name: dollars / len(uploads) * 1000 for name, dollars in paid.items()},
            "of_others": vendors(),
        },
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{share * 100:.0f}": percentile(values, share) for share in SHARES}


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "key": limit.key,
        "name": limit.name,
        "capacity": limit.capacity,
        "share": limit.share,
        "refused": limit.refused,
        "wait_p95": limit.wait,
        "broken": limit.broken,
        "raise": limit.remedy,
    }


def tables(told: dict[str, Any]) -> RenderableType:
    """The report for people."""
    return Group(_outcome(told), _functions(told), _limits(told), _breaks(told), _cost(told))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _outcome(told: dict[str, Any]) -> Table:
    load, outcome, machine, budget = told["load"], told["outcome"], told["state_machine"], told["budget"]
    history, worst_history = machine["history_of_the_longest"], machine["history_at_worst"]
    table = _table("What became of the load", "", "")
    rows = {
        "uploads": f"{load['uploads']:,} in {load['minutes_simulated']:g} minutes",
        "video": f"{load['video_minutes']:,.0f} minutes in {load['segments']:,} segments",
        "verdicts, jobs that failed": f"{outcome['verdicts']:,}, {outcome['failed_jobs']:,}",
        "to the verdict": _seconds(outcome["to_verdict"]),
        "until it plays": _seconds(outcome["to_playable"]),
        "the longest video, at most": f"{outcome['of_the_longest']:,.0f} s",
        "state transitions": f"{machine['transitions']:,.0f}, {machine['transitions_for_retries']:,} of them retries",
        "… in the busiest second": f"{machine['transitions_a_second']:,.0f}",
        "history of the longest run": f"{history:,} events, at worst {worst_history:,}",
        "video a day at this rate": f"{budget['hours_a_day']:,.0f} hours",
        "… which DailyVideoHours lets through, at": f"{budget['DailyVideoHours']:,.0f} hours",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _seconds(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in values.items())


def _functions(told: dict[str, Any]) -> Table:
    table = _table("Functions", "", "calls", "cold", "seconds", "mean", "p95", "most", "of", "throttled", "wait p95")
    for name, function in sorted(told["functions"].items(), key=lambda item: -item[1]["concurrency"]["mean"]):
        level = function["concurrency"]
        table.add_row(
            name.removesuffix("Function"),
            f"{function['calls']:,}",
            f"{function['cold']:,}",
            f"{function['mean_seconds']:.2f}",
            f"{level['mean']:.1f}",
            f"{level['p95']:,}",
            f"{level['most']:,}",
            f"{function['reserved'] or ''}",
            f"{function['throttled']:,}",
            f"{function['wait_p95']:.1f} s",
        )
    table.caption = "mean, p95 and most: how many ran at once, of those reserved"
    return table


def _limits(told: dict[str, Any]) -> Table:
    table = _table("The nearest limits", "", "of", "used", "refused", "wait p95", "raise")
    for limit in told["limits"][:SHOWN]:
        table.add_row(
            limit["name"],
            f"{limit['capacity']:,.0f}",
            f"{limit['share']:.0%}",
            f"{limit['refused']:.1%}" if limit["refused"] else "",
            f"{limit['wait_p95']:.1f} s" if limit["wait_p95"] > 0.05 else "",
            limit["raise"],
            style="red" if limit["broken"] else None,
        )
    return table


def _breaks(told: dict[str, Any]) -> Table:
    table = _table("What breaks when the rate rises", "", "holds at", "breaks at", "raise")
    for found in told["breaks"]:
        table.add_row(
            found["limit"]["name"],
            f"{found['holds_at']:,.0f} an hour" if found["holds_at"] else "",
            f"{found['breaks_at']:,.0f} an hour",
            found["limit"]["raise"],
        )
    return table


def _cost(told: dict[str, Any]) -> Table:
    cost = told["cost"]
    table = _table("What it costs, list prices of us-east-1", "", "$ a video minute", "$ a thousand videos", "share")
    whole, thousand = cost["a_video_minute"], cost["a_thousand_videos"]
    for name, dollars in cost["a_video_minute_by_service"].items():
        share = dollars / whole
        table.add_row(name, f"{dollars:.6f}", f"{share * thousand:.3f}", f"{share:.1%}")
    table.add_section()
    table.add_row("together", f"{whole:.6f}", f"{thousand:.3f}", "")
    for name, dollars in cost["of_others"].items():
        table.add_row(name, f"{dollars:.6f}", f"{dollars / whole * thousand:,.0f}", f"{dollars / whole:,.0f} ×")
    return table
