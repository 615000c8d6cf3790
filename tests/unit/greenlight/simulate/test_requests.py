"""What steps.yaml says that a step asks of the table is what the use cases really ask of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from greenlight.simulate.published import steps
from moderation.models.media import MediaStatus, cover_key, source_key
from moderation.models.verdict import Suggestion
from moderation.services import plan as planning
from moderation.services.admit import Admission
from moderation.services.work import Work
from tests.builders import silent_plan
from tests.world import World

REQUESTS: dict[str, Any] = steps()["requests"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@contextmanager
def counted(world: World, task: str) -> Iterator[None]:
    """Asserts that within the block the table was asked for what steps.yaml says of a task."""
    reads, writes = Counter[str](), Counter[str]()
    store = world.store
    media, job, save, add = store.media, store.job, store.save, store.add_media

    def reading(kind: str, read: Any) -> Any:
        return lambda key: (reads.update([kind]), read(key))[1]

    def saving(saved: Any, **more: Any) -> Any:
        result = save(saved, **more)
        writes.update(media=1, event=len(more.get("events", ())), review=more.get("review") is not None)
        writes.update(job=(more.get("job") or more.get("new_job")) is not None, booking=more.get("booking") is not None)
        return result

    def adding(added: Any) -> None:
        add(added)
        writes.update(media=1)

    with patch.multiple(store, media=reading("media", media), job=reading("job", job), save=saving, add_media=adding):
        yield
    assert dict(+reads) == REQUESTS[task].get("read", {})
    assert dict(+writes) == REQUESTS[task].get("write", {})


def test_uploads_and_arrivals(world: World):
    with counted(world, "upload"):
        media_id = world.sign(covers=1)
    cover, source = world.bring(cover_key(media_id, 0)), world.bring(source_key(media_id))
    with counted(world, "cover"):
        world.ingest.arrived(cover)
    with counted(world, "ingest"):
        world.ingest.arrived(source)


@pytest.mark.parametrize("hours", [0, 100])
def test_plans(world: World, hours: int):
    job = world.checking()
    admission = Admission(world.store, world.clock, timedelta(hours=hours))
    step = planning.Planning(world.store, world.uploads, world.objects, world.settlement, admission)
    booked = REQUESTS["book"] if hours else {"read": {}, "write": {}}
    both = {kind: dict(Counter(REQUESTS["plan"][kind]) + Counter(booked[kind])) for kind in ("read", "write")}
    with (
        patch.object(planning, "make_plan", lambda *_, **__: silent_plan()),
        patch.dict(REQUESTS, {"plan and book": both}),
        counted(world, "plan and book"),
    ):
        assert not step.run(job.job_id, 60).refused


def test_verdicts(world: World):
    job = world.checking()
    world.objects.put(Work(job.media_id, job.job_id).plan, silent_plan().model_dump_json().encode(), "application/json")
    with counted(world, "aggregate"):
        world.aggregation.run(job.job_id)


def test_refusals(world: World):
    job = world.checking()
    with counted(world, "fail_job"):
        world.failure.run(job.job_id, "Permanent", "broken")


def test_what_follows_a_verdict(world: World):
    passed, unsure = world.judged(Suggestion.PASS), world.judged(Suggestion.REVIEW)
    with counted(world, "publish"):
        world.publishing.reconcile(passed.media_id)
    with counted(world, "leave"):
        world.publishing.reconcile(unsure.media_id)
    with counted(world, "play"):
        world.playback.url(passed.media_id)


def test_looks_at_a_media_that_is_being_checked(world: World):
    job = world.checking()
    with counted(world, "look"):
        world.library.view(job.media_id)


def test_withdrawals(world: World):
    media_id = world.playing()
    with counted(world, "withdraw"):
        world.decide(media_id, "blocked")
        world.publishing.reconcile(media_id)
    assert len(world.publisher.deleted) == REQUESTS["withdraw"]["count"]["invalidations"]


def test_deletes(world: World):
    media_id = world.playing()
    with counted(world, "delete"):
        world.library.delete(media_id)
        world.publishing.reconcile(media_id)
    # Each of these is paid for as an invalidation.
    assert world.media(media_id).status is MediaStatus.DELETED
    assert len(world.publisher.deleted) == REQUESTS["delete"]["count"]["invalidations"]


def test_documents_are_as_large_as_assumed(world: World):
    sizes = steps()["documents"]
    job = world.judged(Suggestion.REVIEW)
    media = world.media(job.media_id)
    event = max(world.store.outbox, key=lambda event: len(event.model_dump_json()))
    for kind, document in (("media", media), ("event", event)):
        assert len(document.model_dump_json()) / 1000 == pytest.approx(sizes[kind], rel=0.5), kind
