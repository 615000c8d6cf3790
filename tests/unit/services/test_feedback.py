"""People tell what the machine got wrong, or right."""

import gzip
import json
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.job import Job
from moderation.models.verdict import Suggestion
from moderation.services.feedback import MAX_FRAMES, GiveFeedback
from moderation.services.media import ModerateAgain
from moderation.services.work import Work
from tests.builders import MEDIA_ID
from tests.world import World, verdict


def judged(world: World, segments: int = 1) -> Job:
    job = world.checking()
    world.settlement.judged(job, verdict(job, Suggestion.REVIEW, segments_planned=segments))
    return job


def leave_traces(world: World, job: Job, index: int, times: list[float], **more: Any) -> None:
    """What the scan step leaves behind: a line per frame, near-duplicates without a fingerprint."""
    lines = []
    for ordinal, time in enumerate(times):
        trace = {"ordinal": ordinal, "track": 0, "time": time, "duplicate_of": None}
        lines.append(json.dumps(trace | {"pdq": f"{ordinal:064x}", "embedding": "AAAA"} | more))
        lines.append(json.dumps(trace | {"ordinal": ordinal + 1000, "time": time + 0.1, "duplicate_of": ordinal}))
    body = gzip.compress("\n".join(lines).encode())
    world.objects.put(Work(job.media_id, job.job_id).trace(index), body, "application/gzip")


def give(world: World, **fields: object) -> Any:
    return world.feedback.give(GiveFeedback.model_validate({"kind": "false_positive"} | fields), "ada")


def test_feedback_is_kept_with_the_fingerprints_of_its_span(world: World) -> None:
    # GIVEN the traces of a job
    job = judged(world, segments=2)
    leave_traces(world, job, 0, [0.0, 1.0, 2.0, 3.0, 4.0])
    leave_traces(world, job, 1, [5.0, 6.0, 7.0])
    # WHEN somebody objects to a stretch of it
    given = give(world, media_id=job.media_id, label="porn", sub_label="explicit", start=4.0, end=5.5, comment="art")
    # THEN the frames of that stretch are kept, with a second on both sides, each once
    assert [frame.time for frame in given.frames] == [3.0, 4.0, 5.0, 6.0]
    assert given.frames[0].pdq == f"{3:064x}"
    assert given.frames[0].embedding == "AAAA"
    assert (given.job_id, given.reporter, given.comment) == (job.job_id, "ada", "art")
    assert world.feedback.list(job.media_id) == [given]


def test_many_frames_are_thinned_out_evenly(world: World) -> None:
    job = judged(world)
    leave_traces(world, job, 0, [float(n) for n in range(100)])
    frames = give(world, media_id=job.media_id).frames
    assert MAX_FRAMES / 2 < len(frames) <= MAX_FRAMES
    gaps = {after.time - before.time for before, after in pairwise(frames)}
    assert len(gaps) == 1


@pytest.mark.parametrize("count", [MAX_FRAMES, MAX_FRAMES + 1, 2 * MAX_FRAMES])
def test_never_more_frames_than_an_item_holds(world: World, count: int) -> None:
    job = judged(world)
    leave_traces(world, job, 0, [float(n) for n in range(count)])
    assert len(give(world, media_id=job.media_id).frames) <= MAX_FRAMES


@pytest.mark.parametrize(
    ("span", "times"), [({"start": 8.0}, [7.0, 8.0, 9.0]), ({"end": 1.0}, [0.0, 1.0, 2.0]), ({"start": 50.0}, [])]
)
def test_an_open_span(world: World, span: dict[str, float], times: list[float]) -> None:
    job = judged(world)
    leave_traces(world, job, 0, [float(n) for n in range(10)])
    assert [frame.time for frame in give(world, media_id=job.media_id, **span).frames] == times


def test_traces_that_are_gone_leave_feedback_without_fingerprints(world: World) -> None:
    job = judged(world, segments=2)
    leave_traces(world, job, 1, [5.0])
    assert [frame.time for frame in give(world, media_id=job.media_id).frames] == [5.0]
    world.objects.delete_prefix("traces/")
    assert give(world, media_id=job.media_id, start=0.0).frames == ()
    assert len(world.feedback.list(job.media_id)) == 2


def test_feedback_is_on_a_verdict(world: World) -> None:
    running, other = world.checking(), judged(world)
    for fields, code in (
        ({"media_id": "0" * 32}, ErrorCode.MEDIA_NOT_FOUND),
        ({"media_id": running.media_id}, ErrorCode.JOB_NOT_FOUND),  # no verdict yet
        ({"media_id": world.sign()}, ErrorCode.JOB_NOT_FOUND),  # no job at all
        ({"media_id": running.media_id, "job_id": other.job_id}, ErrorCode.JOB_NOT_FOUND),  # somebody else's
        ({"media_id": other.media_id, "job_id": "nonsense"}, ErrorCode.JOB_NOT_FOUND),
    ):
        with pytest.raises(ModerationError) as refusal:
            give(world, **fields)
        assert refusal.value.code is code
    assert world.feedback.list(running.media_id) == []


def test_feedback_may_name_an_earlier_job(world: World) -> None:
    first = judged(world)
    world.library.moderate_again(first.media_id, ModerateAgain())
    assert give(world, media_id=first.media_id, job_id=first.job_id).job_id == first.job_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "wrong"},
        {"start": -1.0},
        {"start": 2.0, "end": 1.0},
        {"label": "Porn"},
        {"comment": "é" * 257},
        {"media_id": "x"},
    ],
)
def test_limits(wrong: dict[str, object]) -> None:
    valid = {"media_id": MEDIA_ID, "kind": "correct", "start": 1.0, "end": 1.0}
    GiveFeedback.model_validate(valid)
    with pytest.raises(ValidationError):
        GiveFeedback.model_validate(valid | wrong)
