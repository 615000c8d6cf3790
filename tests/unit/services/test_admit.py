"""The daily budget: booked once per job, never overdrawn, and nobody waits for ever."""

from datetime import UTC, datetime, timedelta

import pytest

from moderation.models.event import ModerationDeferred
from moderation.models.job import Job, JobState
from moderation.models.media import MediaStatus
from moderation.services.admit import HORIZON, SPREAD, Admission, BudgetSpent
from tests.builders import NOON
from tests.world import World

HOUR = 3600
TOMORROW = datetime(2026, 11, 23, tzinfo=UTC)


def admission(world: World, hours: int = 1) -> Admission:
    return Admission(world.store, world.clock, timedelta(hours=hours))


def admit(world: World, job: Job, seconds: int = HOUR, hours: int = 1) -> datetime | None:
    return admission(world, hours).admit(job, seconds, "video/mp4")


def test_without_a_budget_nothing_is_booked(world: World) -> None:
    job = world.checking()
    before = world.media(job.media_id)
    assert admit(world, job, 10**9, hours=0) is None
    assert (world.media(job.media_id), world.store.job(job.job_id).booked_for) == (before, None)


def test_what_the_day_has_room_for_goes_on_and_is_booked(world: World) -> None:
    job = world.checking()
    assert admit(world, job) is None
    stored = world.store.job(job.job_id)
    assert (stored.booked_for, stored.waits_until, stored.state) == (NOON.date(), None, JobState.WAITING)
    assert world.events("Moderation Deferred") == []


@pytest.mark.parametrize("procedure", ["standard_pre", "standard_post"])
def test_on_a_spent_day_a_job_gets_its_place_on_the_next_and_says_so(world: World, procedure: str) -> None:
    # GIVEN a day that is spent
    admit(world, world.checking())
    # WHEN another job comes
    job = world.checking(procedure)
    until = admit(world, job)
    # THEN it waits into the first hour of tomorrow, and whoever asks is told so
    assert until is not None
    assert TOMORROW <= until <= TOMORROW + SPREAD
    view = world.library.view(job.media_id)
    assert view.job is not None
    assert (view.job.state, view.job.waits_until, view.job.booked_for) == (JobState.WAITING, until, TOMORROW.date())
    assert (view.media.status, view.playable) == (MediaStatus.CHECKING, False)
    # AND one event leaves
    (told,) = world.events("Moderation Deferred")
    assert isinstance(told, ModerationDeferred)
    assert (told.event_id, told.waits_until) == (f"deferred-{job.job_id}", until)
    assert (told.seconds, told.session_context) == (HOUR, "order-1")
    # AND a person need not wait for it
    assert world.decide(job.media_id, "normal").decision == "normal"


def test_a_job_is_counted_once_however_often_it_is_tried(world: World) -> None:
    # GIVEN two jobs that are each tried five times, of which the day has room for one
    first, second = world.checking(), world.checking()
    for _ in range(5):
        assert admit(world, first) is None
    (until,) = {admit(world, second) for _ in range(5)}
    # THEN the next day has taken one hour, too: a third job finds no room on either
    assert until is not None
    assert until.date() == TOMORROW.date()
    third = admit(world, world.checking())
    assert third is not None
    assert third.date() == TOMORROW.date() + timedelta(days=1)
    assert len(world.events("Moderation Deferred")) == 2


def test_after_its_wait_a_job_goes_on_whatever_came_meanwhile(world: World) -> None:
    admit(world, world.checking())
    job = world.checking()
    until = admit(world, job)
    assert until is not None
    # GIVEN that it is asked too early
    assert admission(world).wait_of(world.store.job(job.job_id)) == until
    # WHEN its time has come, even days late, and others want in
    world.clock.advance(until - world.clock.now() + timedelta(days=2))
    # THEN it goes on, on the day that it was booked for
    assert admit(world, job) is None
    assert admission(world).wait_of(world.store.job(job.job_id)) is None
    assert world.store.job(job.job_id).booked_for == TOMORROW.date()


def test_a_video_longer_than_the_budget_has_a_day_of_its_own(world: World) -> None:
    admit(world, world.checking(), 1)
    giant = admit(world, world.checking(), 6 * HOUR)
    assert giant is not None
    assert giant.date() == TOMORROW.date()
    # AND on that day nothing else begins
    after = admit(world, world.checking(), HOUR)
    assert after is not None
    assert after.date() == TOMORROW.date() + timedelta(days=1)
    # WHILE what is short enough still fits into today
    assert admit(world, world.checking(), HOUR - 1) is None


def test_nobody_waits_for_longer_than_the_horizon(world: World) -> None:
    for _ in range(HORIZON.days + 1):
        admit(world, world.checking())
    with pytest.raises(BudgetSpent):
        admit(world, world.checking())


def test_jobs_of_a_day_begin_over_an_hour(world: World) -> None:
    admit(world, world.checking(), HOUR)
    begins = [admit(world, world.checking(), 60) for _ in range(60)]
    quarters = {int((begin - TOMORROW) / timedelta(minutes=15)) for begin in begins if begin}
    assert quarters == {0, 1, 2, 3}


def test_two_tries_at_once_book_once(world: World) -> None:
    job = world.checking()
    world.store.before_save = lambda: admit(world, job)
    assert admit(world, job) is None
    assert admit(world, world.checking()) is not None  # the hour is spent, but only once
    other = admit(world, world.checking(), HOUR)
    assert other is not None
    assert other.date() == TOMORROW.date() + timedelta(days=1)
