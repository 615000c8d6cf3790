"""A message that fails comes again soon, and that of a process that died not long after."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from moto import mock_aws

from moderation.aws.messages import SqsMessages
from moderation.entrypoints.batch import LONGEST_PAUSE, MARGIN, patient, pause
from tests.template.shipped import written

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CONTEXT = cast("LambdaContext", SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000))


class Hidden(SqsMessages):
    """Writes down for how long messages are hidden."""

    def __init__(self) -> None:
        self.seconds: list[int] = []

    def hide(self, receipt: str, seconds: int) -> None:
        assert receipt == "receipt"
        self.seconds.append(seconds)


def record(received: int) -> SQSRecord:
    return SQSRecord({"receiptHandle": "receipt", "attributes": {"ApproximateReceiveCount": str(received)}})


def broken(record: SQSRecord) -> None:
    raise RuntimeError("not now")


def test_a_message_is_hidden_for_as_long_as_the_call_may_last() -> None:
    messages, taken = Hidden(), list[SQSRecord]()
    one = record(1)
    patient(taken.append, messages, CONTEXT)(one)
    assert taken == [one]
    assert messages.seconds == [900 + MARGIN]


@pytest.mark.parametrize(
    ("received", "seconds"), [(1, 10), (2, 60), (3, 360), (4, 2160), (5, LONGEST_PAUSE), (8, 5400)]
)
def test_one_that_failed_comes_again_later_each_time(received: int, seconds: int) -> None:
    messages = Hidden()
    with pytest.raises(RuntimeError, match="not now"):
        patient(broken, messages, CONTEXT)(record(received))
    assert messages.seconds[-1] == seconds


def test_an_outage_of_hours_gives_nothing_up() -> None:
    queue = written()["Resources"]["PublishQueue"]["Properties"]
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert sum(pause(received) for received in range(1, tries)) > 4 * 3600
    assert queue["VisibilityTimeout"] >= LONGEST_PAUSE


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> "Iterator[SQSClient]":
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-west-1")


def test_the_queue_is_told(sqs: "SQSClient") -> None:
    # GIVEN a message that is being worked on
    url = sqs.create_queue(QueueName="publish", Attributes={"VisibilityTimeout": "5400"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    # WHEN it is to come again at once
    SqsMessages(sqs, url).hide(message["ReceiptHandle"], 0)
    # THEN it does
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["MessageId"] == message["MessageId"]


def test_a_message_that_cannot_be_hidden_is_dealt_with_all_the_same(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="publish")["QueueUrl"]
    taken: list[Any] = []
    patient(taken.append, SqsMessages(sqs, url), CONTEXT)(record(1))
    assert len(taken) == 1
