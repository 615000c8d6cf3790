"""A person decides."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.event import MediaStatusChanged
from moderation.models.job import JobError
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.services.review import Decide
from tests.builders import MEDIA_ID
from tests.world import World


def test_a_decision_is_kept_followed_and_told(world: World) -> None:
    # GIVEN a media that waits for a person
    job = world.judged(Suggestion.REVIEW)
    revision = world.media(job.media_id).revision
    # WHEN one decides
    decide = Decide(media_id=job.media_id, decision="normal", reason="museum", comment="a painting")
    review = world.reviewing.decide(decide, "ada")
    # THEN the media follows, under that person's name
    media = world.media(job.media_id)
    assert (media.status, media.decided_by, media.revision) == (MediaStatus.NORMAL, "ada", revision + 1)
    assert (review.reviewer, review.reason, review.comment, review.revision) == (
        "ada",
        "museum",
        "a painting",
        media.revision,
    )
    assert world.reviewing.history(job.media_id) == [review]
    told = world.store.outbox[-1]
    assert isinstance(told, MediaStatusChanged)
    assert (told.decided_by, told.status, told.job_id) == ("person", MediaStatus.NORMAL, job.job_id)


def test_history_keeps_every_decision_oldest_first(world: World) -> None:
    media_id = world.judged(Suggestion.REVIEW).media_id
    for reviewer, decision in [("ada", "blocked"), ("bob", "normal"), ("cyd", "normal")]:
        world.decide(media_id, decision, reviewer)
        world.clock.advance(timedelta(minutes=1))
    history = world.reviewing.history(media_id)
    assert [(r.reviewer, r.decision) for r in history] == [("ada", "blocked"), ("bob", "normal"), ("cyd", "normal")]
    # a decision that changes nothing is on record, but makes no new revision and no event
    assert history[2].revision == history[1].revision
    assert len(world.events("Media Status Changed")) == 3
    assert world.media(media_id).decided_by == "cyd"


def test_the_queue_holds_what_waits_for_a_person_the_worst_first(world: World) -> None:
    # GIVEN verdicts one after the other, some of media that play before their verdict
    suggested = [
        (Suggestion.REVIEW, "standard_pre"),
        (Suggestion.PASS, "standard_pre"),
        (Suggestion.BLOCK, "standard_post"),
        (Suggestion.REVIEW, "standard_post"),
        (Suggestion.BLOCK, "standard_pre"),
    ]
    ids = []
    for suggestion, procedure in suggested:
        ids.append(world.judged(suggestion, procedure=procedure).media_id)
        world.clock.advance(timedelta(minutes=1))

    def queue(limit: int = 10) -> list[int]:
        return [ids.index(media.media_id) for media in world.reviewing.queue(limit)]

    assert queue() == [2, 4, 0, 3]
    assert queue(3) == [2, 4, 0]
    # WHEN a person decides, or deletes it
    world.decide(ids[2], "normal")
    world.library.delete(ids[4])
    # THEN it waits no more, whatever the machine says afterwards
    assert queue() == [0, 3]


def test_what_blocks_by_itself_waits_for_nobody_and_what_failed_does(tmp_path: Path) -> None:
    world = World(tmp_path, auto_block=True)
    world.judged(Suggestion.BLOCK)
    assert world.reviewing.queue(10) == []
    job = world.checking()
    world.settlement.failed(job, JobError(code="timeout", message=""))
    assert [(media.media_id, media.waits) for media in world.reviewing.queue(10)] == [(job.media_id, "review")]


def test_a_decision_that_agrees_with_the_machine_still_binds_it(world: World) -> None:
    job = world.judged(Suggestion.PASS)
    world.decide(job.media_id, "normal")
    assert world.media(job.media_id).decided_by == "ada"


def refused(world: World) -> str:
    job = world.checking()
    world.settlement.refused(job, JobError(code="no_frames", message="no"))
    return job.media_id


def deleted(world: World) -> str:
    media_id = world.checking().media_id
    world.library.delete(media_id)
    return media_id


@pytest.mark.parametrize("make", [lambda world: world.sign(), refused, deleted])
@pytest.mark.parametrize("decision", ["normal", "blocked"])
def test_what_has_no_frames_to_look_at_cannot_be_decided_on(
    world: World, make: Callable[[World], str], decision: str
) -> None:
    media_id = make(world)
    with pytest.raises(ModerationError) as refusal:
        world.decide(media_id, decision)
    assert refusal.value.code is ErrorCode.CONFLICT
    assert refusal.value.details == {"status": world.media(media_id).status}
    assert world.reviewing.history(media_id) == []


def test_of_two_at_once_the_slower_looks_again(world: World) -> None:
    media_id = world.judged(Suggestion.REVIEW).media_id
    world.store.before_save = lambda: world.decide(media_id, "blocked", "bob")
    with pytest.raises(ModerationError) as refusal:
        world.decide(media_id, "normal", "ada")
    assert refusal.value.code is ErrorCode.CONFLICT
    assert [review.reviewer for review in world.reviewing.history(media_id)] == ["bob"]
    assert world.media(media_id).status is MediaStatus.BLOCKED


def test_a_media_of_nobody(world: World) -> None:
    with pytest.raises(ModerationError) as refusal:
        world.decide("0" * 32, "normal")
    assert refusal.value.code is ErrorCode.MEDIA_NOT_FOUND


@pytest.mark.parametrize(
    ("field", "most", "too_much"),
    [
        ("reason", "é" * 64, "é" * 64 + "a"),
        ("comment", "é" * 256, "é" * 256 + "a"),
        ("decision", "normal", "deleted"),
        ("media_id", MEDIA_ID, MEDIA_ID.upper()),
    ],
)
def test_limits(field: str, most: str, too_much: str) -> None:
    valid = {"media_id": MEDIA_ID, "decision": "normal"}
    Decide.model_validate(valid | {field: most})
    with pytest.raises(ValidationError):
        Decide.model_validate(valid | {field: too_much})


def test_nobody_decides_on_a_file_before_it_is_known_to_be_a_video(world: World) -> None:
    # GIVEN a media whose plan has neither accepted nor refused the file
    job = world.checking()
    # WHEN a person wants it to play
    with pytest.raises(ModerationError) as error:
        world.decide(job.media_id, "normal")
    # THEN that has to wait, and nothing has changed
    assert error.value.code is ErrorCode.CONFLICT
    assert world.media(job.media_id).decided_by is None
