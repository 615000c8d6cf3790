"""Time and identifiers that a test can foresee."""

from datetime import UTC, datetime, timedelta
from itertools import count


class FixedClock:
    """A clock that stands until somebody moves it."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class CountingIds:
    """1, 2, 3 … in 32 digits."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        return f"{next(self._numbers):032x}"
