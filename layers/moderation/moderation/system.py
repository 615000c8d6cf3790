"""The machine's clock and random source, behind their ports."""

import secrets
from datetime import UTC, datetime


class SystemClock:
    """The Clock port."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """The Ids port."""

    def new(self) -> str:
        return secrets.token_hex(16)
