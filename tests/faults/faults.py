"""Faults on demand: every call of a port, in every function, can go wrong in every way in which such a call can."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from moderation.models.errors import Transient
from moderation.ports import NotFound


class Killed(BaseException):
    """The process of a function is gone in the middle of a call; `error` is what Lambda's caller hears."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, order=True)
class Call:
    """The `number`-th call (from 0) of a port's method in one function."""

    function: str
    port: str
    method: str
    number: int

    def __str__(self) -> str:
        return f"{self.function}: {self.port}.{self.method} {self.number}"


class Kind(StrEnum):
    """What goes wrong."""

    EXCEPTION = "exception"
    THROTTLED = "throttled"
    SLOW = "slow"
    """The SDK gives up after minutes."""
    HUNG = "hung"
    """It never answers; Lambda ends the function."""
    DIED_BEFORE = "died before"
    DIED_AFTER = "died after"
    """The work is done, and the process is gone (out of memory, say) before it can tell."""
    ANSWER_LOST = "answer lost"
    """The work is done, and whoever called the function asks again, since it never heard."""
    HALF_DONE = "half done"
    """Half the object is written, or half of them are deleted; then it fails."""
    HALF_DONE_DIED = "half done, died"
    TRUNCATED = "truncated"
    GARBLED = "garbled"
    EMPTY = "empty"
    MISSING = "missing"
    DELETED_BEFORE = "deleted before"
    """The owner deletes the media, and all of it is purged, just before the call."""
    DELETED_AFTER = "deleted after"
    LASTING_OUTAGE = "lasting outage"
    """Every such call is throttled, until somebody looks at the alarms."""
    LASTING_MISTAKE = "lasting mistake"
    """Every such call fails for a reason that no retry helps against, until somebody mends it."""


PASSING = frozenset({Kind.THROTTLED, Kind.SLOW, Kind.ANSWER_LOST})
"""After these the very same job comes to the same verdict."""
LASTING = frozenset({Kind.LASTING_OUTAGE, Kind.LASTING_MISTAKE})
SPOILING = frozenset({Kind.TRUNCATED, Kind.GARBLED, Kind.EMPTY, Kind.MISSING})
DELETING = frozenset({Kind.DELETED_BEFORE, Kind.DELETED_AFTER})

_EVERYWHERE = (
    Kind.EXCEPTION,
    Kind.THROTTLED,
    Kind.SLOW,
    Kind.HUNG,
    Kind.DIED_BEFORE,
    Kind.DIED_AFTER,
    Kind.ANSWER_LOST,
    Kind.DELETED_BEFORE,
    Kind.DELETED_AFTER,
    Kind.LASTING_OUTAGE,
    Kind.LASTING_MISTAKE,
)
_HALF = frozenset(
    {
        ("objects", "put"),
        ("objects", "put_file"),
        ("objects", "fetch"),
        ("objects", "delete_prefix"),
        ("store", "forget"),
    }
)
_STORED = frozenset({("objects", "get"), ("objects", "fetch")})
_GONE = frozenset({("uploads", "identify"), ("uploads", "source"), ("uploads", "get"), ("publisher", "copy")})


def kinds_for(call: Call) -> tuple[Kind, ...]:
    """What can go wrong with a call. What is written in one transaction is never half done."""
    place = (call.port, call.method)
    kinds: list[Kind] = [*_EVERYWHERE]
    if place in _HALF:
        kinds += [Kind.HALF_DONE, Kind.HALF_DONE_DIED]
    if place in _STORED:
        kinds += [Kind.TRUNCATED, Kind.GARBLED, Kind.EMPTY, Kind.MISSING]
    if place in _GONE:
        kinds += [Kind.MISSING]
    return tuple(kinds)


@dataclass(frozen=True)
class Fault:
    """One kind of fault at one call or, when it lasts, at all calls of that method in that function."""

    call: Call
    kind: Kind

    def __str__(self) -> str:
        return f"{self.call}: {self.kind}"


@dataclass(frozen=True)
class Means:
    """What a fault needs of the world around it."""

    pass_time: Callable[[float], None]
    """Let seconds go by."""
    seconds_left: Callable[[], float]
    """Seconds until Lambda ends the function that is running."""
    delete: Callable[[], None]
    """The owner deletes the media, and it is purged."""
    keys: Callable[[str], list[str]]
    """Those of the results bucket below a prefix."""
    stored: Callable[[str], bytes | None]
    store: Callable[[str, bytes | None], None]
    """An object of the results bucket behind the back of the port; None is its absence."""


class Injector:
    """Counts the calls of all ports, and lets one of them fail. `function` is the one that is running."""

    def __init__(self, means: Means, fault: Fault | None = None) -> None:
        self.function = ""
        self.calls: list[Call] = []
        self.struck = 0
        self.fault = fault
        self._means = means
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def wrap(self, name: str, port: Any) -> Any:
        """The port, with every call of its methods counted and fit to fail."""
        return _Port(name, port, self)

    def mend(self) -> None:
        """Whatever was wrong is so no more."""
        self.fault = None

    def call(self, port: str, method: str, do: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if not self.function:
            return do(*arguments)
        place = (self.function, port, method)
        call = Call(*place, self._counts[place])
        self._counts[place] += 1
        self.calls.append(call)
        fault = self.fault
        if fault is None:
            return do(*arguments)
        lasting = fault.kind in LASTING and (fault.call.function, fault.call.port, fault.call.method) == place
        if not (lasting and call.number >= fault.call.number) and call != fault.call:
            return do(*arguments)
        self.struck += 1
        return self._fail(fault.kind, method, do, arguments)

    def _fail(self, kind: Kind, method: str, do: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        match kind:
            case Kind.EXCEPTION | Kind.LASTING_MISTAKE:
                raise RuntimeError("nobody knows why")
            case Kind.THROTTLED | Kind.LASTING_OUTAGE:
                raise Transient("slow down")
            case Kind.SLOW:
                self._means.pass_time(min(120, self._means.seconds_left() / 2))
                raise Transient("no answer")
            case Kind.HUNG:
                self._means.pass_time(self._means.seconds_left())
                raise Killed("Sandbox.Timedout")
            case Kind.DIED_BEFORE:
                raise Killed("Runtime.ExitError")
            case Kind.DIED_AFTER:
                do(*arguments)
                raise Killed("Runtime.ExitError")
            case Kind.ANSWER_LOST:
                do(*arguments)
                raise Killed("Lambda.SdkClientException")
            case Kind.HALF_DONE | Kind.HALF_DONE_DIED:
                self._half(method, do, arguments)
                raise RuntimeError("broke off") if kind is Kind.HALF_DONE else Killed("Runtime.ExitError")
            case Kind.DELETED_BEFORE:
                self._means.delete()
                return do(*arguments)
            case Kind.DELETED_AFTER:
                result = do(*arguments)
                self._means.delete()
                return result
            case Kind.MISSING if method in ("get", "fetch") and isinstance(arguments[0], str):
                self._means.store(arguments[0], None)
                return do(*arguments)
            case Kind.MISSING:
                raise NotFound("there is no such version")
            case Kind.TRUNCATED | Kind.GARBLED | Kind.EMPTY:
                body = self._means.stored(arguments[0])
                if body is not None:
                    self._means.store(arguments[0], _spoilt(body, kind))
                return do(*arguments)

    def _half(self, method: str, do: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        match method:
            case "put":
                key, body, _ = arguments
                self._means.store(key, body[: len(body) // 2])
            case "put_file":
                key, path, _ = arguments
                body = path.read_bytes()
                self._means.store(key, body[: len(body) // 2])
            case "fetch":
                key, path = arguments
                path.write_bytes((self._means.stored(key) or b"")[:100])
            case "delete_prefix":
                keys = self._means.keys(arguments[0])
                for key in keys[: (len(keys) + 1) // 2]:
                    self._means.store(key, None)
            case "forget":
                do(*arguments)  # the table in memory forgets all at once: nobody hears of it


def _spoilt(body: bytes, kind: Kind) -> bytes:
    match kind:
        case Kind.TRUNCATED:
            return body[: len(body) // 2]
        case Kind.GARBLED:
            return bytes(byte ^ 0x55 if place % 7 == 3 else byte for place, byte in enumerate(body))
        case _:
            return b""


class _Port:
    def __init__(self, name: str, port: Any, injector: Injector) -> None:
        self._name = name
        self._port = port
        self._injector = injector

    def __getattr__(self, method: str) -> Callable[..., Any]:
        do = cast("Callable[..., Any]", getattr(self._port, method))

        def call(*arguments: Any, **more: Any) -> Any:
            return self._injector.call(self._name, method, lambda *given: do(*given, **more), arguments)

        return call
