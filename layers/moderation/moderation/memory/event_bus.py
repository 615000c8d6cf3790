"""A bus that keeps what is sent."""

from collections.abc import Iterable

from moderation.models.event import Event


class MemoryEventBus:
    """The port `EventBus`: events are appended to `sent`, repeated ones too."""

    def __init__(self) -> None:
        self.sent: list[Event] = []

    def send(self, events: Iterable[Event]) -> None:
        self.sent.extend(events)
