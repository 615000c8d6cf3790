"""No job stays open for ever."""

from datetime import timedelta

import pytest

from moderation.models.job import Job, JobError, JobState
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.ports import Run
from moderation.services.watch import DEADLINE, GRACE, MOST, Found
from tests.world import World, verdict

LATE = GRACE + timedelta(seconds=1)


def found(world: World) -> dict[str, Found]:
    return {one.job_id: one.found for one in world.watching.round()}


def never_started(world: World) -> Job:
    """A job whose maker died between the table and the state machine."""
    job = world.checking()
    del world.workflow.started[job.job_id]
    return job


def test_a_young_job_is_left_to_whoever_made_it(world: World) -> None:
    job = never_started(world)
    assert found(world) == {}
    assert job.job_id not in world.workflow.started


def test_a_job_that_was_never_started_is_started_once(world: World) -> None:
    job = never_started(world)
    world.clock.advance(LATE)
    assert found(world) == {job.job_id: Found.STARTED}
    assert world.workflow.started[job.job_id] == job.media_id
    assert found(world) == {job.job_id: Found.RUNNING}


@pytest.mark.parametrize(
    ("status", "code"),
    [("FAILED", "step_failed"), ("TIMED_OUT", "timeout"), ("ABORTED", "aborted"), ("SUCCEEDED", "internal")],
)
def test_a_job_whose_run_has_ended_unheard_is_closed(world: World, status: str, code: str) -> None:
    # GIVEN a job that is open, though its run has ended
    job = world.checking()
    world.workflow.ended[job.job_id] = Run(status, "it broke")
    world.clock.advance(LATE)
    # WHEN two rounds pass
    assert found(world) == {job.job_id: Found.CLOSED}
    assert found(world) == {}
    # THEN it has ended with the reason, its media waits for a person, and that was told once
    assert world.store.job(job.job_id).error == JobError(code=code, message="it broke")
    assert world.media(job.media_id).status is MediaStatus.REVIEWING
    assert len(world.events("Moderation Completed")) == 1


def test_what_has_ended_or_was_deleted_is_no_longer_watched(world: World) -> None:
    world.judged(Suggestion.PASS)
    deleted = world.checking()
    world.library.delete(deleted.media_id)
    world.publishing.reconcile(deleted.media_id)
    world.clock.advance(DEADLINE * 2)
    assert found(world) == {}


def test_a_job_that_ends_while_it_is_looked_at_keeps_its_verdict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN an index that is a moment behind
    job = world.judged(Suggestion.PASS)
    world.workflow.ended[job.job_id] = Run("SUCCEEDED")
    monkeypatch.setattr(world.store, "open_jobs", lambda due_before, limit: [job.job_id, "0" * 32 + "-gone"])
    world.clock.advance(LATE)
    assert found(world) == {}
    # AND one that is behind even when the job is read
    reads = iter([job.model_copy(update={"state": JobState.PROCESSING})])
    monkeypatch.setattr(world.store, "open_jobs", lambda due_before, limit: [job.job_id])
    monkeypatch.setattr(world.store, "job", lambda job_id: next(reads, job))
    before = list(world.store.outbox)
    assert found(world) == {job.job_id: Found.CLOSED}
    monkeypatch.undo()
    assert (world.store.job(job.job_id), world.store.outbox) == (job, before)


def test_a_run_may_take_as_long_as_the_state_machine_lets_it(world: World) -> None:
    job = world.checking()
    world.clock.advance(DEADLINE)
    assert found(world) == {job.job_id: Found.RUNNING}
    world.clock.advance(timedelta(seconds=1))
    (one,) = world.watching.round()
    assert (one.found, one.age) == (Found.STUCK, DEADLINE + timedelta(seconds=1))
    assert one.reason


def test_a_job_that_has_to_wait_is_late_from_then_on(world: World) -> None:
    job = world.checking()
    until = world.clock.now() + timedelta(days=1)
    world.store.save(world.media(job.media_id), job=job.model_copy(update={"waits_until": until}))
    world.clock.advance(timedelta(days=1) + GRACE)
    assert found(world) == {}
    world.clock.advance(timedelta(seconds=1))
    assert [one.age for one in world.watching.round()] == [LATE]


def test_one_that_cannot_be_mended_keeps_none_from_it(world: World) -> None:
    # GIVEN three lost jobs, and a state machine that cannot be reached for the first
    jobs = []
    for _ in range(3):
        jobs.append(never_started(world))
        world.clock.advance(timedelta(seconds=1))
    world.workflow.losses = 1
    world.clock.advance(LATE)
    # THEN that one is stuck, without a word that may be a secret, and the others are started
    first, *others = world.watching.round()
    assert (first.job_id, first.found, first.reason) == (jobs[0].job_id, Found.STUCK, "Transient")
    assert [one.found for one in others] == [Found.STARTED] * 2
    # AND the next round mends it
    assert found(world)[jobs[0].job_id] is Found.STARTED


def test_a_round_looks_at_so_many_the_longest_due_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.services.watch.MOST", 2)
    jobs = [world.checking() for _ in range(3)]
    world.clock.advance(LATE)
    assert MOST > 2
    assert list(found(world)) == [job.job_id for job in jobs[:2]]


def test_a_later_verdict_of_a_closed_job_changes_nothing(world: World) -> None:
    # GIVEN a job that was closed because its run seemed to have ended
    job = world.checking()
    world.workflow.ended[job.job_id] = Run("ABORTED", "stopped by hand")
    world.clock.advance(LATE)
    world.watching.round()
    # WHEN a step that was still under way brings its verdict
    world.settlement.judged(job, verdict(job, Suggestion.PASS))
    # THEN nothing plays unseen
    assert world.media(job.media_id).status is MediaStatus.REVIEWING
