"""The shipped state machine on the local stack with a fault in each of its steps."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from greenlight.api import Api
from greenlight.stack.stack import Stack
from moderation.models.job import JobState
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.services.media import MediaView
from tests import clips
from tests.local_stack import Bus, faulty

TRANSIENT_ONCE = """
from real import handler as real
from moderation.models.errors import Transient

calls = []

def handler(event, context):
    calls.append(event)
    if len(calls) == 1:
        raise Transient("the first call of this process fails")
    return real(event, context)
"""

NEVER = """
from moderation.models.errors import Permanent

def handler(event, context):
    raise Permanent("broken", "this step never works")
"""

DIES = """
import os

def handler(event, context):
    os._exit(1)
"""

HANGS = """
import time

def handler(event, context):
    time.sleep(600)
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty folder for a function's other code."""
    folder = tmp_path / "function"
    folder.mkdir()
    return folder


def moderate(api: Api) -> MediaView:
    return api.wait(api.upload(clips.clean(), procedure="standard_pre"), timeout=90)


@pytest.mark.parametrize("step", ["plan", "extract", "scan_frames", "aggregate"])
def test_a_transient_error_is_tried_again_and_changes_nothing(
    step: str, api: Api, stack: Stack, elsewhere: Path
) -> None:
    with faulty(stack, step, TRANSIENT_ONCE, elsewhere):
        view = moderate(api)

    assert view.job is not None
    assert view.job.verdict is not None
    assert view.job.verdict.suggestion is Suggestion.PASS
    assert view.job.verdict.coverage.complete
    assert [event["error"] for event in _history(stack, view) if "error" in event] == ["Transient"]


@pytest.mark.parametrize(
    ("step", "code"),
    [("extract", NEVER), ("scan_frames", NEVER), ("scan_frames", DIES)],
    ids=["extract-never", "scan_frames-never", "scan_frames-dies"],
)
def test_a_segment_that_fails_for_good_is_not_taken_for_clean(
    step: str, code: str, api: Api, stack: Stack, elsewhere: Path
) -> None:
    with faulty(stack, step, code, elsewhere):
        view = moderate(api)

    assert view.job is not None
    assert view.job.verdict is not None
    assert view.job.verdict.suggestion is Suggestion.REVIEW
    assert not view.job.verdict.coverage.complete
    assert view.job.verdict.coverage.gaps
    assert view.media.status is MediaStatus.REVIEWING


@pytest.mark.parametrize(
    ("step", "code", "told"),
    [("plan", DIES, "internal"), ("aggregate", NEVER, "step_failed")],
    ids=["plan-dies", "aggregate-never"],
)
def test_a_job_that_cannot_go_on_ends_with_its_reason_and_nothing_plays(
    step: str, code: str, told: str, api: Api, bus: Bus, stack: Stack, elsewhere: Path
) -> None:
    with faulty(stack, step, code, elsewhere):
        view = moderate(api)

    assert view.job is not None
    assert view.job.outcome == "failed"
    assert view.job.error is not None
    assert view.job.error.code == told
    assert view.media.status is MediaStatus.REVIEWING
    assert not view.playable
    bus.wait_for(view.media.media_id, "Moderation Completed", outcome="failed", suggestion=None)


def test_a_run_that_is_stopped_from_outside_leaves_no_open_job(api: Api, stack: Stack, elsewhere: Path) -> None:
    # GIVEN a run that hangs in its first step
    with faulty(stack, "plan", HANGS, elsewhere):
        media_id = api.upload(clips.clean())
        view = api.wait(media_id, timeout=60, until=lambda now: now.job is not None)

        # WHEN somebody stops it
        states = stack.client("stepfunctions")
        deadline = time.monotonic() + 30
        while True:  # the job is written before its run is started
            with suppress(states.exceptions.ExecutionDoesNotExist):
                states.stop_execution(executionArn=_execution(stack, view), error="Stopped", cause="by hand")
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        view = api.wait(media_id, timeout=60)

    # THEN the job ends as failed
    assert view.job is not None
    assert view.job.state is JobState.FINISH
    assert view.job.error is not None
    assert view.job.error.code == "aborted"
    assert view.media.status is MediaStatus.REVIEWING


def test_the_state_between_steps_stays_far_below_what_step_functions_allows(api: Api, stack: Stack) -> None:
    # The local Step Functions lets any size pass; AWS stops at 256 KiB.
    view = moderate(api)

    sizes = [len(str(happened.get(side, ""))) for happened in _history(stack, view) for side in ("input", "output")]

    assert 0 < max(sizes) < 4096


def _execution(stack: Stack, view: MediaView) -> str:
    assert view.job is not None
    return f"{stack.outputs['StateMachineArn'].replace(':stateMachine:', ':execution:')}:{view.job.job_id}"


def _history(stack: Stack, view: MediaView) -> list[dict[str, Any]]:
    """The `…EventDetails` of everything that happened in the run of the latest job."""
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    events = pages.paginate(executionArn=_execution(stack, view)).search("events[]")
    return [value for event in events for key, value in event.items() if key.endswith("EventDetails")]
