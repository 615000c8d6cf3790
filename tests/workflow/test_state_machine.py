"""The shipped state machine at work, and what becomes of a job when its steps fail."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.models.job import JobState
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion, Verdict
from moderation.services.media import MediaView
from tests import clips
from tests.local_stack import Bus, faulty, held
from tests.stored import execution, history, object_keys, wait_until_settled

WAIT = 5
"""Seconds until a day with room for more begins, in place of midnight."""


def _ended(api: Api, media_id: str) -> MediaView:
    return api.wait(media_id, timeout=90)


def _job_id(view: MediaView) -> str:
    assert view.job is not None
    return view.job.job_id


def _verdict(view: MediaView) -> Verdict:
    assert view.job is not None
    assert view.job.verdict is not None, view.job.error
    return view.job.verdict


def _entered(events: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the states that were gone through, outside of maps."""
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def _failures(events: Sequence[dict[str, Any]]) -> list[str]:
    """The errors of calls that failed, in order."""
    return [event["taskFailedEventDetails"]["error"] for event in events if "taskFailedEventDetails" in event]


def _plays_nothing(api: Api, stack: Stack, bus: Bus, media_id: str) -> None:
    with pytest.raises(ApiError) as refused:
        api.playback(media_id)
    assert (refused.value.status, refused.value.code) == (403, "not_playable")
    wait_until_settled(stack, bus, media_id, "reviewing")
    assert object_keys(stack, "Playback", media_id) == []


def test_every_segment_and_cover_is_looked_at_once_and_only_references_pass(api: Api, stack: Stack) -> None:
    # GIVEN a clip in two segments, with a cover
    media_id = api.upload(clips.blinking(), procedure="default_pre", covers=[clips.picture()])

    # WHEN it is moderated
    view = _ended(api, media_id)

    # THEN each segment was extracted and scanned, and the cover scanned, between Plan and Aggregate
    events = history(stack, _job_id(view))
    assert _entered(events) == [
        *("Plan", "Accepted", "Look", "Looked", "Refine", "Windows", "ScanText", "Aggregate", "Judged")
    ]
    kinds = [event["type"] for event in events]
    begin, end = kinds.index("ParallelStateEntered"), len(kinds) - kinds[::-1].index("ParallelStateExited")
    calls = Counter(kinds[begin:end])
    assert calls["TaskScheduled"] == calls["TaskSucceeded"] == 2 * 2 + 1
    assert Counter(kinds)["TaskScheduled"] == len(("Plan", "Refine", "ScanText", "Aggregate")) + 2 * 2 + 1
    assert _failures(events) == []
    # AND the verdict has seen all
    coverage = _verdict(view).coverage
    assert (coverage.segments_planned, coverage.segments_scanned) == (2, 2)
    assert (coverage.covers_planned, coverage.covers_scanned) == (1, 1)
    assert _verdict(view).suggestion is Suggestion.PASS
    # AND the run is named after the job, and carried ids and numbers only
    run = execution(stack, _job_id(view))
    assert (run["name"], run["status"]) == (_job_id(view), "SUCCEEDED")
    assert json.loads(run["input"]) == {"media_id": media_id, "job_id": _job_id(view)}
    for event in events:
        assert len(json.dumps(event, default=str)) < 1500, event


def test_a_transient_error_is_tried_again_and_leaves_no_trace_in_the_verdict(
    api: Api, stack: Stack, tmp_path: Path
) -> None:
    # GIVEN steps that each fail once, for a reason that passes
    code = """
from pathlib import Path

import real
from moderation.models.errors import Transient


def handler(event, context):
    tried = Path(__file__).with_name("tried-" + event["job_id"])
    if not tried.exists():
        tried.touch()
        raise Transient("come again")
    return real.handler(event, context)
"""
    steps = ("plan", "extract", "scan_frames", "scan_audio", "refine", "scan_text", "aggregate")
    with ExitStack() as faults:
        for step in steps:
            (tmp_path / step).mkdir()
            faults.enter_context(faulty(stack, step, code, tmp_path / step))
        # WHEN a clip is moderated
        view = _ended(api, api.upload(clips.speech(), procedure="standard_pre"))

    # THEN each was called twice, and nothing is missing
    events = history(stack, _job_id(view))
    assert _failures(events) == ["Transient"] * len(steps)
    assert Counter(event["type"] for event in events)["TaskScheduled"] == 2 * len(steps)
    assert _verdict(view).suggestion is Suggestion.PASS
    assert _verdict(view).coverage.complete


def test_a_segment_that_fails_for_good_is_a_reason_for_review(api: Api, stack: Stack, bus: Bus, tmp_path: Path) -> None:
    # GIVEN an extract step that leaves no frames of the second segment behind
    code = """
import real


def handler(event, context):
    return real.handler(event, context) if event["index"] == 0 else {"index": event["index"], "sound": False}
"""
    with faulty(stack, "extract", code, tmp_path):
        # WHEN a clip that would pass is moderated
        media_id = api.upload(clips.blinking(), procedure="default_pre")
        view = _ended(api, media_id)

    # THEN the scan of that segment failed once and was not tried again
    events = history(stack, _job_id(view))
    assert _failures(events) == ["Permanent"]
    assert execution(stack, _job_id(view))["status"] == "SUCCEEDED"
    # AND the execution says which, and why
    (aggregate,) = (e for e in events if e.get("stateEnteredEventDetails", {}).get("name") == "Aggregate")
    noted = json.loads(aggregate["stateEnteredEventDetails"]["input"])
    assert noted == {"failed": [{"step": "scan_frames", "index": 1, "error": "Permanent"}]}
    # AND so does the verdict, which is no pass
    verdict = _verdict(view)
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.REVIEW, ("segment_failed",))
    assert (verdict.coverage.segments_planned, verdict.coverage.segments_scanned) == (2, 1)
    assert view.media.status is MediaStatus.REVIEWING
    _plays_nothing(api, stack, bus, media_id)


def test_steps_that_die_or_never_work_are_called_once_and_missed(api: Api, stack: Stack, tmp_path: Path) -> None:
    # GIVEN an extract step that fails for good, and a scan that takes its whole process down
    never = """
import real
from moderation.models.errors import Permanent


def handler(event, context):
    if event["index"] == 0:
        raise Permanent("broken", "never works")
    return real.handler(event, context)
"""
    dies = "import os\n\n\ndef handler(event, context):\n    os._exit(1)\n"
    for step in ("extract", "scan_frames"):
        (tmp_path / step).mkdir()
    with (
        faulty(stack, "extract", never, tmp_path / "extract"),
        faulty(stack, "scan_frames", dies, tmp_path / "scan_frames"),
    ):
        # WHEN a clip in two segments is moderated
        view = _ended(api, api.upload(clips.blinking(), procedure="default_pre"))

    # THEN neither was tried again
    failures = _failures(history(stack, _job_id(view)))
    assert len(failures) == 2
    assert "Permanent" in failures
    # AND the verdict says that nothing was seen
    verdict = _verdict(view)
    assert (verdict.suggestion, view.media.status) == (Suggestion.REVIEW, MediaStatus.REVIEWING)
    assert verdict.reasons == ("segment_failed", "nothing_looked_at")
    assert verdict.coverage.frames_scored == 0


def test_a_job_that_fails_for_good_says_why_and_may_be_run_again(
    api: Api, stack: Stack, bus: Bus, tmp_path: Path
) -> None:
    # GIVEN a plan step with a mistake in it
    code = "def handler(event, context):\n    raise ValueError('there is a mistake in the plan step')\n"
    with faulty(stack, "plan", code, tmp_path):
        # WHEN a clean clip is moderated
        media_id = api.upload(clips.clean(), procedure="standard_pre")
        view = _ended(api, media_id)

    # THEN the step was called once, and the run failed with its error
    assert view.job is not None
    assert view.job.error is not None
    events = history(stack, view.job.job_id)
    assert _failures(events) == ["ValueError"]
    assert _entered(events) == ["Plan", "FailJob", "Wanted", "Failed"]
    run = execution(stack, view.job.job_id)
    assert (run["status"], run["error"]) == ("FAILED", "ValueError")
    # AND the job tells code and reason
    assert (view.job.state, view.job.outcome, view.job.verdict) == (JobState.FINISH, "failed", None)
    assert view.job.error.code == "internal"
    assert view.job.error.message == "there is a mistake in the plan step"
    told = bus.wait_for(media_id, "Moderation Completed", outcome="failed")["detail"]
    assert told["error"] == view.job.error.model_dump()
    # AND the media waits for a person, and does not play
    assert view.media.status is MediaStatus.REVIEWING
    _plays_nothing(api, stack, bus, media_id)

    # WHEN the mistake is mended and the job is run again
    again = api.moderate_again(media_id)
    view = api.wait(media_id, 90, lambda view: view.playable)

    # THEN it passes and plays
    assert _job_id(view) == again.job_id != events[0]["executionStartedEventDetails"]["input"]
    assert _verdict(view).suggestion is Suggestion.PASS
    assert httpx.get(api.playback(media_id).url).content == clips.clean().read_bytes()


def test_post_a_job_that_fails_takes_down_what_plays(api: Api, stack: Stack, bus: Bus, tmp_path: Path) -> None:
    # GIVEN a media that plays before its verdict, which will never come
    code = """
from moderation.models.errors import Permanent


def handler(event, context):
    raise Permanent("broken", "no verdict today")
"""
    (tmp_path / "aggregate").mkdir()
    with faulty(stack, "aggregate", code, tmp_path / "aggregate"), held(stack, "scan_frames", tmp_path) as go_on:
        media_id = api.upload(clips.clean(), procedure="standard_post")
        api.wait(media_id, 60, lambda view: view.playable)
        url = api.playback(media_id).url
        assert httpx.get(url).status_code == 200

        # WHEN its job fails
        go_on()
        view = _ended(api, media_id)

    # THEN it plays no more, by no URL
    assert view.job is not None
    assert view.job.error is not None
    assert (view.job.error.code, view.job.error.message) == ("step_failed", "no verdict today")
    assert view.media.status is MediaStatus.REVIEWING
    _plays_nothing(api, stack, bus, media_id)
    assert httpx.get(url).status_code == 404


def test_a_run_that_was_stopped_does_not_leave_its_job_open(api: Api, stack: Stack, bus: Bus, tmp_path: Path) -> None:
    # GIVEN a run that hangs
    with held(stack, "scan_frames", tmp_path):
        media_id = api.upload(clips.clean(), procedure="standard_pre")
        view = api.wait(media_id, 60, lambda view: view.job is not None and view.job.state is JobState.PROCESSING)
        arn = stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{_job_id(view)}"

        # WHEN somebody stops it
        stack.client("stepfunctions").stop_execution(executionArn=arn, cause="enough")

        # THEN its job ends all the same
        view = _ended(api, media_id)
    assert view.job is not None
    assert view.job.error is not None
    assert (view.job.outcome, view.job.error.code) == ("failed", "aborted")
    assert view.media.status is MediaStatus.REVIEWING
    _plays_nothing(api, stack, bus, media_id)


def test_a_job_that_finds_the_budget_spent_waits_and_goes_on_by_itself(
    api: Api, stack: Stack, bus: Bus, tmp_path: Path
) -> None:
    # GIVEN a budget of which today has nothing left, and days that begin every few seconds
    code = f"""
from datetime import timedelta

import real
from moderation.entrypoints import compose
from moderation.ports import Booking
from moderation.services import admit

TODAY = compose.SystemClock().now().date()
plan = compose.planning()


class Days(admit.Admission):
    def admit(self, job, seconds, content_type):
        spent = Booking(TODAY, 1, 1)
        try:
            self.store.save(self.store.media(job.media_id), booking=spent)
        except admit.Spent:
            pass
        return super().admit(job, seconds, content_type)

    def _placed(self, media, job, booking):
        placed, events = super()._placed(media, job, booking)
        soon = self.clock.now() + timedelta(seconds={WAIT})
        later = [event.model_copy(update={{"waits_until": soon}}) for event in events]
        return placed.model_copy(update={{"waits_until": soon}}) if events else placed, later


limited = Days(plan.store, compose.SystemClock(), timedelta(seconds=1))
object.__setattr__(plan, "admission", limited)
handler = real.handler
"""
    with faulty(stack, "plan", code, tmp_path):
        # WHEN a media comes that would play before its verdict
        media_id = api.upload(clips.clean(), procedure="standard_post")
        waiting = api.wait(media_id, 60, lambda view: view.job is not None and view.job.waits_until is not None)

        # THEN it says until when it waits, and does not play
        assert waiting.job is not None
        assert (waiting.job.state, waiting.media.status) == (JobState.WAITING, MediaStatus.CHECKING)
        with pytest.raises(ApiError):
            api.playback(media_id)
        told = bus.wait_for(media_id, "Moderation Deferred")["detail"]
        assert told["event_id"] == f"deferred-{waiting.job.job_id}"
        assert datetime.fromisoformat(told["waits_until"]) == waiting.job.waits_until
        view = _ended(api, media_id)

    # AND after that it is planned again and judged, in the same run, by the same job
    assert _job_id(view) == waiting.job.job_id
    assert _verdict(view).suggestion is Suggestion.PASS
    entered = _entered(history(stack, _job_id(view)))
    assert entered[:6] == ["Plan", "Accepted", "Deferred", "Plan", "Accepted", "Look"]
    assert entered[6:] == ["Looked", "Refine", "Windows", "ScanText", "Aggregate", "Judged"]
    assert view.job is not None
    assert view.job.finished_at is not None
    assert waiting.job.waits_until is not None
    assert view.job.finished_at > waiting.job.waits_until
