"""The playback bucket follows what was decided."""

import pytest

from moderation.models.errors import Transient
from moderation.models.job import Job
from moderation.models.media import MediaStatus, cover_key, source_key
from moderation.models.verdict import Suggestion
from moderation.ports import Conflict, NotFound
from moderation.services.publish import ATTEMPTS, Published, playback_key
from moderation.services.work import Work
from tests.builders import MEDIA_ID, identity
from tests.world import World, verdict


def test_a_normal_media_is_copied_then_marked(world: World) -> None:
    # GIVEN a media that may play
    job = world.judged(Suggestion.PASS)
    states: list[bool] = []
    world.publisher.during_copy = lambda: states.append(world.media(job.media_id).playable)
    # WHEN it is published
    assert world.publishing.reconcile(job.media_id) is Published.COPIED
    # THEN it became playable after the copy was there, not before
    assert states == [False]
    media = world.media(job.media_id)
    assert media.playable
    # AND the copy is of the moderated version, with the content type of the probe
    assert world.publisher.stored == {media.published_key: (job.identity, "video/mp4")}


def test_the_key_names_media_version_and_decision() -> None:
    key = playback_key(identity("a/b+c=?"), MEDIA_ID, 7)
    assert key == f"{MEDIA_ID}/YS9iK2M9Pw/7"
    assert len({key, playback_key(identity("other"), MEDIA_ID, 7), playback_key(identity("a/b+c=?"), MEDIA_ID, 8)}) == 3


def test_publishing_again_changes_nothing(world: World) -> None:
    media_id = world.playing()
    before = world.media(media_id)
    assert world.publishing.reconcile(media_id) is Published.UNCHANGED
    assert world.media(media_id) == before
    assert world.publisher.deleted == []


@pytest.mark.parametrize("suggestion", [Suggestion.REVIEW, Suggestion.BLOCK])
def test_what_is_not_normal_is_not_copied(world: World, suggestion: Suggestion) -> None:
    job = world.judged(suggestion)
    assert world.publishing.reconcile(job.media_id) is Published.UNCHANGED
    assert world.publisher.stored == {}


def test_a_media_of_nobody_is_left_alone(world: World) -> None:
    assert world.publishing.reconcile("0" * 32) is Published.UNCHANGED
    assert world.publishing.reconcile(world.sign()) is Published.UNCHANGED


def test_blocking_removes_the_copy(world: World) -> None:
    media_id = world.playing()
    key = world.media(media_id).published_key
    world.decide(media_id, "blocked")
    assert not world.media(media_id).playable  # at once, before the publisher gets to it
    assert world.publishing.reconcile(media_id) is Published.REMOVED
    assert world.publisher.stored == {}
    assert key in world.publisher.deleted
    assert world.media(media_id).published_key is None
    assert world.publishing.reconcile(media_id) is Published.UNCHANGED


@pytest.mark.parametrize("way", ["blocked", "deleted"])
def test_a_copy_that_was_overtaken_is_deleted(world: World, way: str) -> None:
    # GIVEN somebody who blocks or deletes the media while the copy runs
    job = world.judged(Suggestion.PASS)

    def overtake() -> None:
        if way == "blocked":
            world.decide(job.media_id, "blocked")
        else:
            world.library.delete(job.media_id)

    world.publisher.during_copy = overtake
    # WHEN it is published
    assert world.publishing.reconcile(job.media_id) is Published.OVERTAKEN
    # THEN no copy is left, and the event of the other decision finds nothing wrong
    assert world.publisher.stored == {}
    assert not world.media(job.media_id).playable
    world.publishing.reconcile(job.media_id)
    assert world.publisher.stored == {}
    assert not world.media(job.media_id).playable


def test_a_decision_that_changes_twice_during_the_copy_gets_a_copy_of_its_own(world: World) -> None:
    job = world.judged(Suggestion.PASS)

    def back_and_forth() -> None:
        world.decide(job.media_id, "blocked")
        world.publishing.reconcile(job.media_id)
        world.decide(job.media_id, "normal")
        world.publishing.reconcile(job.media_id)

    world.publisher.during_copy = back_and_forth
    assert world.publishing.reconcile(job.media_id) is Published.OVERTAKEN
    media = world.media(job.media_id)
    assert media.playable
    assert list(world.publisher.stored) == [media.published_key]
    assert str(media.published_key).endswith(f"/{media.revision}")


def test_a_second_normal_replaces_the_first_copy(world: World) -> None:
    # GIVEN a media that was blocked and unblocked before the publisher heard of it
    media_id = world.playing()
    first = world.media(media_id).published_key
    world.decide(media_id, "blocked")
    world.decide(media_id, "normal")
    assert not world.media(media_id).playable
    # WHEN it does
    assert world.publishing.reconcile(media_id) is Published.COPIED
    # THEN there is one copy, under a new key
    media = world.media(media_id)
    assert media.published_key != first
    assert list(world.publisher.stored) == [media.published_key]
    assert media.playable


def test_a_write_beside_the_copy_is_kept(world: World) -> None:
    # GIVEN another writer that changes no decision, such as a later version
    job = world.judged(Suggestion.PASS)
    later = world.bring(source_key(job.media_id), b"another")
    world.publisher.during_copy = lambda: world.ingest.arrived(later)
    assert world.publishing.reconcile(job.media_id) is Published.COPIED
    media = world.media(job.media_id)
    assert media.playable
    assert len(media.later_versions) == 1
    assert [copied.version_id for copied, _ in world.publisher.stored.values()] == [job.identity.version_id]


def test_an_endless_race_is_given_up_for_now(world: World) -> None:
    job = world.judged(Suggestion.PASS)
    count = 0

    def meddle() -> None:
        nonlocal count
        count += 1
        world.store.save(world.media(job.media_id))
        world.store.before_save = meddle

    world.publisher.during_copy = lambda: setattr(world.store, "before_save", meddle)
    with pytest.raises(Conflict):
        world.publishing.reconcile(job.media_id)
    assert count == ATTEMPTS
    assert not world.media(job.media_id).playable


def test_a_copy_that_fails_leaves_it_unplayable_and_may_be_tried_again(world: World) -> None:
    job = world.judged(Suggestion.PASS)

    def die() -> None:
        raise Transient("out of time")

    world.publisher.during_copy = die
    with pytest.raises(Transient):
        world.publishing.reconcile(job.media_id)
    assert not world.media(job.media_id).playable
    assert world.publishing.reconcile(job.media_id) is Published.COPIED
    assert len(world.publisher.stored) == 1


def with_everything(world: World) -> Job:
    """A playing media with a cover, results, a review and feedback."""
    media_id = world.sign(covers=1)
    world.ingest.arrived(world.bring(cover_key(media_id, 0)))
    world.ingest.arrived(world.bring(source_key(media_id)))
    job = world.latest_job(media_id)
    world.settlement.accepted(job, "video/mp4")
    work = Work(media_id, job.job_id)
    for key in (work.plan, work.frames(0), work.trace(0), work.evidence(0), work.verdict):
        world.objects.put(key, b"x", "text/plain")
    world.settlement.judged(job, verdict(job, Suggestion.PASS))
    world.decide(media_id, "normal")
    world.publishing.reconcile(media_id)
    return job


def test_deleting_purges_everything_and_nothing_else(world: World) -> None:
    # GIVEN two media with all that belongs to them
    gone, stays = with_everything(world), with_everything(world)
    # WHEN one is deleted
    world.library.delete(gone.media_id)
    assert not world.media(gone.media_id).playable
    assert world.publishing.reconcile(gone.media_id) is Published.PURGED
    # THEN its original, covers, copies, results, jobs and reviews are gone
    assert all(gone.media_id not in key for key in world.objects.content_types())
    assert all(gone.media_id not in key for key in world.publisher.stored)
    for key in (source_key(gone.media_id), cover_key(gone.media_id, 0)):
        with pytest.raises(NotFound):
            world.uploads.first_version(key)
    assert world.store.jobs(gone.media_id) == []
    assert world.store.reviews(gone.media_id) == []
    assert world.media(gone.media_id).status is MediaStatus.DELETED
    # AND the other is untouched
    assert world.media(stays.media_id).playable
    assert sum(stays.media_id in key for key in world.objects.content_types()) == 5
    assert world.store.reviews(stays.media_id) != []
    # AND again is fine
    assert world.publishing.reconcile(gone.media_id) is Published.PURGED


@pytest.mark.parametrize("decisions", [["deleted"], ["blocked"], ["blocked", "normal"]])
def test_a_copy_whose_maker_died_does_not_outlive_the_next_decision(world: World, decisions: list[str]) -> None:
    # GIVEN a publisher that died after the copy, and a media decided anew before it was tried again
    job = world.judged(Suggestion.PASS)

    def die() -> None:
        raise Transient("out of time")

    world.publisher.during_copy = die
    with pytest.raises(Transient):
        world.publishing.reconcile(job.media_id)
    (abandoned,) = world.publisher.stored
    for decision in decisions:
        if decision == "deleted":
            world.library.delete(job.media_id)
        else:
            world.decide(job.media_id, decision)
    # WHEN that is followed
    world.publishing.reconcile(job.media_id)
    # THEN that copy is gone, and what plays is another
    assert abandoned not in world.publisher.stored
    assert len(world.publisher.stored) == int(world.media(job.media_id).playable)


def test_a_copy_that_is_finished_late_is_removed_when_its_maker_is_called_again(world: World) -> None:
    # GIVEN a publisher that made the copy of an earlier decision after that of the present one, and died
    media_id = world.playing()
    first = world.media(media_id)
    for decision in ("blocked", "normal"):
        world.decide(media_id, decision)
        world.publishing.reconcile(media_id)
    assert first.identity is not None
    world.publisher.copy(first.identity, str(first.published_key), "video/mp4")
    # WHEN it is called again
    assert world.publishing.reconcile(media_id) is Published.UNCHANGED
    # THEN the present one is left
    assert list(world.publisher.stored) == [world.media(media_id).published_key]


def test_a_removal_that_races_with_a_write_is_carried_out_at_once(world: World) -> None:
    # GIVEN a media that plays until a person blocks it
    media_id = world.playing()
    world.decide(media_id, "blocked")

    # WHEN somebody writes between the publisher's read and its write
    def meddle() -> None:
        world.store.before_save = None
        world.store.save(world.media(media_id))

    world.store.before_save = meddle
    outcome = world.publishing.reconcile(media_id)
    # THEN the copy is gone all the same, and on record as gone
    assert outcome is Published.REMOVED
    assert world.media(media_id).published_key is None
