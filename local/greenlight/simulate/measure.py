"""What a clip of one's own takes on this machine, in place of what steps.yaml says."""

import os
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moderation.detectors.catalog import needed, sizes
from moderation.detectors.scanner import Scanner
from moderation.media.frames import extract_segment
from moderation.media.plan import make_plan
from moderation.models.plan import SegmentFrames
from moderation.models.template import Template

DEADLINE = 3600.0


def measured(clip: Path, template: Template, weights: Path, known: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The height of a clip, and `known` with what this clip takes. Everything runs on one thread.

    Raises MediaRefused for a file that plan would refuse.
    """
    specs = needed(template, "frames")
    scanner = Scanner(specs, weights)
    until = time.monotonic() + DEADLINE
    began = _cpu()
    plan = make_plan(clip, interval=template.interval_seconds, key_frames_only=template.key_frames_only, deadline=until)
    planned, minutes = _cpu() - began, plan.duration / 60
    extracted = scanned = megabytes = 0.0
    for span in plan.segments:
        with tempfile.TemporaryDirectory(prefix="measure-") as folder:
            began = _cpu()
            found = extract_segment(
                clip,
                plan,
                span.index,
                sizes=sizes(specs),
                with_clips=any(spec.clips for spec in specs),
                deadline=until,
                folder=Path(folder),
            )
            extracted += _cpu() - began
            megabytes += found.archive.stat().st_size / 1e6
            began = _cpu()
            _scan(scanner, found.archive)
            scanned += _cpu() - began
    height = min((min(track.width, track.height) for track in plan.video), default=0)
    return height, {
        **known,
        "plan": {"base": planned, "minute": known["plan"]["minute"]},
        "extract": {height: extracted / minutes},
        "extract_of_key_frames": 1.0,  # what was measured has it in it
        "scan": scanned / minutes,
        "scan_of_key_frames": 1.0,
        "bitrate": {height: plan.size * 8 / plan.duration / 1e6},
        "frames_mb_a_minute": megabytes / minutes,
    }


def _scan(scanner: Scanner, archive: Path) -> None:
    with zipfile.ZipFile(archive) as stored:
        frames = SegmentFrames.model_validate_json(stored.read("index.json")).frames
        for frame in frames:
            if frame.duplicate_of is None:
                scanner.look({size: stored.read(member) for size, member in frame.pictures.items()})


def _cpu() -> float:
    """CPU seconds of this process and of those it has waited for."""
    return sum(os.times()[:4])
