"""A URL for what may be played, and for nothing else."""

from collections.abc import Callable

import pytest

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.job import JobError
from moderation.models.verdict import Suggestion
from tests.builders import NOON
from tests.world import PLAYBACK_TTL, World


def refused(world: World) -> str:
    job = world.checking()
    world.settlement.refused(job, JobError(code="no_frames", message="no"))
    return job.media_id


def blocked(world: World) -> str:
    media_id = world.playing()
    world.decide(media_id, "blocked")
    return media_id


def deleted(world: World) -> str:
    media_id = world.playing()
    world.library.delete(media_id)
    return media_id


def decided_anew(world: World) -> str:
    media_id = blocked(world)
    world.decide(media_id, "normal")
    return media_id


def test_a_published_media_gets_a_url_for_a_while(world: World) -> None:
    media_id = world.playing()
    media = world.media(media_id)
    given = world.playback.url(media_id)
    assert str(media.published_key) in given.url
    assert given.expires_at == NOON + PLAYBACK_TTL
    assert f"Expires={int((NOON + PLAYBACK_TTL).timestamp())}" in given.url
    assert (given.media_id, given.content_type) == (media_id, "video/mp4")


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda world: world.sign(), "uploading"),
        (lambda world: world.checking().media_id, "checking"),
        (lambda world: world.judged(Suggestion.REVIEW).media_id, "reviewing"),
        (blocked, "blocked"),
        (refused, "refused"),
        (deleted, "deleted"),
        (lambda world: world.judged(Suggestion.PASS).media_id, "publishing"),  # normal, but the copy is not there yet
        (decided_anew, "publishing"),  # the copy at hand is of a decision that was taken back
    ],
)
def test_anything_else_does_not_play_and_says_why(world: World, make: Callable[[World], str], status: str) -> None:
    media_id = make(world)
    with pytest.raises(ModerationError) as refusal:
        world.playback.url(media_id)
    assert refusal.value.code is ErrorCode.NOT_PLAYABLE
    assert refusal.value.details == {"status": status}


def test_a_media_of_nobody(world: World) -> None:
    with pytest.raises(ModerationError) as refusal:
        world.playback.url("0" * 32)
    assert refusal.value.code is ErrorCode.MEDIA_NOT_FOUND
