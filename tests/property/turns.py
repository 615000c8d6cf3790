"""Calls that stop before every use of a port, so that anything may happen in between, and some things go wrong."""

from collections.abc import Callable
from enum import Enum, auto
from threading import Semaphore, Thread, local
from typing import Any

from moderation.models.errors import Transient

_HERE = local()


class Fault(Enum):
    """What may befall a use of a port."""

    REFUSED = auto()
    """It is not done, and the caller is told to come again."""
    ANSWER_LOST = auto()
    """It is done, and the caller hears that it was not."""
    DEATH = auto()
    """The caller's process ends before it."""


class Died(BaseException):
    """The process has ended: nobody handles this."""


class Turn:
    """One call in a thread of its own, which runs only while `go_on` does: no two of them ever run together.

    It begins at once, up to its first use of a port.
    """

    def __init__(self, name: str, call: Callable[[], object]) -> None:
        self.name = name
        self.over = False
        self.error: BaseException | None = None
        self._call = call
        self._fault: Fault | None = None
        self._dead = False
        self._may_run, self._has_stopped = Semaphore(0), Semaphore(0)
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._has_stopped.acquire()

    def go_on(self, uses: int | None = None, fault: Fault | None = None) -> None:
        """Go on for that many uses of ports (None: to the end), the first of which may go wrong."""
        while not self.over and uses != 0:
            self._fault, fault = fault, None
            self._may_run.release()
            self._has_stopped.acquire()
            uses = None if uses is None else uses - 1

    def wait(self) -> Fault | None:
        """Called inside, before a port is used: what will befall it."""
        if not self._dead:
            self._has_stopped.release()
            self._may_run.acquire()
            self._dead = self._fault is Fault.DEATH
        if self._dead:
            raise Died  # also to those who would tidy up
        return self._fault

    def _run(self) -> None:
        _HERE.turn = self
        try:
            self._call()
        except BaseException as error:
            self.error = error
        self.over = True
        self._has_stopped.release()


def interruptible(port: object, protocol: type) -> None:
    """Let turns stop before each method that `protocol` names. Calls that are no part of a turn are as ever."""
    for name in vars(protocol):
        if not name.startswith("_"):
            setattr(port, name, _stopping(getattr(port, name)))


def _stopping(use: Callable[..., Any]) -> Callable[..., Any]:
    def stop(*arguments: Any, **named: Any) -> Any:
        turn: Turn | None = getattr(_HERE, "turn", None)
        fault = turn.wait() if turn else None
        if fault is Fault.REFUSED:
            raise Transient("not now")
        answer = use(*arguments, **named)
        if fault is Fault.ANSWER_LOST:
            raise Transient("nobody knows whether it was done")
        return answer

    return stop
