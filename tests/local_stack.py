"""What tests of the whole system share: one local stack for the session, a client, the bus, and faults on demand."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

import pytest

from greenlight.api import Api
from greenlight.paths import CHECKOUT
from greenlight.stack.package import package
from greenlight.stack.stack import Stack
from greenlight.stack.template import Function


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The shipped template, deployed on a local AWS of its own. Shared: make media of your own in it."""
    running = Stack.start(Path(mkdtemp(prefix="greenlight-stack-")), port=0, end_with_us=True)
    try:
        yield running.deploy()
    finally:
        running.stop()
        shutil.rmtree(running.state_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[Api]:
    """A caller with all scopes."""
    with Api(stack.api_url, stack.token) as client:
        yield client


@pytest.fixture(scope="session")
def bus(stack: Stack) -> "Bus":
    """Everything that leaves on the bus from now on."""
    return Bus(stack)


class Bus:
    """A queue behind the application's bus."""

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._seen: list[dict[str, Any]] = []
        name = f"test-{uuid4().hex}"
        events = stack.client("events")
        pattern = json.dumps({"source": ["greenlight"]})
        rule = events.put_rule(Name=name, EventBusName=stack.outputs["EventBusName"], EventPattern=pattern)["RuleArn"]
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attributes["QueueArn"],
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        target = {"Id": "queue", "Arn": attributes["QueueArn"]}
        events.put_targets(Rule=name, EventBusName=stack.outputs["EventBusName"], Targets=[target])

    def all(self) -> list[dict[str, Any]]:
        """The EventBridge events that have arrived so far, in their order."""
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._seen.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._seen

    def of(self, media_id: str) -> list[dict[str, Any]]:
        """Those of one media."""
        return [event for event in self.all() if event["detail"]["media_id"] == media_id]

    def wait_for(self, media_id: str, detail_type: str, timeout: float = 30.0, **detail: Any) -> dict[str, Any]:
        """The first event of a media with this type and these values in its detail."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for event in self.of(media_id):
                if event["detail-type"] == detail_type and detail.items() <= event["detail"].items():
                    return event
            time.sleep(0.2)
        raise AssertionError(f"no {detail_type!r} with {detail} came, only {self.of(media_id)}")


@contextmanager
def faulty(stack: Stack, function: str, code: str, folder: Path) -> Iterator[None]:
    """Let a function of the stack run other code for a while.

    code    the app.py to run; the real one can be imported from it as `real`
    folder  an empty folder to put it in
    """
    shutil.copy(CHECKOUT / "functions" / function / "app.py", folder / "real.py")
    (folder / "app.py").write_text(code)
    _replace(stack, function, folder)
    try:
        yield
    finally:
        _replace(stack, function, CHECKOUT / "functions" / function)


def _replace(stack: Stack, function: str, folder: Path) -> None:
    name = stack.functions()[function]
    code = package(Function(function, folder), CHECKOUT)
    stack.client("lambda").update_function_code(FunctionName=name, ZipFile=code)


@contextmanager
def held(stack: Stack, function: str, folder: Path) -> Iterator[Callable[[], None]]:
    """Let a function of the stack wait before it does its work, until the given call says to go on."""
    go_on = folder / "go-on"
    code = f"""
import time
from pathlib import Path

import real


def handler(event, context):
    while not Path({str(go_on)!r}).exists():
        time.sleep(0.05)
    return real.handler(event, context)
"""
    (folder / "code").mkdir()
    with faulty(stack, function, code, folder / "code"):
        try:
            yield go_on.touch
        finally:
            go_on.touch()
