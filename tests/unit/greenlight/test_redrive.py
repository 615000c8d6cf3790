"""`greenlight redrive`: what it shows of dead letters, and where they go. The whole way is in tests/e2e."""

import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from greenlight import redrive
from greenlight.deployed import Deployed, Resource
from greenlight.redrive import CONSUMERS, give_back, letters, release
from greenlight.stack.errors import StackError
from tests.builders import MEDIA_ID
from tests.template.shipped import properties_of, written

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1d2e"
LOG_GROUP = "/aws/lambda/shop/publish"


@cache
def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


@pytest.fixture
def deployed(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """The queues of a stack, and a log group that all functions share."""
    monkeypatch.setattr(redrive, "POLL_SECONDS", 0)
    client.cache_clear()
    with mock_aws():
        sqs = client("sqs")
        resources = {
            name: Resource("AWS::SQS::Queue", sqs.create_queue(QueueName=name)["QueueUrl"])
            for name in (*CONSUMERS, "UploadsQueue", "PublishQueue")
        }
        client("logs").create_log_group(logGroupName=LOG_GROUP)
        client("logs").create_log_stream(logGroupName=LOG_GROUP, logStreamName="one")
        resources |= {item.logs: Resource("AWS::Logs::LogGroup", LOG_GROUP) for item in CONSUMERS.values()}
        yield Deployed(ARN, "CREATE_COMPLETE", client, resources, {}, {})


def send(deployed: Deployed, queue: str, body: Any, **attributes: str) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    told = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    sent = client("sqs").send_message(QueueUrl=deployed.id(queue), MessageBody=text, MessageAttributes=told)
    return str(sent["MessageId"])


def log(deployed: Deployed, *lines: Any) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line if isinstance(line, str) else json.dumps(line)} for line in lines]
    client("logs").put_log_events(logGroupName=LOG_GROUP, logStreamName="one", logEvents=events)


def waiting(deployed: Deployed, queue: str) -> list[str]:
    found = client("sqs").receive_message(QueueUrl=deployed.id(queue), MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [message["Body"] for message in found.get("Messages", [])]


def test_every_dead_letter_queue_of_the_template_has_its_way_back() -> None:
    resources = written()["Resources"]
    queues = properties_of(resources, "AWS::SQS::Queue")
    assert set(CONSUMERS) == {name for name in queues if name.endswith("DeadLetters")}
    assert {consumer.logs for consumer in CONSUMERS.values()} <= set(properties_of(resources, "AWS::Logs::LogGroup"))


EVENT = {"detail-type": "Media Status Changed", "detail": {"media_id": MEDIA_ID, "revision": 2}}
OBJECT = {
    "Records": [{"responseElements": {"x-amz-id": "f" * 32}, "s3": {"object": {"key": f"media/{MEDIA_ID}/source"}}}]
}
RUN = {"requestPayload": {"detail": {"input": json.dumps({"media_id": MEDIA_ID, "job_id": "j"})}}}
GIVEN_UP = {"requestContext": {"condition": "RetriesExhausted"}, "responsePayload": {"errorType": "Transient"}}


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (EVENT, f"media {MEDIA_ID}"),
        (OBJECT, f"media {MEDIA_ID}"),
        (RUN, f"media {MEDIA_ID}"),
        ({"DDBStreamBatchInfo": {"batchSize": 7}}, "7 records of the stream"),
        ("no json", "no media"),
    ],
)
def test_a_letter_says_what_it_is_about(deployed: Deployed, body: Any, about: str) -> None:
    send(deployed, "PublishDeadLetters", body)
    (letter,) = letters(deployed, "PublishDeadLetters")
    assert letter.about == about


def test_a_letter_says_why_it_died(deployed: Deployed) -> None:
    # GIVEN letters that say so themselves, one of which the function's log does, and one of which nobody does
    send(deployed, "PublishDeadLetters", EVENT, ERROR_CODE="SDK_CLIENT_ERROR", ERROR_MESSAGE="no such queue")
    send(deployed, "PublishDeadLetters", RUN | GIVEN_UP)
    send(deployed, "PublishDeadLetters", "{")
    logged = send(deployed, "PublishDeadLetters", EVENT)
    send(deployed, "PublishDeadLetters", [])
    traceback = '  File "/opt/python/x.py", line 1, in copy\nmoderation.ports.NotFound'
    log(
        deployed,
        "REPORT of the platform about a record failed",
        {"message": "record failed", "record_id": "another", "exception": "KeyError"},
        {"message": "record failed", "record_id": logged, "exception": traceback},
    )
    # THEN each has its cause
    causes = {letter.message_id: letter.cause for letter in letters(deployed, "PublishDeadLetters")}
    assert causes.pop(logged) == "moderation.ports.NotFound"
    assert sorted(causes.values()) == [
        "",
        "RetriesExhausted Transient",
        "SDK_CLIENT_ERROR no such queue",
        "the message is no JSON",
    ]


@pytest.mark.parametrize(
    ("dead", "queue"), [("UploadsDeadLetters", "UploadsQueue"), ("PublishDeadLetters", "PublishQueue")]
)
def test_a_message_goes_back_to_its_queue_as_it_was(deployed: Deployed, dead: str, queue: str) -> None:
    # GIVEN more letters than one call brings
    bodies = sorted(json.dumps({"number": number}) for number in range(23))
    for body in bodies:
        send(deployed, dead, body)
    # WHEN all are given back
    found = letters(deployed, dead)
    assert [give_back(deployed, letter).problem for letter in found] == [None] * 23
    # THEN each is in its queue once
    assert letters(deployed, dead) == []
    sqs, back = client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=deployed.id(queue), MaxNumberOfMessages=10).get("Messages"):
        back += [message["Body"] for message in messages]
    assert sorted(back) == bodies


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"FunctionError": "Unhandled", "Payload": {"errorType": "Transient"}}, "OutboxFunction: Transient"),
        ({"Payload": {"batchItemFailures": [{"itemIdentifier": "1"}]}}, "OutboxFunction: 1 records failed again"),
    ],
)
def test_what_a_function_cannot_take_stays(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], problem: str
) -> None:
    def invoke(deployed: Deployed, letter: Any) -> None:
        class Lambda:
            def invoke(self, **asked: Any) -> dict[str, Any]:
                return answer | {"Payload": _Body(json.dumps(answer["Payload"]))}

        functions = Deployed(ARN, "", lambda service: Lambda(), {"OutboxFunction": Resource("", "f")}, {}, {})
        redrive._call(functions, "OutboxFunction", {})

    _with(monkeypatch, "OutboxDeadLetters", invoke)
    send(deployed, "OutboxDeadLetters", EVENT)
    (letter,) = letters(deployed, "OutboxDeadLetters")
    assert give_back(deployed, letter).problem == problem
    assert len(waiting(deployed, "OutboxDeadLetters")) == 1


class _Body:
    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> bytes:
        return self._text.encode()


def _with(monkeypatch: pytest.MonkeyPatch, queue: str, way: Callable[[Deployed, Any], None]) -> None:
    monkeypatch.setattr(redrive, "CONSUMERS", {**CONSUMERS, queue: redrive._Consumer(CONSUMERS[queue].logs, way)})


# ───────────────────────────── the command ─────────────────────────────


def run(*arguments: str) -> Any:
    from greenlight.cli import app

    return CliRunner().invoke(app, ["redrive", *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def found(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setattr(redrive, "find", lambda stack: deployed)
    return deployed


def test_a_dry_run_shows_and_changes_nothing(found: Deployed) -> None:
    send(found, "PublishDeadLetters", EVENT, ERROR_CODE="NO_PERMISSIONS")
    for _ in range(2):
        done = run("--dry-run")
        assert done.exit_code == 4  # something is there
        assert f"media {MEDIA_ID}" in done.stdout
        assert "NO_PERMISSIONS" in done.stdout
        assert "given back" not in done.stdout
    assert waiting(found, "PublishDeadLetters") == [json.dumps(EVENT)]
    assert waiting(found, "PublishQueue") == []


def test_one_queue_or_all(found: Deployed) -> None:
    send(found, "PublishDeadLetters", EVENT)
    send(found, "UploadsDeadLetters", OBJECT)
    done = run("UploadsDeadLetters")
    assert (done.exit_code, "given back" in done.stdout) == (0, True)
    assert (len(waiting(found, "PublishDeadLetters")), len(waiting(found, "UploadsQueue"))) == (1, 1)
    assert run().exit_code == 0
    assert len(waiting(found, "PublishQueue")) == 1
    empty = run()
    assert (empty.exit_code, empty.stdout) == (0, "There are no dead letters.\n")


def test_one_that_cannot_be_given_back_keeps_no_other_from_it(found: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(deployed: Deployed, letter: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke")

    _with(monkeypatch, "FailJobDeadLetters", refuse)
    send(found, "FailJobDeadLetters", RUN)
    send(found, "PublishDeadLetters", EVENT)
    done = run()
    assert done.exit_code == 4
    assert "AccessDenied" in done.stdout
    assert len(waiting(found, "FailJobDeadLetters")) == 1
    assert len(waiting(found, "PublishQueue")) == 1


def test_what_is_not_there_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(stack: str | None) -> Deployed:
        raise StackError("the local stack is not running: say `greenlight up`")

    monkeypatch.setattr(redrive, "find", nowhere)
    assert (run("NoSuchQueue").exit_code, run().exit_code) == (2, 4)
    assert "greenlight up" in run().stderr


def test_a_released_letter_can_be_taken_at_once(deployed: Deployed) -> None:
    send(deployed, "SweepDeadLetters", EVENT)
    (letter,) = letters(deployed, "SweepDeadLetters")
    assert letters(deployed, "SweepDeadLetters") == []
    release(deployed, letter)
    assert [again.message_id for again in letters(deployed, "SweepDeadLetters")] == [letter.message_id]
