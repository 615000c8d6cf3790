"""One stage of the work in a process of its own: `python -m tests.bench.stage STAGE …`, answers JSON on stdout."""

import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from moderation.detectors.catalog import DetectorSpec, needed, sizes
from moderation.media import frames
from moderation.media.plan import make_plan
from moderation.models.observation import FrameLook
from moderation.models.plan import FrameEntry, Plan
from moderation.services.templates import load_template

HOUR = 3600.0
OCR = ("ocr", "ocr_small")


def extract(clip: Path, template_name: str) -> dict[str, float]:
    """Plan a clip and decode its segments one after the other, as the two functions do."""
    template = load_template(template_name)
    began = time.perf_counter()
    plan = make_plan(
        clip,
        interval=template.interval_seconds,
        key_frames_only=template.key_frames_only,
        deadline=time.monotonic() + HOUR,
    )
    planned, spent = time.perf_counter(), _cpu()
    found = [frame for segment in _extracted(clip, plan, needed(template, "frames")) for frame in segment.frames.frames]
    return {
        "plan_wall": planned - began,
        "extract_wall": time.perf_counter() - planned,
        "extract_cpu": _cpu() - spent,
        "segments": len(plan.segments),
        "frames": len(found),
        "distinct": sum(frame.duplicate_of is None for frame in found),
    }


def _extracted(clip: Path, plan: Plan, specs: Sequence[DetectorSpec]) -> Iterator[frames.Extracted]:
    """Each segment as the detectors need it, there until the next one is asked for."""
    for span in plan.segments:
        with tempfile.TemporaryDirectory() as folder:
            yield frames.extract_segment(
                clip,
                plan,
                span.index,
                sizes=sizes(specs),
                with_clips=any(spec.clips for spec in specs),
                deadline=time.monotonic() + HOUR,
                folder=Path(folder),
            )


def _cpu() -> float:
    """CPU seconds of this process and its ended children."""
    return sum(os.times()[:4])


def read(clip: Path, template_name: str) -> dict[str, float]:
    """CPU seconds of looking at a clip's distinct frames without and with reading what is written on them.

    Frame by frame in turn, so that what else the machine does weighs on both alike; models are loaded before.
    """
    from greenlight.weights import ensure_weights
    from moderation.detectors.catalog import CATALOG
    from moderation.detectors.scanner import Scanner

    weights = ensure_weights()
    specs = [spec for spec in needed(load_template(template_name), "frames") if spec.name not in OCR]
    reading = next(spec for spec in CATALOG if spec.name == OCR[0])
    looked = list(_distinct(clip, [*specs, reading]))
    with_text, without = Scanner([*specs, reading], weights), Scanner(specs, weights)
    Scanner([*specs, reading], weights).look(looked[-1])
    spent, lines = [0.0, 0.0], 0
    for pictures in looked:
        began = time.process_time()
        without.look(pictures)
        middle = time.process_time()
        result = with_text.look(pictures)
        spent = [spent[0] + middle - began, spent[1] + time.process_time() - middle]
        lines += sum(seen.detector == reading.name for seen in result.observations)
    return {"frames": len(looked), "lines": lines, "without": spent[0], "with": spent[1]}


def _distinct(clip: Path, specs: Sequence[DetectorSpec]) -> Iterator[dict[str, bytes]]:
    """The JPEG files by size of every frame that is looked at."""
    plan = make_plan(clip, interval=1.0, deadline=time.monotonic() + HOUR)
    for segment in _extracted(clip, plan, specs):
        yield from (pictures for _, pictures in _pictures(segment))


def _pictures(segment: frames.Extracted) -> Iterator[tuple[FrameEntry, dict[str, bytes]]]:
    """The distinct frames of a segment with their JPEG files by size."""
    with zipfile.ZipFile(segment.archive) as stored:
        for frame in segment.frames.frames:
            if frame.duplicate_of is None:
                yield frame, {size: stored.read(member) for size, member in frame.pictures.items()}


def scan_all(clip: Path, template_name: str) -> dict[str, str]:
    """Scan as the command line does, but with every near-duplicate scored like any other frame."""
    from greenlight.scan import scan
    from greenlight.weights import ensure_weights

    with patch.object(frames, "_alike", lambda one, other: False):
        verdict = scan(clip, load_template(template_name), weights=ensure_weights()).verdict
    return {"suggestion": verdict.suggestion if verdict else "none"}


def workers(clip: Path, template: str, count: int) -> dict[str, float]:
    """Scan as the command line does on a machine with so many cores."""
    from greenlight.scan import scan
    from greenlight.weights import ensure_weights

    weights = ensure_weights()
    began = time.perf_counter()
    with patch("greenlight.scan.os.cpu_count", lambda: count):
        scan(clip, load_template(template), weights=weights)
    return {"wall": time.perf_counter() - began}


def detectors(clip: Path, template_name: str) -> dict[str, object]:
    """CPU seconds of looking at the distinct frames of a clip on one thread, in all and per detector.

    What several detectors share is counted for the first. `sessions` are the models alone, with their loading,
    `pictures` the decoding of JPEG.
    """
    from greenlight.weights import ensure_weights
    from moderation.detectors import base, inference
    from moderation.detectors.following import follow
    from moderation.detectors.scanner import Scanner

    specs = needed(load_template(template_name), "frames")
    spent: dict[str, float] = {}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                spent[name] = spent.get(name, 0.0) + time.process_time() - began

        return run

    scanner = Scanner(specs, ensure_weights())
    looking: list[tuple[Any, str]] = [(one, "observe") for one in scanner.detectors]
    looking += [(one, method) for one in scanner.followers for method in ("note", "follow")]
    for one, method in looking:
        setattr(one, method, timed(one.name, getattr(one, method)))
    whole = 0.0
    plan = make_plan(clip, interval=1.0, deadline=time.monotonic() + HOUR)
    with (
        patch.object(inference.Network, "run", timed("sessions", inference.Network.run)),
        patch.object(base, "_decode", timed("pictures", base._decode)),
    ):
        for segment in _extracted(clip, plan, specs):
            looks, results = [], {}
            for frame, pictures in _pictures(segment):
                began = time.process_time()
                results[frame.ordinal] = scanner.look(pictures)
                whole += time.process_time() - began
                looks.append(FrameLook(ordinal=frame.ordinal, track=frame.track, time=frame.time))
            began = time.process_time()
            follow(scanner.followers, looks, results)
            whole += time.process_time() - began
    bare = {name: spent.pop(name, 0.0) for name in ("sessions", "pictures")}
    return {"cpu": whole, **bare, "detectors": spent}


def main() -> None:
    stage, *arguments = sys.argv[1:]
    stages: dict[str, Callable[[], object]] = {
        "extract": lambda: extract(Path(arguments[0]), arguments[1]),
        "workers": lambda: workers(Path(arguments[0]), arguments[1], int(arguments[2])),
        "detectors": lambda: detectors(Path(arguments[0]), arguments[1]),
        "read": lambda: read(Path(arguments[0]), arguments[1]),
        "scan_all": lambda: scan_all(Path(arguments[0]), arguments[1]),
    }
    print(json.dumps(stages[stage]()))


if __name__ == "__main__":
    main()
