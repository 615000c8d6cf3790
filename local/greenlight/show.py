"""Verdicts for people: what was found, when, how sure, and what was looked at."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from greenlight.captions import captions_table, clock
from moderation.models.job import JobError
from moderation.models.template import Form
from moderation.models.verdict import Coverage, Segment, Suggestion, Verdict

COLOURS = {Suggestion.PASS: "green", Suggestion.REVIEW: "yellow", Suggestion.BLOCK: "red"}
MAX_ROWS = 10
SEEN = 60


def verdict_panel(name: str, verdict: Verdict, transcript: str = "", texts: str = "") -> RenderableType:
    """The verdict on one file; `transcript` and `texts` are its WebVTT documents."""
    colour = COLOURS[verdict.suggestion]
    headline = Text.assemble((verdict.suggestion.upper(), f"bold {colour}"))
    if verdict.label:
        headline.append(f"  {verdict.label}/{verdict.sub_label} in form {verdict.form}, {verdict.confidence} of 100")
    parts: list[RenderableType] = [headline]
    if verdict.segments:
        parts.append(_segments(verdict))
    for heading, document in (("said", transcript), ("written", texts)):
        if document:
            parts.append(captions_table(heading, document))
    parts.append(_coverage(verdict.coverage))
    if verdict.reasons:
        parts.append(Text(f"not clean because: {', '.join(verdict.reasons)}", style="yellow"))
    for detector, fared in verdict.coverage.detectors.items():
        if fared.state == "failed":
            parts.append(Text(f"{detector} failed on {fared.failed} of {fared.looked}: {fared.reason}", style="yellow"))
    if verdict.evasions:
        parts.append(Text(f"seen on the way: {', '.join(verdict.evasions)}", style="magenta"))
    return Panel(Group(*parts), title=Text(name), border_style=colour, expand=False)


def error_panel(name: str, error: JobError) -> RenderableType:
    """Why a file has no verdict."""
    body = Text.assemble((error.code, "bold red"), f"  {error.message}")
    return Panel(body, title=Text(name), border_style="red", expand=False)


def _segments(verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("from", "to", "label", "form", "confidence", "suggests", "seen"):
        table.add_column(heading)
    for segment in verdict.segments[:MAX_ROWS]:
        table.add_row(*_row(segment))
    hidden = verdict.segments_total - min(MAX_ROWS, len(verdict.segments))
    if hidden > 0:
        table.caption = f"and {hidden} more"
    return table


def _row(segment: Segment) -> tuple[str | Text, ...]:
    place = (f"cover {segment.cover}", "") if segment.cover is not None else (clock(segment.start), clock(segment.end))
    seen = segment.text or _many(segment.frames, "moment" if segment.form is Form.VOICE else "frame")
    marked = Text(seen)
    for hit in segment.hits:
        marked.stylize("bold red", hit.start, hit.end)
    return (
        *place,
        f"{segment.label}/{segment.sub_label}",
        segment.form,
        str(segment.confidence),
        Text(segment.suggestion, style=COLOURS[segment.suggestion]),
        marked[:SEEN],
    )


def _coverage(coverage: Coverage) -> Text:
    """What was looked at, heard and read, as far as there was any."""
    told = []
    if coverage.frames_expected:
        looked = f"{coverage.frames_scored} of {coverage.frames_planned} frames looked at"
        decoded = f"{coverage.frames_decoded} of {coverage.frames_expected} decoded"
        same = f", {_many(coverage.duplicates, 'near-duplicate')}" if coverage.duplicates else ""
        told.append(f"{looked} ({decoded}{same}{', sampling reduced' if coverage.reduced else ''})")
    if coverage.covers_planned:
        told.append(f"{coverage.covers_scanned} of {_many(coverage.covers_planned, 'cover')}")
    if coverage.sound_seconds:
        heard = f"{coverage.sound_heard_seconds:.0f} of {coverage.sound_seconds:.0f} s of sound heard"
        told.append(f"{heard}, {coverage.speech_seconds:.0f} s of speech in it")
    if coverage.texts_read:
        told.append(f"{_many(coverage.texts_read, 'text')} read")
    return Text("; ".join(told), style="dim")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
