"""The port `EventBus`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest

from moderation.aws.event_bus import EventBridgeBus
from moderation.memory.event_bus import MemoryEventBus
from moderation.models.event import entry
from moderation.ports import EventBus
from tests.contract.conftest import REGION
from tests.contract.documents import event


@dataclass
class Side:
    bus: EventBus
    received: Callable[[], list[dict[str, Any]]]
    """Details of what came out at the other end."""


@pytest.fixture(params=["memory", "aws"])
def side(request: pytest.FixtureRequest) -> Side:
    if request.param == "memory":
        memory = MemoryEventBus()
        return Side(memory, lambda: [entry(sent)["detail"] for sent in memory.sent])
    request.getfixturevalue("aws")
    events = boto3.client("events", region_name=REGION)
    queues = boto3.client("sqs", region_name=REGION)
    bus = f"greenlight-{uuid4().hex[:8]}"
    events.create_event_bus(Name=bus)
    queue = queues.create_queue(QueueName=bus)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName=bus, EventPattern='{"source":["greenlight"]}')
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    def received() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"])["detail"] for message in messages]
        return found

    return Side(EventBridgeBus(events, bus), received)


def test_every_event_arrives(side: Side) -> None:
    # GIVEN more events than one call takes
    events = [event(number) for number in range(23)]
    # WHEN they are sent
    side.bus.send(iter(events))
    # THEN all arrive
    arrived = sorted(side.received(), key=lambda detail: detail["revision"])
    assert arrived == [entry(sent)["detail"] for sent in events]


def test_nothing_is_nothing(side: Side) -> None:
    side.bus.send([])
    assert side.received() == []
