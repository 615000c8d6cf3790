"""What goes wrong on purpose: code that stands before the handlers of a local stack and fails now and then.

Whether a call fails is decided by the seed, the function, and how often it was called before, so that a seed brings
the same accidents however the machine is busy; only whom they meet differs, for ids are random. Each accident is
written down before it happens, in one file per function.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from greenlight.stack.stack import Stack
from tests.local_stack import faulty

STEPS = ("plan", "extract", "scan_frames", "aggregate")
CONSUMERS = ("ingest", "outbox", "publish")

BLIND = """
from moderation.detectors.base import FrameResult
from moderation.services import scan


class Blind:
    "Looks at every frame and sees nothing."

    followers = ()

    def __init__(self, specs, weights, owned):
        pass

    def look(self, pictures, **form):
        return FrameResult((), {}, None, None)


scan.Scanner = Blind
scan.load = lambda path: None
"""
"""In scan_frames, instead of the models: all else of the step is real."""

_CODE = """
import json
import os
import random
from pathlib import Path

import real
from moderation.models.errors import Transient

{more}
RATES = {rates!r}
LOG = Path({log!r})


def subject(event):
    if "job_id" in event:
        return event["job_id"], event.get("index", 0)
    first = event["Records"][0]
    return first.get("messageId") or first["eventID"], 0


def accident(event):
    what = subject(event)
    with (LOG / "{name}.calls").open("ab", buffering=0) as file:
        file.write(b"x")
        call = file.tell()  # after our own byte, whoever writes at the same time
    dice = random.Random(f"{seed} {name} {{call}}")
    drawn, before = dice.random(), dice.random() < 0.5
    for kind, rate in RATES.items():
        if drawn < rate:
            with (LOG / "{name}.jsonl").open("a") as file:
                file.write(json.dumps([kind, before, *what]) + "\\n")
            return kind, before
        drawn -= rate
    return None, before


def happen(kind):
    if kind == "killed":
        os._exit(1)
    if kind == "transient":
        raise Transient("an accident")


def handler(event, context):
    kind, before = accident(event)
    if before:
        happen(kind)
    answer = real.handler(event, context)
    happen(kind)
    return answer
"""


class Accidents:
    """The accidents of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def unseen(self) -> set[str]:
        """Jobs with a segment that was not looked at: its scan died before its work. After it, nothing is missing."""
        return {job_id for kind, before, job_id, _ in self._happened("scan_frames") if kind == "killed" and before}

    def count(self) -> dict[str, int]:
        """Accidents by function and kind."""
        return dict(
            Counter(f"{function} {kind}" for function in (*STEPS, *CONSUMERS) for kind, *_ in self._happened(function))
        )

    def _happened(self, function: str) -> list[tuple[str, bool, str, int]]:
        """Kind, whether before the work, job or message, and index of each accident."""
        log = self._folder / f"{function}.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@contextmanager
def accidents(
    stack: Stack, *, seed: int, transient: float, killed: float, kill_consumers: bool, blind: bool
) -> Iterator[Accidents]:
    """Let functions of the stack fail.

    transient       share of calls of each step that raise Transient, before or after their work
    killed          share of calls of scan_frames and of the consumers whose process dies, before or after their work
    kill_consumers  whether consumers die at all: what they were given comes again only when its time-out is over
    blind           whether scan_frames goes without its models
    """
    with ExitStack() as faults:
        folder = Path(faults.enter_context(TemporaryDirectory(prefix="accidents-")))
        happening = Accidents(folder / "log")
        for function in (*STEPS, *(CONSUMERS if kill_consumers else ())):
            rates = {"killed": killed} if function in CONSUMERS else {"transient": transient}
            if function == "scan_frames":
                rates["killed"] = killed
            code = _CODE.format(
                more=BLIND if blind and function == "scan_frames" else "",
                rates=rates,
                log=str(folder / "log"),
                name=function,
                seed=seed,
            )
            (folder / function).mkdir()
            faults.enter_context(faulty(stack, function, code, folder / function))
        yield happening
