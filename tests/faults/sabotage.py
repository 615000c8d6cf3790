"""The app.py of a function that comes to harm: it does what is ordered for a media, once, and else its work.

An order is a file named after function and media, in ORDERS, whose text names one of the functions below. Runs in the
function's own process, on the local stack.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import real  # type: ignore[import-not-found]  # the shipped app.py, beside this one

from moderation.aws.messages import SqsMessages
from moderation.aws.objects import S3Objects
from moderation.aws.publisher import S3Publisher
from moderation.entrypoints import compose
from moderation.services.work import Work
from moderation.settings import settings

ORDERS = Path(__file__).with_name("orders")
FUNCTION = Path(__file__).parent.name


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_after(owner: type, method: str, when: Callable[..., bool] = lambda *_: True) -> None:
    do = getattr(owner, method)

    def killed(self: object, *given: Any) -> None:
        do(self, *given)
        if when(*given):
            _die()

    setattr(owner, method, killed)


def dies_with_its_frames_written(work: Work) -> None:
    _die_after(S3Objects, "put_file")


def dies_while_it_looks(work: Work) -> None:
    from moderation.detectors.scanner import Scanner

    setattr(Scanner, "look", _die)  # noqa: B010 -- mypy minds a plain assignment


def dies_while_it_chooses(work: Work) -> None:
    from moderation.services.refine import Refining

    setattr(Refining, "run", _die)  # noqa: B010 -- as above


def dies_while_it_judges(work: Work) -> None:
    from moderation.services.read import TextJudging

    setattr(TextJudging, "run", _die)  # noqa: B010 -- as above


def dies_with_its_verdict_written(work: Work) -> None:
    _die_after(S3Objects, "put", lambda key, *_: key == work.verdict)


def dies_with_its_copy_made(work: Work) -> None:
    hide = SqsMessages.hide
    setattr(SqsMessages, "hide", lambda self, receipt, seconds: hide(self, receipt, 1))  # noqa: B010 -- as above
    _die_after(S3Publisher, "copy")


def cannot_publish(work: Work) -> None:
    def refuse(*_: object) -> None:
        setattr(S3Publisher, "copy", copy)  # noqa: B010 -- as above
        raise RuntimeError("not now")

    copy = S3Publisher.copy
    setattr(S3Publisher, "copy", refuse)  # noqa: B010 -- as above


def runs_out_of_memory(work: Work) -> None:
    os._exit(137)


def loses_its_ffmpeg(work: Work) -> None:
    popen = subprocess.Popen

    class Shot(popen):  # type: ignore[misc,valid-type]
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            os.kill(self.pid, signal.SIGKILL)
            setattr(subprocess, "Popen", popen)  # noqa: B010 -- as above

    setattr(subprocess, "Popen", Shot)  # noqa: B010 -- as above


def is_late(work: Work) -> None:
    setattr(real, "seconds_left", lambda context: _once(real, "seconds_left", 0.05))  # noqa: B010 -- as above


def _once(module: Any, name: str, value: float) -> float:
    from moderation.entrypoints import steps

    setattr(module, name, getattr(steps, name))
    return value


def is_throttled(work: Work) -> None:
    raise type("Lambda.TooManyRequestsException", (Exception,), {})("Rate Exceeded")


def is_cut_off(work: Work) -> None:
    raise type("Sandbox.Timedout", (Exception,), {})("Task timed out after 900.00 seconds")


def _anybodys_objects() -> S3Objects:
    """With all rights: the functions themselves may not do what is done to them."""
    root = boto3.client("s3", aws_access_key_id="test", aws_secret_access_key="test", aws_session_token=None)
    return S3Objects(root, settings().results_bucket)


def finds_no_plan(work: Work) -> None:
    _anybodys_objects().delete_prefix(work.plan)


def finds_no_frames(work: Work) -> None:
    _anybodys_objects().delete_prefix(work.frames(0))


def finds_half_its_frames(work: Work) -> None:
    objects = _anybodys_objects()
    objects.put(work.frames(0), objects.get(work.frames(0))[:1000], "application/zip")


def finds_a_garbled_scan(work: Work) -> None:
    _anybodys_objects().put(work.scan(0), b'{"index": 0, "looks": [', "application/json")


def has_broken_weights(work: Work) -> None:
    whole = Path(settings().weights)
    broken = ORDERS / f"weights-{work.media_id}"
    broken.mkdir()
    for model in whole.glob("*.onnx"):
        (broken / model.name).write_bytes(model.read_bytes()[:1000])
    _use(broken)


def _use(weights: Path) -> None:
    os.environ["GREENLIGHT_WEIGHTS"] = str(weights)
    settings.cache_clear()
    compose.scanning.cache_clear()


def _of(event: dict[str, Any]) -> Work:
    if "media_id" in event:
        return Work(event["media_id"], event["job_id"])
    detail = json.loads(event["Records"][0]["body"])["detail"]
    return Work(detail["media_id"], "")


def handler(event: dict[str, Any], context: Any) -> Any:
    work = _of(event)
    order = ORDERS / f"{FUNCTION}-{work.media_id}"
    if not order.exists():
        return real.handler(event, context)
    ordered = order.read_text()
    order.unlink()
    weights = Path(settings().weights)
    try:
        globals()[ordered](work)
        return real.handler(event, context)
    finally:
        _use(weights)
