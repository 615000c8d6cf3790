"""The end of a job, what it makes of the media, and the events about both."""

from collections.abc import Callable
from pathlib import Path

import pytest

from moderation.models.event import MediaStatusChanged, ModerationCompleted
from moderation.models.job import Job, JobError, JobState
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.ports import Conflict
from moderation.services.media import ModerateAgain
from moderation.services.settle import ATTEMPTS
from tests.world import World, verdict

End = Callable[[World, Job], None]
NORMAL, REVIEWING, BLOCKED, REFUSED = (
    MediaStatus.NORMAL,
    MediaStatus.REVIEWING,
    MediaStatus.BLOCKED,
    MediaStatus.REFUSED,
)


def accept(world: World, job: Job) -> None:
    world.settlement.accepted(job, "video/mp4")


def refuse(world: World, job: Job) -> None:
    world.settlement.refused(job, JobError(code="not_a_video", message="a text file"))


def fail(world: World, job: Job) -> None:
    world.settlement.failed(job, JobError(code="timeout", message="too slow"))


def judge(suggestion: Suggestion) -> End:
    def end(world: World, job: Job) -> None:
        world.settlement.judged(job, verdict(job, suggestion))

    return end


PASS, REVIEW, BLOCK = (judge(suggestion) for suggestion in Suggestion)

ROWS = [
    # mode, auto_block, how the job goes, status
    ("pre", False, [refuse], REFUSED),
    ("post", False, [refuse], REFUSED),
    ("pre", True, [accept, PASS], NORMAL),
    ("pre", False, [accept, PASS], NORMAL),
    ("pre", True, [accept, REVIEW], REVIEWING),
    ("pre", False, [accept, REVIEW], REVIEWING),
    ("pre", True, [accept, fail], REVIEWING),
    ("pre", False, [fail], REVIEWING),
    ("pre", True, [accept, BLOCK], BLOCKED),
    ("pre", False, [accept, BLOCK], REVIEWING),
    ("pre", False, [accept], MediaStatus.CHECKING),
    ("post", False, [accept], NORMAL),
    ("post", True, [accept], NORMAL),
    ("post", False, [accept, PASS], NORMAL),
    ("post", True, [accept, REVIEW], NORMAL),
    ("post", True, [accept, BLOCK], BLOCKED),
    ("post", False, [accept, BLOCK], NORMAL),
    ("post", False, [accept, fail], REVIEWING),
    ("post", False, [fail], REVIEWING),
]


@pytest.mark.parametrize(("mode", "auto_block", "steps", "status"), ROWS)
def test_row(tmp_path: Path, mode: str, auto_block: bool, steps: list[End], status: MediaStatus) -> None:
    # GIVEN a job in that mode
    world = World(tmp_path, auto_block=auto_block)
    job = world.checking(f"standard_{mode}")
    revision = world.media(job.media_id).revision
    # WHEN it goes that way
    for step in steps:
        step(world, job)
    # THEN the media follows
    assert world.media(job.media_id).status is status
    # AND each change of status is told, each with its own revision
    changes = [e for e in world.store.outbox if isinstance(e, MediaStatusChanged)]
    assert [e.revision for e in changes] == list(range(revision + 1, world.media(job.media_id).revision + 1))
    assert [e.previous for e in changes] == [MediaStatus.CHECKING, *(e.status for e in changes)][: len(changes)]
    assert [e.status for e in changes][-1:] == ([status] if changes else [])
    # AND the end of the job is told once
    told = [e for e in world.store.outbox if isinstance(e, ModerationCompleted)]
    assert len(told) == (steps[-1] is not accept)


def test_what_is_told_of_a_verdict(world: World) -> None:
    job = world.judged(Suggestion.REVIEW)
    assert (job.state, job.outcome, job.error) == (JobState.FINISH, "verdict", None)
    assert job.verdict is not None
    (told,) = world.events("Moderation Completed")
    assert isinstance(told, ModerationCompleted)
    assert (told.outcome, told.suggestion, told.coverage_complete) == ("verdict", Suggestion.REVIEW, False)
    assert (told.template, told.session_context) == ("standard@1", "order-1")
    assert told.event_id == f"completed-{job.job_id}"


@pytest.mark.parametrize(("end", "outcome", "code"), [(refuse, "refused", "not_a_video"), (fail, "failed", "timeout")])
def test_what_is_told_of_an_end_without_verdict(world: World, end: End, outcome: str, code: str) -> None:
    job = world.checking()
    end(world, job)
    stored = world.store.job(job.job_id)
    assert (stored.state, stored.outcome, stored.verdict) == (JobState.FINISH, outcome, None)
    (told,) = world.events("Moderation Completed")
    assert isinstance(told, ModerationCompleted)
    assert (told.outcome, told.suggestion, told.error) == (outcome, None, stored.error)
    assert stored.error is not None
    assert stored.error.code == code


def test_an_accepted_job_is_under_way_and_its_content_type_known(world: World) -> None:
    job = world.checking()
    world.settlement.accepted(job, "video/webm")
    assert world.store.job(job.job_id).state is JobState.PROCESSING
    assert world.media(job.media_id).playback_content_type == "video/webm"
    assert world.media(job.media_id).content_type == "video/mp4"  # what the uploader said stays on record


@pytest.mark.parametrize("decision", ["normal", "blocked"])
@pytest.mark.parametrize("mode", ["pre", "post"])
@pytest.mark.parametrize("end", [PASS, REVIEW, BLOCK, fail, refuse])
def test_a_persons_decision_stands_over_a_later_end(tmp_path: Path, decision: str, mode: str, end: End) -> None:
    world = World(tmp_path, auto_block=True)
    job = world.checking(f"standard_{mode}")
    accept(world, job)
    world.decide(job.media_id, decision)
    before = world.media(job.media_id)
    end(world, job)
    after = world.media(job.media_id)
    assert (after.status, after.revision) == (MediaStatus(decision), before.revision)
    assert world.store.job(job.job_id).state is JobState.FINISH
    assert len(world.events("Moderation Completed")) == 1


@pytest.mark.parametrize("first", [PASS, REVIEW, BLOCK, fail, refuse])
@pytest.mark.parametrize("again", [accept, PASS, BLOCK, fail, refuse])
def test_a_job_that_has_ended_does_not_end_again(tmp_path: Path, first: End, again: End) -> None:
    world = World(tmp_path, auto_block=True)
    job = world.checking("standard_post")
    accept(world, job)
    first(world, job)
    media, stored, outbox = world.media(job.media_id), world.store.job(job.job_id), list(world.store.outbox)
    again(world, job)
    assert (world.media(job.media_id), world.store.job(job.job_id), world.store.outbox) == (media, stored, outbox)


def test_only_the_latest_job_decides(world: World) -> None:
    # GIVEN a second job on its way
    first = world.checking()
    second = world.library.moderate_again(first.media_id, ModerateAgain())
    # WHEN the first one ends
    PASS(world, first)
    # THEN that is told, but the media waits for the second
    assert world.media(first.media_id).status is MediaStatus.CHECKING
    assert len(world.events("Moderation Completed")) == 1
    REVIEW(world, second)
    assert world.media(first.media_id).status is REVIEWING


def test_who_is_overtaken_reads_and_decides_again(world: World) -> None:
    # GIVEN a person who decides while the verdict is written
    job = world.checking()
    accept(world, job)
    world.store.before_save = lambda: world.decide(job.media_id, "blocked")
    # WHEN the verdict says pass
    PASS(world, job)
    # THEN both are on record, and the person's decision stands
    assert world.media(job.media_id).status is BLOCKED
    assert world.store.job(job.job_id).outcome == "verdict"
    assert len(world.store.reviews(job.media_id)) == 1


def test_who_is_overtaken_all_the_time_gives_up_for_now(world: World) -> None:
    job = world.checking()
    meddled = 0

    def meddle() -> None:
        nonlocal meddled
        meddled += 1
        world.store.save(world.media(job.media_id))
        world.store.before_save = meddle

    world.store.before_save = meddle
    with pytest.raises(Conflict):
        PASS(world, job)
    assert meddled == ATTEMPTS
    assert world.store.job(job.job_id).state is JobState.WAITING
    assert world.events("Moderation Completed") == []


@pytest.mark.parametrize("end", [accept, PASS, fail, refuse])
def test_a_media_deleted_meanwhile_stays_deleted(world: World, end: End) -> None:
    job = world.checking()
    world.library.delete(job.media_id)
    end(world, job)
    assert world.media(job.media_id).status is MediaStatus.DELETED
    # and once its jobs are forgotten nothing is written any more
    world.publishing.reconcile(job.media_id)
    media = world.media(job.media_id)
    end(world, job)
    assert world.media(job.media_id) == media
    assert world.store.jobs(job.media_id) == []


def test_failed_media_may_stay_up_by_a_setting(tmp_path: Path) -> None:
    world = World(tmp_path, keep_post_on_failure=True)
    job = world.checking("standard_post")
    accept(world, job)
    fail(world, job)
    assert world.media(job.media_id).status is NORMAL
