"""Every call of every port, in every function, goes wrong in every way; what may never break does not break."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from moderation.entrypoints import compose
from moderation.models.event import MediaStatusChanged, ModerationCompleted
from moderation.models.job import Job, JobState
from moderation.models.media import MediaStatus, cover_key, source_key
from moderation.models.verdict import Suggestion
from moderation.ports import NotFound
from moderation.services.media import ModerateAgain
from moderation.services.review import Decide
from tests.faults.cloud import SEGMENTS, Clip, Cloud, deployed
from tests.faults.faults import DELETING, LASTING, PASSING, SPOILING, Call, Fault, kinds_for

LOOKING = frozenset({"extract", "scan_frames", "scan_audio", "scan_images", "refine", "scan_text", "aggregate"})
PLAN = (
    *(Call("extract", "objects", "get", number) for number in range(SEGMENTS + 1)),  # and of the second look
    *(Call("scan_audio", "objects", "get", number) for number in range(SEGMENTS)),
    *(Call(step, "objects", "get", 0) for step in ("refine", "scan_text", "aggregate")),
)
"""Who reads the plan, without which there is nothing to judge."""
PICTURES = (Call("aggregate", "objects", "get", 9), Call("aggregate", "objects", "fetch", 0))
"""What aggregate reads only to show it."""
DEADLINE = timedelta(hours=13)
"""The longest that any job may be open, whatever goes wrong once."""


CLEAN = Clip()
VIOLATING = Clip(violation=True)


@dataclass(frozen=True)
class Story:
    """What happens to a media: a part without faults, and a part in which one call goes wrong."""

    clip: Clip = CLEAN
    procedure: str = "standard_pre"
    before: Callable[[Cloud], object] = lambda cloud: None
    then: Callable[[Cloud], object] = Cloud.upload
    functions: frozenset[str] | None = None
    """Those whose calls go wrong; None is all."""


def broken(cloud: Cloud) -> None:
    cloud.broken = "aggregate"
    cloud.upload()


def stopped(cloud: Cloud) -> None:
    cloud.cut_off = "ABORTED"
    cloud.upload()


def late(cloud: Cloud) -> None:
    cloud.cut_off = "TIMED_OUT"
    cloud.upload()


def again(cloud: Cloud) -> None:
    cloud.ask("media", lambda: compose.library().moderate_again(cloud.media_id, ModerateAgain()))


def blocked(cloud: Cloud) -> None:
    decision = Decide(media_id=cloud.media_id, decision="blocked")
    cloud.ask("review", lambda: compose.reviewing().decide(decision, "ada"))


def deleted(cloud: Cloud) -> None:
    cloud.ask("media", lambda: compose.library().delete(cloud.media_id))


STORIES = {
    "passes": Story(),
    "violates": Story(VIOLATING, functions=LOOKING),
    "plays before its verdict": Story(procedure="standard_post", functions=frozenset({"plan", "aggregate", "publish"})),
    "violates while it plays": Story(VIOLATING, "standard_post", functions=frozenset({"aggregate", "publish"})),
    "is refused": Story(Clip(refused=True), functions=frozenset({"plan"})),
    "its step never works": Story(then=broken, functions=frozenset({"fail_job", "watch"})),
    "its run is stopped": Story(then=stopped, functions=frozenset({"fail_job", "watch"})),
    "its run takes too long": Story(procedure="standard_post", then=late, functions=frozenset({"fail_job"})),
    "is moderated again": Story(before=Cloud.moderated, then=again, functions=frozenset({"media"})),
    "is blocked by a person": Story(before=Cloud.moderated, then=blocked),
    "is deleted": Story(before=Cloud.moderated, then=deleted),
}


@pytest.fixture(scope="module")
def clouds() -> Iterator[Callable[..., Cloud]]:
    with deployed() as make:
        yield make


@contextmanager
def silence() -> Iterator[None]:
    """Thousands of tracebacks of faults that were asked for would be written, and kept by pytest."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def outcome(job: Job) -> dict[str, Any]:
    """All that a job came to, but for what is another's in every job."""
    own: dict[str, Any] = {"media_id", "job_id", "created_at", "segments_file", "transcript_file"}  # type: ignore[assignment]
    verdict = job.verdict.model_dump(exclude=own) if job.verdict else None
    for segment in verdict["segments"] if verdict else ():
        segment["picture"] = segment["picture"] is not None
    return {"outcome": job.outcome, "error": job.error and job.error.code, "verdict": verdict}


def latest(cloud: Cloud) -> Job:
    return cloud.store.job(str(cloud.store.media(cloud.media_id).latest_job))


def play(story: Story, clouds: Callable[..., Cloud], fault: Fault | None) -> tuple[Cloud, int]:
    """The story to its end, and how many calls there were before anything could go wrong."""
    cloud = clouds(story.clip, story.procedure, fault)
    story.before(cloud)
    begun = len(cloud.injector.calls)
    story.then(cloud)
    cloud.settle()
    return cloud, begun


@pytest.mark.parametrize("name", STORIES)
def test_whatever_fails_nothing_is_lost_stuck_or_let_through(
    name: str, clouds: Callable[..., Cloud], record_property: Callable[[str, object], None]
) -> None:
    # GIVEN a story without faults, and every call in it
    story = STORIES[name]
    with silence():
        whole, begun = play(story, clouds, None)
    calls = dict.fromkeys(whole.injector.calls[begun:])
    deleted = whole.store.media(whole.media_id).status is MediaStatus.DELETED
    reference = {} if deleted else outcome(latest(whole))
    faults = list(possible([c for c in calls if story.functions is None or c.function in story.functions], deleted))
    # WHEN each of them fails in each way
    wrong = []
    for fault in faults:
        with silence():
            try:
                cloud, _ = play(story, clouds, fault)
                check(cloud, fault, reference, whole)
            except AssertionError as broken_rule:
                wrong.append(f"{fault}: {str(broken_rule).splitlines()[0]}")
    # THEN no rule is broken
    record_property("cases", len(faults))
    print(f"{name}: {len(faults)} cases")
    assert not wrong, f"{len(wrong)} of {len(faults)}:\n" + "\n".join(wrong)


def test_an_upload_that_came_to_nothing_is_swept_whatever_fails(clouds: Callable[..., Cloud]) -> None:
    def swept(fault: Fault | None) -> Cloud:
        cloud = clouds(Clip(), "standard_pre", fault)
        cloud.uploads.receive(source_key(cloud.media_id), b"of which nobody heard")
        cloud.uploads.receive(cover_key(cloud.media_id, 0), b"nor of this")
        cloud.forget()
        return cloud

    faults = [f for f in possible(swept(None).injector.calls, deleted=True) if f.kind not in LASTING]
    assert len(faults) > 30
    for fault in faults:
        with silence():
            cloud = swept(fault)
        assert (cloud.injector.struck, cloud.dead_letters()) == (1, 0), fault
        for key in (source_key(cloud.media_id), cover_key(cloud.media_id, 0)):
            with pytest.raises(NotFound):
                cloud.uploads.first_version(key)


def possible(calls: Sequence[Call], deleted: bool) -> Iterator[Fault]:
    """Every kind of fault at every call: those that last begin at the first call of a method."""
    begun = set()
    for call in calls:
        first = (call.function, call.port, call.method) not in begun
        begun.add((call.function, call.port, call.method))
        for kind in kinds_for(call):
            asked = call.function in ("media", "review")  # whoever asks cannot delete at the same time
            if not (kind in DELETING and (deleted or asked)) and (first or kind not in LASTING):
                yield Fault(call, kind)


def check(cloud: Cloud, fault: Fault, reference: dict[str, Any], whole: Cloud) -> None:
    """What has to be true whatever went wrong, at once or after what went wrong for long was mended."""
    assert cloud.injector.struck, "the fault never struck"
    if fault.kind in LASTING:
        cloud.redrive()
        cloud.settle()
    assert not cloud.open_jobs(), "a job is open"
    assert not cloud.dead_letters(), "something was given up"
    media = cloud.store.media(cloud.media_id)
    if media.status is MediaStatus.DELETED:
        gone(cloud, {run.status for run in whole.runs.values()})
        return
    for job in cloud.store.jobs(cloud.media_id):
        assert job.state in (JobState.FINISH, JobState.ABORTED)
        assert job.finished_at is not None
        assert fault.kind in LASTING or job.finished_at - job.created_at <= DEADLINE, "a job was open for too long"
    told(cloud)
    in_line(cloud)
    job = latest(cloud)
    came_to = outcome(job)
    if job.verdict is not None and job.verdict.suggestion is Suggestion.PASS:
        assert came_to == reference, "passed without having been wholly looked at"
    if fault.kind in PASSING:
        assert came_to == reference, "a fault that passed left a trace"
    if fault.kind in SPOILING and fault.call.function != "plan" and fault.call not in PLAN:
        assert job.outcome == "verdict", "what is lost or broken is no reason not to judge the rest"
        if fault.call in PICTURES:
            assert came_to["verdict"]["suggestion"] is reference["verdict"]["suggestion"], (
                "a lost picture hid a finding"
            )
    if came_to != reference and job.outcome != "refused":
        cloud.injector.mend()
        cloud.broken = None
        cloud.ask("media", lambda: compose.library().moderate_again(cloud.media_id, ModerateAgain()))
        cloud.settle()
        if reference["outcome"] != "failed":
            assert outcome(latest(cloud)) == reference, "a retry of the whole job came to something else"
        else:
            assert latest(cloud).verdict is not None, "a retry of the whole job failed"
        told(cloud)
        in_line(cloud)
    elif fault.call.function not in ("media", "review"):
        assert media.status is whole.store.media(whole.media_id).status, "the media came to stand elsewhere"


def told(cloud: Cloud) -> None:
    """The end of every job was told, always under one id, and so was the last change of status."""
    for job in cloud.store.jobs(cloud.media_id):
        if job.state is JobState.FINISH:
            events = [e for e in cloud.bus.sent if isinstance(e, ModerationCompleted) and e.job_id == job.job_id]
            assert events, "the end of a job was never told"
            assert len({event.model_dump_json() for event in events}) == 1, "the end of a job was told in two ways"
            assert events[0].event_id == f"completed-{job.job_id}"
            assert events[0].outcome == job.outcome
    changes = [event for event in cloud.bus.sent if isinstance(event, MediaStatusChanged)]
    if changes:
        media = cloud.store.media(cloud.media_id)
        last = max(changes, key=lambda event: event.revision)
        assert (last.revision, last.status) == (media.revision, media.status), "a change of status was never told"


def in_line(cloud: Cloud) -> None:
    """What may play is published, from what was moderated; what may not is not."""
    media = cloud.store.media(cloud.media_id)
    assert media.playable is (media.status is MediaStatus.NORMAL), "what may play was never published"
    if media.playable:
        assert cloud.publisher.stored[str(media.published_key)][0] == media.identity
    else:
        assert media.published_key is None, "what may not play is still published"


def gone(cloud: Cloud, statuses: set[str]) -> None:
    """Nothing is left of a deleted media, and no run of its jobs counts as failed."""
    assert cloud.store.jobs(cloud.media_id) == [], "a job of a deleted media is left"
    assert cloud.publisher.stored == {}, "a copy of a deleted media is left"
    assert {key for key in cloud.objects.content_types() if not key.startswith("work/")} == set(), "objects are left"
    with pytest.raises(NotFound):
        cloud.uploads.first_version(source_key(cloud.media_id))
    assert {run.status for run in cloud.runs.values()} <= statuses | {"SUCCEEDED"}, "a delete made a run fail"
