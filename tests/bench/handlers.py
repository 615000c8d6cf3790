"""Handlers without models: what a warm call costs without AWS, and what a cold import costs."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from rich.console import Console

from greenlight.paths import CHECKOUT
from moderation.entrypoints import compose
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.publisher import MemorySigner
from moderation.memory.uploads import LocalUploads
from moderation.memory.workflow import MemoryWorkflow
from moderation.models.media import MediaStatus
from moderation.services.feedback import FeedbackBook
from moderation.services.ingest import new_job
from moderation.services.media import Library
from moderation.services.playback import Playback
from moderation.services.review import Reviewing
from moderation.services.settle import Settlement
from moderation.services.templates import OwnTemplates
from moderation.services.upload import UploadSigning
from moderation.system import RandomIds, SystemClock
from tests.builders import empty_verdict, waiting_media

FUNCTIONS = sorted(path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py"))
CALLS = 200
WARM_MS = 25.0
CONTEXT = SimpleNamespace(
    aws_request_id="bench", function_name="bench", memory_limit_in_mb=1024, invoked_function_arn="arn:aws:lambda"
)

Row = tuple[str, float, str, float | None, float | None]


def figures(console: Console) -> Iterator[Row]:
    """(name, value, unit, limit, target) rows."""
    with console.status("handlers"):
        for name, milliseconds in _warm():
            yield (f"warm call without AWS, {name}", milliseconds, "ms", None, WARM_MS)
        bare = _cold("pass")
        for name in FUNCTIONS:
            folder = CHECKOUT / "functions" / name
            yield (
                f"cold import, {name}",
                _cold(f"import sys; sys.path.insert(0, {str(folder)!r}); import app") - bare,
                "ms",
                None,
                None,
            )


def _warm() -> Iterator[tuple[str, float]]:
    """Median milliseconds of the API functions over ports in memory, with their own sample events."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        for name, use_case in _use_cases(Path(folder)).items():
            patches.enter_context(patch.object(compose, name, lambda built=use_case: built))
        for name in ("upload", "media", "playback", "review", "feedback"):
            handler = _handler(name)
            event = json.loads((CHECKOUT / "events" / f"{name}.json").read_text())
            status = handler(event, CONTEXT)["statusCode"]
            if status not in (200, 201):
                raise RuntimeError(f"{name} answered {status}")
            times = []
            for _ in range(CALLS):
                began = time.perf_counter()
                handler(event, CONTEXT)
                times.append(time.perf_counter() - began)
            yield name, median(times) * 1000


def _use_cases(folder: Path) -> dict[str, object]:
    """The API's use cases over a media that has been judged and plays."""
    store, uploads, objects = MemoryMediaStore(), LocalUploads(folder), FolderObjects(folder)
    clock, ids, workflow, templates = SystemClock(), RandomIds(), MemoryWorkflow(), OwnTemplates(objects)
    media = waiting_media()
    store.add_media(media)
    identity = uploads.receive(media.source_key, b"video")
    job = new_job(media, identity, templates.get("standard"), "upload", clock)
    playable = {"status": MediaStatus.NORMAL, "published_revision": 0, "published_key": "k", "latest_job": job.job_id}
    store.save(media.model_copy(update={"identity": identity, **playable}), new_job=job)
    Settlement(store, clock).judged(job, empty_verdict(job))
    return {
        "upload_signing": UploadSigning(store, uploads, templates, clock, ids, "default_pre", timedelta(hours=1)),
        "library": Library(store, objects, templates, workflow, Settlement(store, clock), clock, ids),
        "playback": Playback(store, MemorySigner(), clock, timedelta(minutes=10)),
        "reviewing": Reviewing(store, clock, ids),
        "feedback_book": FeedbackBook(store, objects, clock, ids),
    }


def _handler(name: str) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    spec = spec_from_file_location(f"bench_{name}", CHECKOUT / "functions" / name / "app.py")
    if spec is None or spec.loader is None:
        raise RuntimeError(f"there is no function {name}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = module.handler
    return handler


def _cold(code: str) -> float:
    """Milliseconds of a Python process that runs `code`, the fastest of three."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        best = min(best, time.perf_counter() - began)
    return best * 1000
