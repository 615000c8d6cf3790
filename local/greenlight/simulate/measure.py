"""What a clip of one's own takes on this machine, in place of what steps.yaml says."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from greenlight.scan import job_over
from moderation.media.plan import make_plan
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.uploads import LocalUploads
from moderation.models.template import Template
from moderation.services.extract import Extraction
from moderation.services.hear import Listening
from moderation.services.scan import Scanning
from moderation.services.work import Work
from moderation.system import SystemClock

DEADLINE = 3600.0


def measured(clip: Path, template: Template, weights: Path, known: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The height of a clip, and `known` with what this clip takes. Everything runs on one thread.

    Raises MediaRefused for a file that plan would refuse, ModerationError where a step fails.
    """
    spent: dict[str, float] = dict.fromkeys(("plan", "extract", "scan", "hear"), 0.0)

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        began = _cpu()
        yield
        spent[step] += _cpu() - began

    with tempfile.TemporaryDirectory(prefix="measure-") as folder, ThreadPoolExecutor(1) as pool:
        store, objects, uploads = MemoryMediaStore(), FolderObjects(Path(folder)), LocalUploads(Path(folder))
        job = job_over(clip, template, uploads, store, SystemClock())
        work = Work(job.media_id, job.job_id)
        with timed("plan"):
            plan = make_plan(
                clip,
                interval=template.interval_seconds,
                key_frames_only=template.key_frames_only,
                deadline=time.monotonic() + DEADLINE,
            )
        objects.put(work.plan, plan.model_dump_json().encode(), "application/json")
        extraction, scanning = Extraction(store, uploads, objects), Scanning(store, objects, weights, pool)
        listening = Listening(store, objects, weights)
        megabytes = 0.0
        for index in range(len(plan.segments)):
            with timed("extract"):
                sound = extraction.run(job.job_id, index, DEADLINE)
            megabytes += len(objects.get(work.frames(index))) / 1e6
            with timed("scan"):
                scanning.segment(job.job_id, index)
            if sound:
                with timed("hear"):
                    listening.segment(job.job_id, index)
    minutes = plan.duration / 60
    height = min((min(track.width, track.height) for track in plan.video), default=0)
    return height, {
        **known,
        "plan": {"base": spent["plan"], "minute": known["plan"]["minute"]},
        "extract": {height: spent["extract"] / minutes},
        "extract_of_key_frames": 1.0,  # what was measured has it in it
        "scan": spent["scan"] / minutes,
        "scan_of_key_frames": 1.0,
        "hear": spent["hear"] / minutes,
        "bitrate": {height: plan.size * 8 / plan.duration / 1e6},
        "frames_mb_a_minute": megabytes / minutes,
    }


def _cpu() -> float:
    """CPU seconds of this process and of those it has waited for."""
    return sum(os.times()[:4])
