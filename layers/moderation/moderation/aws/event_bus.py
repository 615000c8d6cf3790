"""The application's own bus."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moderation.aws.errors import port_errors
from moderation.models.errors import Transient
from moderation.models.event import Event, entry

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

_BATCH = 10


class EventBridgeBus:
    """The port `EventBus` over one bus, named or by ARN."""

    def __init__(self, client: "EventBridgeClient", bus: str) -> None:
        self._client = client
        self._bus = bus

    def send(self, events: Iterable[Event]) -> None:
        entries = [self._entry(event) for event in events]
        refused: list[str] = []
        for start in range(0, len(entries), _BATCH):
            with port_errors():
                answer = self._client.put_events(Entries=entries[start : start + _BATCH])
            refused += [result["ErrorCode"] for result in answer["Entries"] if "ErrorCode" in result]
        if refused:
            raise Transient(
                f"the bus refused {len(refused)} of {len(entries)} events: {', '.join(sorted(set(refused)))}"
            )

    def _entry(self, event: Event) -> "PutEventsRequestEntryTypeDef":
        parts = entry(event)
        return {
            "EventBusName": self._bus,
            "Source": parts["source"],
            "DetailType": parts["detail_type"],
            "Detail": json.dumps(parts["detail"], ensure_ascii=False, separators=(",", ":")),
            "Time": event.occurred_at,
        }
