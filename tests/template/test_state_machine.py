"""Bounds that Step Functions enforces and the local stack does not."""

import json
import math
from collections.abc import Iterator
from typing import Any

from moderation.models.media import MAX_COVERS

SEGMENTS = 130
"""The most a plan cuts six hours into; `moderation.media.plan` aims at 120."""
MEDIA_ID = "0" * 32
JOB_ID = f"{MEDIA_ID}-{'0' * 40}"
STATE_LIMIT = 256 * 1024
HISTORY_LIMIT = 25_000
CAUSE_LIMIT = 32_768
ERROR_NAME = 100

SERVICE = {"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"}
TRANSIENT = {"Transient", "Lambda.TooManyRequestsException"} | SERVICE


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state at every depth."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [state.get("ItemProcessor"), *state.get("Branches", [])]:
            if inner:
                yield from states(inner)


def tasks(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in states(machine) if state["Type"] == "Task"}


def test_every_step_is_its_function(machine: dict[str, Any]):
    called = {name: task["Arguments"]["FunctionName"].rpartition(":")[2] for name, task in tasks(machine).items()}
    assert called == {name: f"{name}Function" for name in called}
    assert set(called) == {"Plan", "Extract", "ScanFrames", "ScanImages", "Aggregate", "FailJob"}


def test_only_transient_errors_are_tried_again_with_full_jitter(machine: dict[str, Any]):
    for name, task in tasks(machine).items():
        retried = [error for retrier in task["Retry"] for error in retrier["ErrorEquals"]]
        assert set(retried) == TRANSIENT, name
        for retrier in task["Retry"]:
            assert retrier["JitterStrategy"] == "FULL"
            assert retrier["BackoffRate"] > 1
            assert retrier["MaxAttempts"] > 0
            assert retrier["MaxDelaySeconds"] <= 300


def test_no_error_leaves_a_job_open(machine: dict[str, Any]):
    # Inside the maps every error is noted and the map goes on; outside, every error leads to FailJob. What fails
    # after that is taken up by the rule on the run's status.
    for name, state in states(machine):
        if state["Type"] in ("Task", "Parallel") and name != "FailJob":
            (catcher,) = state["Catch"]
            assert catcher["ErrorEquals"] == ["States.ALL"], name
            inside = name in ("Extract", "ScanFrames", "ScanImages")
            assert catcher["Next"].endswith("Failed") if inside else catcher["Next"] == "FailJob", name
    assert machine["States"]["FailJob"]["Next"] == "Failed"
    assert machine["States"]["Failed"]["Type"] == "Fail"


def test_lambda_gives_up_before_the_machine_does(machine: dict[str, Any], functions: dict[str, Any]):
    for name, task in tasks(machine).items():
        assert functions[f"{name}Function"]["Timeout"] < task["TimeoutSeconds"], name


def test_six_hours_fit_into_a_run_and_a_run_into_what_is_kept(machine: dict[str, Any], resources: dict[str, Any]):
    steps = {name: task["TimeoutSeconds"] for name, task in tasks(machine).items()}
    look = machine["States"]["Look"]["Branches"][0]["States"]["Segments"]
    rounds = math.ceil(SEGMENTS / look["MaxConcurrency"])
    longest = steps["Plan"] + rounds * (steps["Extract"] + steps["ScanFrames"]) + steps["Aggregate"] + steps["FailJob"]
    assert longest < machine["TimeoutSeconds"]
    rules = resources["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (work,) = [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "work/"]
    assert machine["TimeoutSeconds"] < work * 86_400


def test_the_state_of_the_worst_run_stays_small():
    # GIVEN six hours of which every step failed, with names of errors as long as they are let through
    given = {"media_id": MEDIA_ID, "job_id": JOB_ID}
    planned = {"refused": False, "segments": list(range(SEGMENTS)), "covers": list(range(MAX_COVERS))}
    frames = [{"step": "scan_frames", "index": index, "error": "x" * ERROR_NAME} for index in range(SEGMENTS)]
    images = [{"step": "scan_images", "index": index, "error": "x" * ERROR_NAME} for index in range(MAX_COVERS)]
    broken = {"error": "x" * 256, "cause": "\\" * CAUSE_LIMIT}
    # THEN every state and every payload that there is stays below a third of the limit
    for state in (planned, [frames, images], {**given, "failed": [*frames, *images]}, {**given, **broken}):
        assert len(json.dumps(state).encode()) < STATE_LIMIT / 3


def test_names_of_errors_are_cut_as_assumed(machine: dict[str, Any]):
    for name in ("Extract", "ScanFrames", "ScanImages"):
        (catcher,) = tasks(machine)[name]["Catch"]
        assert catcher["Output"]["error"] == f"{{% $substring($states.errorOutput.Error, 0, {ERROR_NAME}) %}}"


def events(state: dict[str, Any]) -> int:
    """The most events that a state can leave in the history, whichever way it ends."""
    entered_and_left = 2
    match state["Type"]:
        case "Task":
            attempts = 1 + sum(retrier["MaxAttempts"] for retrier in state["Retry"])
            return entered_and_left + 3 * attempts  # scheduled, started, failed or succeeded
        case "Map":
            started_and_ended = 2
            items = SEGMENTS if "Extract" in state["ItemProcessor"]["States"] else MAX_COVERS
            return entered_and_left + started_and_ended + items * (started_and_ended + inner(state["ItemProcessor"]))
        case "Parallel":
            return entered_and_left + 2 + sum(inner(branch) for branch in state["Branches"])
        case _:
            return entered_and_left


def inner(machine: dict[str, Any]) -> int:
    return sum(events(state) for state in machine["States"].values())


def test_the_history_of_the_worst_run_stays_within_its_limit(machine: dict[str, Any]):
    # GIVEN six hours of which every step uses up all its retries
    # THEN Step Functions does not end the run for its history
    started_and_ended = 2
    assert inner(machine) + started_and_ended < HISTORY_LIMIT
