"""`make bench`: what Greenlight costs beside what cannot be avoided, measured side by side in one run.

Prints a table and writes build/bench.json, a list of {name, value, unit, limit, target, ok}. `value` is measured,
`limit` is what it is compared with (measured in this run too), `target` is the largest value that is well.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from greenlight.paths import CHECKOUT
from moderation.media.ffmpeg import executable
from tests.bench import clips, handlers, sound, texts, vision
from tests.bench.measure import Usage, run
from tests.bench.templates import seen

CORES = 2
TURNS = 3
GREENLIGHT = str(Path(sys.executable).with_name("greenlight"))
ANY_VERDICT = (0, 10, 20)


@dataclass(frozen=True)
class Figure:
    """One line of the report; a figure without a target is only told."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    target: float | None = None

    @property
    def ok(self) -> bool:
        return self.target is None or self.value <= self.target


def scan(clip: Path, template: str = "default") -> Usage:
    return run([GREENLIGHT, "scan", str(clip), "--template", template, "--json"], accept=ANY_VERDICT)


def stage(*arguments: str) -> tuple[Usage, dict[str, Any]]:
    usage = run([sys.executable, "-m", "tests.bench.stage", *arguments])
    return usage, json.loads(usage.output)


def decode(clip: Path) -> Usage:
    """ffmpeg's full decode on one thread: what nothing that looks at every frame can do without."""
    return run([executable(), "-nostdin", "-v", "error", "-threads", "1", "-i", str(clip), "-f", "null", "-"])


def of_clip(height: int, console: Console) -> Iterator[Figure]:
    """Speed and memory on 60 seconds of full motion. Of speed the best of some turns: others use this machine too."""
    name = f"{height}p"
    clip, default, key_frames = clips.motion(height, 60), seen("default"), seen("fast")
    limits, extracts, fasts, inferences, scans, wholes = [], [], [], [], [], []
    for turn in range(1, TURNS + 1):
        with console.status(f"{name}: decoding, extracting, scanning ({turn} of {TURNS})"):
            limits.append(decode(clip))
            extracts.append(stage("extract", str(clip), default))
            fasts.append(stage("extract", str(clip), key_frames))
            inferences.append(stage("detectors", str(clip), default)[1]["sessions"])
            scans.append(scan(clip, default))
            wholes.append(scan(clip))
    limit = min(limits, key=lambda usage: usage.cpu)
    extracted = min((answer for _, answer in extracts), key=lambda answer: answer["extract_cpu"])
    fast = min((answer for _, answer in fasts), key=lambda answer: answer["extract_cpu"])
    inference = min(inferences)
    whole = min(scans, key=lambda usage: usage.wall)
    extract_peak = max(usage.peak_mb for usage, _ in [*extracts, *fasts])
    floor = (limit.cpu + inference) / CORES
    yield Figure(f"{name} full decode, one thread", limit.cpu, "CPU s")
    yield Figure(f"{name} models alone on {extracted['distinct']:.0f} frames", inference, "CPU s")
    yield Figure(f"{name} scan", whole.wall, "s", floor, 1.3 * floor)
    yield Figure(f"{name} scan, all its CPU", whole.cpu, "CPU s", limit.cpu + inference)
    yield Figure(f"{name} scan with texts, all its CPU", min(usage.cpu for usage in wholes), "CPU s", whole.cpu)
    yield Figure(f"{name} extract stage", extracted["extract_cpu"], "CPU s", limit.cpu, 0.85 * limit.cpu)
    yield Figure(f"{name} plan stage", extracted["plan_wall"], "s", limit.wall)
    yield Figure(f"{name} extract stage, fast", fast["extract_cpu"], "CPU s", limit.cpu, 0.1 * limit.cpu)
    yield Figure(f"{name} extract, peak memory", extract_peak, "MB", None, 300)
    yield Figure(f"{name} scan, peak memory", max(usage.peak_mb for usage in [*scans, *wholes]), "MB", None, 700)


def of_length(console: Console) -> Iterator[Figure]:
    """Memory is flat in the length of the video. Decoders meet at their peaks by chance: ten short scans have as many
    chances as one long one.
    """
    with console.status("ten minutes of 720p"):
        long = scan(clips.long(720, 10))
        short = max(scan(clips.motion(720, 60)).peak_mb for _ in range(10))
    yield Figure("10-minute scan, peak memory", long.peak_mb, "MB", short, 1.1 * short)
    yield Figure("10-minute scan", long.wall, "s", 600)


def of_size(console: Console) -> Iterator[Figure]:
    """Frames in a decoder grow with the picture: the largest must fit the extract function's 2,048 MB."""
    with console.status("8192 x 4320 pixels"):
        usage, _ = stage("extract", str(clips.largest()), "default")
    yield Figure("8192 x 4320 extract, peak memory", usage.peak_mb, "MB", None, 1500)


def of_slides(console: Console) -> Iterator[Figure]:
    """Near-duplicates are scored once: the same verdict for less."""
    clip = clips.slides(720, 180)
    with console.status("slides, with and without duplicate skipping"):
        with_skipping = scan(clip, "standard")
        without, answer = stage("scan_all", str(clip), "standard")
    suggestion = json.loads(with_skipping.output)["suggestion"]
    if suggestion != answer["suggestion"]:
        raise RuntimeError(f"duplicate skipping makes {answer['suggestion']} into {suggestion}")
    yield Figure("3-minute slides, scan, CPU", with_skipping.cpu, "CPU s", without.cpu, 0.5 * without.cpu)


def of_text(console: Console) -> Iterator[Figure]:
    """What reading adds to looking, on a film with captions and on the same film without."""
    for name, clip, share in (("with captions", clips.news(720, 60), 0.4), ("without text", clips.plain(720, 60), 0.1)):
        for template in ("standard", "strict"):
            with console.status(f"text in pictures, {name}, {template}"):
                answer = stage("read", str(clip), template)[1]
            title = f"reading {answer['lines']:.0f} lines on {answer['frames']:.0f} frames {name}, {template}"
            added = answer["with"] - answer["without"]
            yield Figure(title, added, "CPU s", answer["without"], share * answer["without"])


def main() -> None:
    console = Console(stderr=True)
    figures: list[Figure] = []
    for part in (
        of_clip(720, console),
        of_clip(1080, console),
        of_length(console),
        of_size(console),
        of_slides(console),
        of_text(console),
    ):
        figures += part
    figures += [Figure(*row) for row in vision.figures(console)]
    figures += [Figure(*row) for row in sound.figures(console)]
    figures += [Figure(*row) for row in texts.figures(console)]
    figures += [Figure(*row) for row in handlers.figures(console)]
    report = [{**asdict(figure), "ok": figure.ok} for figure in figures]
    path = CHECKOUT / "build" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    Console().print(_table(figures))
    sys.exit(0 if all(figure.ok for figure in figures) else 1)


def _table(figures: list[Figure]) -> Table:
    table = Table("what", "measured", "beside", "ratio", "at most", "", header_style="dim")
    for figure in figures:
        ratio = f"{figure.value / figure.limit:.2f}" if figure.limit else ""
        beside = f"{figure.limit:.2f}" if figure.limit else ""
        target = f"{figure.target:.2f}" if figure.target is not None else ""
        mark = "" if figure.target is None else "[green]ok[/]" if figure.ok else "[red]over[/]"
        table.add_row(figure.name, f"{figure.value:.2f} {figure.unit}", beside, ratio, target, mark)
    return table


if __name__ == "__main__":
    main()
