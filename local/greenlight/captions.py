"""WebVTT as `moderation.vtt` writes it, read and shown to people."""

import re
from collections.abc import Iterator
from html import unescape

from rich.table import Table
from rich.text import Text

MAX_LINES = 12
_VOICE = re.compile(r"^<v (\d+)>")
_TIMES = re.compile(r"(\d+):(\d\d):(\d\d\.\d{3}) --> (\d+):(\d\d):(\d\d\.\d{3})")


def cues(document: str) -> Iterator[tuple[float, float, str]]:
    """Start and end in seconds, and text, of each cue; of several tracks, the text begins with its own."""
    lines = iter(document.splitlines())
    for line in lines:
        if found := _TIMES.match(line):
            hours, minutes, seconds, *end = found.groups()
            text = unescape(_VOICE.sub(r"track \1: ", next(lines, "")))
            yield _seconds(hours, minutes, seconds), _seconds(*end), text


def captions_table(heading: str, document: str) -> Table:
    """What is said or shown, with its times."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("from")
    table.add_column("to")
    table.add_column(heading)
    lines = list(cues(document))
    for start, end, text in lines[:MAX_LINES]:
        table.add_row(clock(start), clock(end), Text(text))
    if len(lines) > MAX_LINES:
        table.caption = f"and {len(lines) - MAX_LINES} more"
    return table


def clock(seconds: float) -> str:
    """Seconds as m:ss.t, or h:mm:ss.t."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _seconds(hours: str, minutes: str, seconds: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
