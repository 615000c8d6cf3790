"""The shipped state machine, played over any functions in virtual time: its states, retries, catches and time-outs.

Map items and branches run one after the other, and every retry waits for as long as its jitter may let it, so the time
that a run takes here is the longest that it can take. Expressions are looked up, not parsed: the local stack, whose
JSONata is real, shows that they mean what stands here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moderation.memory.clock import FixedClock

Invoke = Callable[[str, dict[str, Any]], Any]
"""(logical name of the function, payload) → what it answers. Raises StepError."""


class StepError(Exception):
    """What Step Functions knows of a call that failed."""

    def __init__(self, name: str, cause: str = "") -> None:
        super().__init__(name, cause)
        self.name = name
        self.cause = cause


@dataclass(frozen=True)
class Ended:
    """How a run ended: SUCCEEDED, FAILED or TIMED_OUT."""

    status: str
    error: str = ""
    cause: str = ""


class _Late(Exception):
    """The run has reached its own TimeoutSeconds."""


@dataclass(frozen=True)
class _States:
    """`$states` where an expression stands."""

    given: dict[str, Any]
    input: Any
    result: Any = None
    error: StepError | None = None

    @property
    def failure(self) -> StepError:
        assert self.error is not None
        return self.error


def _noted(found: Any) -> list[dict[str, Any]]:
    """Every error that is noted in it, however deep."""
    if isinstance(found, list):
        return [one for inner in found for one in _noted(inner)]
    return [found] if "error" in found else []


def _noting(step: str) -> Callable[[_States], Any]:
    return lambda s: [*s.input["failed"], {"step": step, "error": s.failure.name[:100]}]


_ERROR = '"error": $substring($states.errorOutput.Error, 0, 100)'
_EXPRESSIONS: Mapping[str, Callable[[_States], Any]] = {
    "$states.context.Execution.Input": lambda s: s.given,
    "$states.result.Payload": lambda s: s.result,
    "$states.result.Payload.sound": lambda s: s.result["sound"],
    "$states.result.Payload.windows": lambda s: s.result["windows"],
    "$states.input": lambda s: s.input,
    "$states.input.index": lambda s: s.input["index"],
    "$states.input.failed": lambda s: s.input["failed"],
    "$states.input.sound = false": lambda s: s.input["sound"] is False,
    "$states.input.refused": lambda s: s.input["refused"],
    "$states.input.waits_until": lambda s: s.input["waits_until"],
    "$states.input.waits_until != null": lambda s: s.input["waits_until"] is not None,
    "[$states.input.segments]": lambda s: s.input["segments"],
    "[$states.input.covers]": lambda s: s.input["covers"],
    "[$states.input.windows]": lambda s: s.input["windows"],
    "[$states.input.**[$exists(error)]]": lambda s: _noted(s.input),
    "[$append($states.input.failed, $states.result.**[$exists(error)])]": lambda s: (
        s.input["failed"] + _noted(s.result)
    ),
    **{
        f'[$append($states.input.failed, {{"step": "{step}", {_ERROR}}})]': _noting(step)
        for step in ("refine", "scan_text")
    },
    "$states.input.error": lambda s: s.input["error"],
    "$states.input.cause": lambda s: s.input["cause"],
    "$states.errorOutput.Error": lambda s: s.failure.name,
    "$substring($states.errorOutput.Error, 0, 100)": lambda s: s.failure.name[:100],
    '$exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : ""': lambda s: s.failure.cause,
    '$merge([$states.context.Execution.Input, {"index": $states.input}])': lambda s: s.given | {"index": s.input},
    '$merge([$states.context.Execution.Input, {"index": $states.input.index}])': lambda s: (
        s.given | {"index": s.input["index"]}
    ),
    "$states.input.deleted": lambda s: s.input["deleted"],
    '$merge([$states.input, {"deleted": $states.result.Payload.deleted}])': lambda s: (
        s.input | {"deleted": s.result["deleted"]}
    ),
    "$merge([$states.context.Execution.Input, $states.input])": lambda s: s.given | s.input,
    '$merge([$states.context.Execution.Input, {"failed": $states.input.failed}])': lambda s: (
        s.given | {"failed": s.input["failed"]}
    ),
}


@dataclass
class Machine:
    """One definition; `invoke` does the work of its functions, `clock` is moved on by waiting and by `invoke`."""

    definition: dict[str, Any]
    invoke: Invoke
    clock: FixedClock
    entered: list[str] = field(default_factory=list)

    def run(self, given: dict[str, Any]) -> Ended:
        """Run to the end over the input of an execution."""
        self._deadline = self.clock.now() + timedelta(seconds=self.definition["TimeoutSeconds"])
        try:
            self._flow(self.definition, _States(given, given))
        except StepError as error:
            return Ended("FAILED", error.name, error.cause)
        except _Late:
            return Ended("TIMED_OUT")
        return Ended("SUCCEEDED")

    def _flow(self, machine: dict[str, Any], at: _States) -> Any:
        name = machine["StartAt"]
        while True:
            self.entered.append(name)
            state = machine["States"][name]
            output, following = self._caught(state, at)
            if following is None:
                return output
            name, at = following, _States(at.given, output)

    def _caught(self, state: dict[str, Any], at: _States) -> tuple[Any, str | None]:
        try:
            return self._state(state, at)
        except StepError as error:
            for catcher in state.get("Catch", ()):
                if _matches(catcher, error):
                    failed = _States(at.given, at.input, error=error)
                    return _evaluate(catcher["Output"], failed), catcher["Next"]
            raise

    def _state(self, state: dict[str, Any], at: _States) -> tuple[Any, str | None]:
        following = state.get("Next")
        match state["Type"]:
            case "Task":
                result = self._task(state, at)
                return _evaluate(state["Output"], _States(at.given, at.input, result=result)), following
            case "Pass":
                return (_evaluate(state["Output"], at) if "Output" in state else at.input), following
            case "Succeed":
                return at.input, None
            case "Fail":
                raise StepError(_evaluate(state["Error"], at), _evaluate(state["Cause"], at))
            case "Choice":
                chosen = (c["Next"] for c in state["Choices"] if _evaluate(c["Condition"], at) is True)
                return at.input, next(chosen, state["Default"])
            case "Wait":
                until = datetime.fromisoformat(_evaluate(state["Timestamp"], at))
                self.clock.advance(max(timedelta(), until - self.clock.now()))
                return at.input, following
            case "Parallel":
                return [self._flow(branch, at) for branch in state["Branches"]], following
            case "Map":
                items = _evaluate(state["Items"], at)
                results = [self._flow(state["ItemProcessor"], _States(at.given, item)) for item in items]
                joined = _States(at.given, at.input, results)
                return (_evaluate(state["Output"], joined) if "Output" in state else results), following
        raise NotImplementedError(f"a state of type {state['Type']}")

    def _task(self, state: dict[str, Any], at: _States) -> Any:
        arguments = _evaluate(state["Arguments"], at)
        function = arguments["FunctionName"].removeprefix("${").removesuffix("}")
        tried = [0] * len(state["Retry"])
        while True:
            began = self.clock.now()
            try:
                answer = self.invoke(function, arguments["Payload"])
                if self.clock.now() - began > timedelta(seconds=state["TimeoutSeconds"]):
                    raise StepError("States.Timeout")
                return answer
            except StepError as error:
                wait = _next_try(state["Retry"], tried, error)
                if wait is None:
                    raise
                self.clock.advance(timedelta(seconds=wait))
            finally:
                if self.clock.now() > self._deadline:
                    raise _Late


def _next_try(retriers: list[dict[str, Any]], tried: list[int], error: StepError) -> float | None:
    """Seconds until a task is tried again, None when it is not."""
    for number, retrier in enumerate(retriers):
        if _matches(retrier, error):
            if tried[number] == retrier["MaxAttempts"]:
                return None
            delay = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** tried[number]
            tried[number] += 1
            return float(min(delay, retrier["MaxDelaySeconds"]))
    return None


def _matches(rule: dict[str, Any], error: StepError) -> bool:
    return bool({"States.ALL", error.name} & set(rule["ErrorEquals"]))


def _evaluate(value: Any, at: _States) -> Any:
    if isinstance(value, dict):
        return {key: _evaluate(inner, at) for key, inner in value.items()}
    if isinstance(value, str) and value.startswith("{%"):
        return _EXPRESSIONS[value.removeprefix("{%").removesuffix("%}").strip()](at)
    return value
