"""A job that cannot go on ends with a code and a reason."""

import json

import pytest

from moderation.models.errors import Permanent
from moderation.models.job import JobState
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.services.fail import MAX_REASON, reason
from tests.builders import MEDIA_ID
from tests.world import World, verdict

CAUSE = json.dumps(
    {"errorMessage": "the moderated version is gone", "errorType": "Permanent", "stackTrace": ['File "/var/task"']}
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Permanent", "step_failed"),
        ("Transient", "unavailable"),
        ("States.Timeout", "timeout"),
        ("Sandbox.Timedout", "timeout"),
        ("execution_timed_out", "timeout"),
        ("execution_aborted", "aborted"),
        ("execution_failed", "step_failed"),
        ("KeyError", "internal"),
        ("Runtime.ExitError", "internal"),
        ("", "internal"),
    ],
)
def test_the_error_becomes_one_of_a_closed_set_of_codes(world: World, error: str, code: str) -> None:
    job = world.checking()
    world.failure.run(job.job_id, error, CAUSE)
    stored = world.store.job(job.job_id)
    assert (stored.state, stored.outcome) == (JobState.FINISH, "failed")
    assert stored.error is not None
    assert (stored.error.code, stored.error.message) == (code, "the moderated version is gone")
    assert world.media(job.media_id).status is MediaStatus.REVIEWING


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (CAUSE, "the moderated version is gone"),
        ("Task timed out after 900.00 seconds", "Task timed out after 900.00 seconds"),
        ("", ""),
        ("[1, 2]", "[1, 2]"),
        ("42", "42"),
        ("{}", ""),
        ('{"errorMessage": "cut off by the sta', '{"errorMessage": "cut off by the sta'),
        ("x" * 9000, "x" * MAX_REASON),
        (json.dumps({"errorMessage": "y" * 9000}), "y" * MAX_REASON),
    ],
)
def test_the_reason_is_the_message_cut_short(cause: str, message: str) -> None:
    assert reason(cause) == message


def test_a_job_that_has_ended_is_left_as_it_is(world: World) -> None:
    job = world.judged(Suggestion.PASS)
    before = (job, world.media(job.media_id), list(world.store.outbox))
    world.failure.run(job.job_id, "States.Timeout", "late")
    assert (world.store.job(job.job_id), world.media(job.media_id), world.store.outbox) == before


def test_a_failure_that_comes_twice_is_told_once(world: World) -> None:
    job = world.checking("standard_post")
    world.settlement.accepted(job, "video/mp4")
    for error in ("Permanent", "execution_failed"):
        world.failure.run(job.job_id, error, CAUSE)
    assert len(world.events("Moderation Completed")) == 1
    assert world.store.job(job.job_id).error == world.latest_job(job.media_id).error
    assert world.media(job.media_id).status is MediaStatus.REVIEWING


def test_a_verdict_after_the_failure_comes_too_late(world: World) -> None:
    job = world.checking()
    world.failure.run(job.job_id, "States.Timeout", "late")
    world.settlement.judged(job, verdict(job, Suggestion.PASS))
    assert world.media(job.media_id).status is MediaStatus.REVIEWING
    assert world.store.job(job.job_id).verdict is None


def test_a_job_of_nobody_is_a_mistake_but_that_of_a_deleted_media_is_none(world: World) -> None:
    with pytest.raises(Permanent) as refusal:
        world.failure.run(f"{MEDIA_ID}-{'0' * 40}", "Permanent", "")
    assert refusal.value.code == "unknown_job"
    # GIVEN a media that was deleted and purged while its job ran
    job = world.checking()
    world.library.delete(job.media_id)
    world.publishing.reconcile(job.media_id)
    # THEN its end raises no alarm
    world.failure.run(job.job_id, "Permanent", CAUSE)
    assert world.store.jobs(job.media_id) == []


def test_a_job_whose_media_was_deleted_has_not_failed(world: World) -> None:
    # GIVEN a job, and its media deleted while it ran
    job = world.checking()
    assert world.failure.run(job.job_id, "Permanent", CAUSE)
    again = world.checking()
    world.library.delete(again.media_id)
    # THEN nothing has failed that anybody wants, before its jobs are forgotten and after
    assert not world.failure.run(again.job_id, "Permanent", CAUSE)
    world.publishing.reconcile(again.media_id)
    assert not world.failure.run(again.job_id, "Permanent", CAUSE)
