"""Bounds that Step Functions enforces and the local stack does not."""

import json
import math
from collections.abc import Iterator
from typing import Any

from moderation.media import plan
from moderation.models.media import MAX_COVERS
from moderation.refine import MAX_QUESTIONS
from moderation.services.admit import HORIZON, SPREAD
from moderation.services.plan import Planned

SEGMENTS = plan.SEGMENTS + 1
"""The most a plan cuts six hours into."""
MEDIA_ID = "0" * 32
JOB_ID = f"{MEDIA_ID}-{'0' * 40}"
STATE_LIMIT = 256 * 1024
HISTORY_LIMIT = 22_000
"""Step Functions ends a run at 25,000 events."""
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


AGAIN = {"ExtractWindow": "Extract", "ScanWindow": "ScanFrames"}
"""States of the second look, and those of the first one that call the same."""
CAUGHT = {
    "Plan": "FailJob",
    "Look": "FailJob",
    "Extract": "SegmentFailed",
    "Scan": "SegmentFailed",
    "ScanFrames": "FramesFailed",
    "ScanAudio": "SoundFailed",
    "ScanImages": "CoverFailed",
    "Refine": "ScanText",
    "ExtractWindow": "WindowFailed",
    "ScanWindow": "WindowFailed",
    "ScanText": "Aggregate",
    "Aggregate": "FailJob",
}
"""Where a state goes on whose errors no retry mends. Within a map, the error is noted and the map goes on."""


def test_every_step_is_its_function(machine: dict[str, Any]):
    called = {name: task["Arguments"]["FunctionName"].rpartition(":")[2] for name, task in tasks(machine).items()}
    assert called == {name: f"{AGAIN.get(name, name)}Function" for name in called}
    assert set(called) - set(AGAIN) == {
        *("Plan", "Extract", "ScanFrames", "ScanAudio", "ScanImages", "Refine", "ScanText", "Aggregate", "FailJob")
    }


def test_only_transient_errors_are_tried_again_with_full_jitter(machine: dict[str, Any]):
    for name, task in tasks(machine).items():
        retried = [error for retrier in task["Retry"] for error in retrier["ErrorEquals"]]
        assert set(retried) == TRANSIENT, name
        for retrier in task["Retry"]:
            assert retrier["JitterStrategy"] == "FULL"
            assert retrier["BackoffRate"] > 1
            assert retrier["MaxAttempts"] > 0
            assert retrier["MaxDelaySeconds"] <= 600


def test_no_error_leaves_a_job_open(machine: dict[str, Any]):
    # What a job cannot do without leads to FailJob, anything else is noted. What fails after that is taken up by the
    # rule on the run's status.
    for name, state in states(machine):
        if state["Type"] in ("Task", "Parallel") and name != "FailJob":
            (catcher,) = state["Catch"]
            assert catcher["ErrorEquals"] == ["States.ALL"], name
            assert catcher["Next"] == CAUGHT[name], name
    assert machine["States"]["FailJob"]["Next"] == "Wanted"
    assert machine["States"]["Wanted"]["Default"] == "Failed"
    (unwanted,) = machine["States"]["Wanted"]["Choices"]
    assert unwanted == {"Condition": "{% $states.input.deleted %}", "Next": "Deleted"}
    assert machine["States"]["Failed"]["Type"] == "Fail"


def test_lambda_gives_up_before_the_machine_does(machine: dict[str, Any], functions: dict[str, Any]):
    for name, task in tasks(machine).items():
        assert functions[f"{AGAIN.get(name, name)}Function"]["Timeout"] < task["TimeoutSeconds"], name


def longest(task: dict[str, Any]) -> int:
    """Seconds that a step takes when every try takes all of its time and every pause is as long as it may be."""
    tries, pauses = 1, 0
    for retrier in task["Retry"]:
        throttled = retrier["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
        tries += 0 if throttled else retrier["MaxAttempts"]  # what is throttled is told so at once
        pauses += retrier["MaxAttempts"] * retrier["MaxDelaySeconds"]
    return int(tries * task["TimeoutSeconds"] + pauses)


def test_six_hours_fit_into_a_run_and_a_run_into_what_is_kept(machine: dict[str, Any], resources: dict[str, Any]):
    # GIVEN a run of six hours of video, in which every step needs all its retries and all its time
    steps = {name: longest(task) for name, task in tasks(machine).items()}
    look = machine["States"]["Look"]["Branches"][0]["States"]["Segments"]
    rounds = math.ceil(SEGMENTS / look["MaxConcurrency"])
    work = rounds * (steps["Extract"] + max(steps["ScanFrames"], steps["ScanAudio"]))
    again = math.ceil(MAX_QUESTIONS / machine["States"]["Windows"]["MaxConcurrency"])
    work += steps["Refine"] + again * (steps["ExtractWindow"] + steps["ScanWindow"])
    work += steps["ScanText"] + steps["Aggregate"]
    # THEN what its steps leave for each other is kept for as long
    rules = resources["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (kept,) = [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "work/"]
    assert work < kept * 86_400
    # AND it may wait for the budget before, for as long as a job ever waits
    waits = (HORIZON + SPREAD).total_seconds()
    assert 2 * steps["Plan"] + waits + work + steps["FailJob"] < machine["TimeoutSeconds"]


def test_a_job_that_waits_for_the_budget_is_planned_again(machine: dict[str, Any]):
    refused, deferred = machine["States"]["Accepted"]["Choices"]
    assert (refused["Next"], deferred["Next"]) == ("Refused", "Deferred")
    wait = machine["States"]["Deferred"]
    assert (wait["Type"], wait["Timestamp"], wait["Next"]) == ("Wait", "{% $states.input.waits_until %}", "Plan")
    assert set(Planned.model_fields) >= {"refused", "waits_until", "segments", "covers"}


def test_the_state_of_the_worst_run_stays_small():
    # GIVEN six hours of which every step failed, with names of errors as long as they are let through
    given = {"media_id": MEDIA_ID, "job_id": JOB_ID}
    planned = {
        "refused": False,
        "waits_until": None,
        "segments": list(range(SEGMENTS)),
        "covers": list(range(MAX_COVERS)),
    }
    failed = [
        {"step": step, "index": index, "error": "x" * ERROR_NAME}
        for step, number in (
            ("scan_frames", SEGMENTS + MAX_QUESTIONS),
            ("scan_audio", SEGMENTS),
            ("scan_images", MAX_COVERS),
        )
        for index in range(number)
    ]
    broken = {"error": "x" * 256, "cause": "\\" * CAUSE_LIMIT}
    # THEN every state and every payload that there is stays below a third of the limit
    for state in (planned, {**given, "failed": failed}, {**given, **broken}):
        assert len(json.dumps(state).encode()) < STATE_LIMIT / 3


def test_names_of_errors_are_cut_as_assumed(machine: dict[str, Any]):
    for name in ("Extract", "ScanFrames", "ScanAudio", "ScanImages", "ExtractWindow", "ScanWindow"):
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
            most = {"Extract": SEGMENTS, "ScanImages": MAX_COVERS, "ExtractWindow": MAX_QUESTIONS}
            items = most[state["ItemProcessor"]["StartAt"]]
            return entered_and_left + started_and_ended + items * (started_and_ended + inner(state["ItemProcessor"]))
        case "Parallel":
            return entered_and_left + 2 + sum(inner(branch) for branch in state["Branches"])
        case _:
            return entered_and_left


def inner(machine: dict[str, Any]) -> int:
    return sum(events(state) for state in machine["States"].values())


def test_the_history_of_the_worst_run_stays_within_its_limit(machine: dict[str, Any]):
    # GIVEN six hours of which every step uses up all its retries
    # THEN Step Functions does not end the run for its history, even if it is planned twice
    started_and_ended = 2
    planned = events(machine["States"]["Plan"]) + events(machine["States"]["Accepted"])
    assert inner(machine) + planned + started_and_ended < HISTORY_LIMIT
