"""Batches and partial failures."""

import json
from typing import Any

import pytest

from moderation.aws.event_bus import EventBridgeBus
from moderation.models.errors import Transient
from moderation.models.event import entry
from tests.contract.documents import NOW, event
from tests.unit.aws.conftest import MakeStub


class Recorder:
    """Takes calls and answers that these entries, counted over all calls, failed."""

    def __init__(self, failing: frozenset[int] = frozenset()) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self._failing = failing

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 -- boto3's name
        first = sum(map(len, self.batches))
        self.batches.append(Entries)
        results = [
            {"ErrorCode": "ThrottlingException"} if first + n in self._failing else {"EventId": str(n)}
            for n in range(len(Entries))
        ]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}


def test_events_go_in_tens() -> None:
    client: Any = Recorder()
    EventBridgeBus(client, "bus").send(event(number) for number in range(23))
    assert [len(batch) for batch in client.batches] == [10, 10, 3]
    sent = [one for batch in client.batches for one in batch]
    assert [one["Detail"].count('"event_id"') for one in sent] == [1] * 23


def test_one_refused_event_is_worth_another_try_but_keeps_nobody_waiting() -> None:
    # GIVEN a bus that refuses one event of the first batch
    client: Any = Recorder(failing=frozenset({3}))
    # WHEN eleven are sent THEN the caller hears of it, and the second batch was sent all the same
    with pytest.raises(Transient, match="1 of 11 events: ThrottlingException"):
        EventBridgeBus(client, "bus").send(event(number) for number in range(11))
    assert len(client.batches) == 2


def test_an_entry_is_the_documented_event(stub: MakeStub) -> None:
    client, answers = stub("events")
    answers.add_response(
        "put_events",
        {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]},
        {
            "Entries": [
                {
                    "EventBusName": "bus",
                    "Source": "greenlight",
                    "DetailType": "Media Status Changed",
                    "Detail": json.dumps(entry(event())["detail"], separators=(",", ":")),
                    "Time": NOW,
                }
            ]
        },
    )
    EventBridgeBus(client, "bus").send([event()])


def test_a_throttled_call_is_worth_another_try(stub: MakeStub) -> None:
    client, answers = stub("events")
    answers.add_client_error("put_events", "ThrottlingException", http_status_code=400)
    with pytest.raises(Transient):
        EventBridgeBus(client, "bus").send([event()])
