"""How many events a state leaves in the history of its run."""

from collections.abc import Mapping
from typing import Any

RUN = 2
"""A run starts and ends."""
STATE = 2
"""A state is entered and left."""
ATTEMPT = 3
"""A call is scheduled, started, and succeeds or fails."""
SPAN = 2
"""A Map, each of its iterations and a Parallel start and end besides."""


def items_of(state: Mapping[str, Any]) -> str:
    """What a Map goes through: `segments`, `covers` or `windows`."""
    return str(state["Items"]).rpartition(".")[2].strip("]%} ")


def worst(machine: Mapping[str, Any], counts: Mapping[str, int]) -> int:
    """A bound for every run: all states of all ways, with all of their retries, in every iteration."""
    return RUN + _states(machine, counts)


def _states(machine: Mapping[str, Any], counts: Mapping[str, int]) -> int:
    return sum(_state(state, counts) for state in machine["States"].values())


def _state(state: Mapping[str, Any], counts: Mapping[str, int]) -> int:
    match state["Type"]:
        case "Task":
            retries: int = sum(retrier["MaxAttempts"] for retrier in state["Retry"])
            return STATE + ATTEMPT * (1 + retries)
        case "Map":
            each = SPAN + _states(state["ItemProcessor"], counts)
            return STATE + SPAN + counts[items_of(state)] * each
        case "Parallel":
            return STATE + SPAN + sum(_states(branch, counts) for branch in state["Branches"])
    return STATE
