"""The daily budget under any order of arrivals, retries and midnights."""

import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.models.job import Job
from moderation.services.admit import HORIZON, SPREAD, Admission
from tests.world import World

BUDGET = 100
"""Seconds a day."""
ARRIVALS = st.lists(
    st.tuples(
        st.integers(1, 150),  # seconds of video
        st.integers(0, 30),  # hours until the next one
        st.integers(1, 3),  # tries
    ),
    min_size=1,
    max_size=25,
)


@given(arrivals=ARRIVALS)
@settings(max_examples=60, deadline=None)
def test_no_day_is_overdrawn_no_job_counted_twice_and_all_have_their_day(arrivals: list[tuple[int, int, int]]) -> None:
    with tempfile.TemporaryDirectory(prefix="budget-") as folder:
        world = World(Path(folder))
        admission = Admission(world.store, world.clock, timedelta(seconds=BUDGET))
        jobs: list[tuple[Job, int]] = []
        for seconds, hours, tries in arrivals:
            job = world.checking()
            answers = {admission.admit(job, seconds, "video/mp4") for _ in range(tries)}
            jobs.append((world.store.job(job.job_id), seconds))
            assert answers == {jobs[-1][0].waits_until}
            assert jobs[-1][0].waits_until is None or jobs[-1][0].waits_until > world.clock.now()
            world.clock.advance(timedelta(hours=hours))

        # THEN a day holds no more than its budget, or a single job
        days: dict[date, list[int]] = {}
        for job, seconds in jobs:
            assert job.booked_for is not None
            days.setdefault(job.booked_for, []).append(seconds)
        assert all(sum(taken) <= BUDGET or len(taken) == 1 for taken in days.values())
        # AND each waits into the first hour of its day, which is no further than jobs before it made it
        for number, (job, seconds) in enumerate(jobs):
            assert job.booked_for is not None
            assert (job.waits_until is not None) is (job.booked_for > job.created_at.date())
            if job.waits_until:
                assert job.waits_until.date() == job.booked_for
                assert timedelta(hours=job.waits_until.hour, minutes=job.waits_until.minute) <= SPREAD
            earlier = Counter[date]()
            for other, taken in jobs[:number]:
                assert other.booked_for is not None
                earlier[other.booked_for] += taken
            day = job.created_at.date()
            while earlier[day] and earlier[day] + seconds > BUDGET:
                day += timedelta(days=1)
            assert job.booked_for == day <= job.created_at.date() + HORIZON
        assert len(world.events("Moderation Deferred")) == sum(job.waits_until is not None for job, _ in jobs)
