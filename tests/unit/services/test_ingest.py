"""A file has arrived: one identity, one job, whatever the events say."""

from itertools import permutations

import pytest

from moderation.models.errors import Transient
from moderation.models.job import JobError, JobState
from moderation.models.media import MediaStatus, cover_key, source_key
from moderation.models.notification import ArrivedObject
from moderation.models.verdict import Suggestion
from moderation.ports import Conflict
from moderation.services.ingest import Arrival
from tests.world import World, verdict


def test_a_file_becomes_a_media_and_a_job(world: World) -> None:
    # GIVEN a signed upload
    media_id = world.sign()
    # WHEN its file arrives
    item = world.bring(source_key(media_id), b"the video")
    assert world.ingest.arrived(item) is Arrival.STARTED
    # THEN the media has its identity, as the store says it, and a job that was started
    media = world.media(media_id)
    assert media.status is MediaStatus.CHECKING
    assert media.identity == world.uploads.identify(item.key, item.version_id)
    assert (media.identity.size, media.identity.checksum) == (9, media.identity.checksum)
    assert media.expires_at is None
    job = world.latest_job(media_id)
    assert (job.state, job.identity, job.mode) == (JobState.WAITING, media.identity, "pre")
    assert world.workflow.started == {job.job_id: media_id}
    # AND one event goes out
    (told,) = world.store.outbox
    assert (told.type, told.media_id, told.session_context) == ("Media Uploaded", media_id, "order-1")


def arrivals(world: World, key: str, bodies: int) -> list[ArrivedObject]:
    return [world.bring(key, f"version {number}".encode()) for number in range(bodies)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_first_version_wins_in_whatever_order_events_come(world: World, order: tuple[int, ...]) -> None:
    # GIVEN three versions under one key
    media_id = world.sign()
    items = arrivals(world, source_key(media_id), 3)
    # WHEN their events come in any order, each twice
    outcomes = [world.ingest.arrived(items[number]) for number in (*order, *order)]
    # THEN the first version is the media, the later ones are written down, and one job was started
    media = world.media(media_id)
    assert media.identity is not None
    assert media.identity.version_id == items[0].version_id
    assert sorted(media.later_versions) == sorted(f"{i.key}?versionId={i.version_id}" for i in items[1:])
    assert len(world.workflow.started) == len(world.store.jobs(media_id)) == 1
    assert outcomes.count(Arrival.STARTED) == 1
    assert len(world.events("Media Uploaded")) == 1


def test_a_later_version_is_told_apart_from_a_duplicate(world: World) -> None:
    media_id = world.sign()
    first, second = arrivals(world, source_key(media_id), 2)
    assert world.ingest.arrived(first) is Arrival.STARTED
    assert world.ingest.arrived(first) is Arrival.DUPLICATE
    assert world.ingest.arrived(second) is Arrival.LATER_VERSION


def test_later_versions_do_not_pile_up_without_end(world: World) -> None:
    media_id = world.sign()
    for item in arrivals(world, source_key(media_id), 120):
        world.ingest.arrived(item)
    assert len(world.media(media_id).later_versions) == 100


def test_a_finished_job_is_not_started_again(world: World) -> None:
    media_id = world.sign()
    item = world.bring(source_key(media_id))
    world.ingest.arrived(item)
    job = world.latest_job(media_id)
    world.settlement.judged(job, verdict(job, Suggestion.PASS))
    world.workflow.started.clear()
    assert world.ingest.arrived(item) is Arrival.DUPLICATE
    assert world.workflow.started == {}


def test_a_start_that_got_lost_is_made_up_for(world: World) -> None:
    # GIVEN a state machine that is out of reach when the file arrives
    media_id = world.sign()
    item = world.bring(source_key(media_id))
    world.workflow.losses = 1
    with pytest.raises(Transient):
        world.ingest.arrived(item)
    assert world.workflow.started == {}
    # WHEN the queue brings the event again
    assert world.ingest.arrived(item) is Arrival.DUPLICATE
    # THEN the one job runs
    assert world.workflow.started == {world.latest_job(media_id).job_id: media_id}
    assert len(world.store.jobs(media_id)) == 1


def test_of_two_at_once_one_finds_the_work_done(world: World) -> None:
    media_id = world.sign()
    item = world.bring(source_key(media_id))
    world.store.before_save = lambda: world.ingest.arrived(item)
    assert world.ingest.arrived(item) is Arrival.DUPLICATE
    assert len(world.workflow.started) == len(world.store.jobs(media_id)) == 1


def test_a_cover_that_arrives_with_its_video_is_not_lost(world: World) -> None:
    # GIVEN a cover whose event is taken in while that of the video is
    media_id = world.sign(covers=1)
    video, cover = world.bring(source_key(media_id)), world.bring(cover_key(media_id, 0))
    world.store.before_save = lambda: world.ingest.arrived(cover)
    # WHEN the video's goes on
    assert world.ingest.arrived(video) is Arrival.STARTED
    # THEN it has seen the cover
    assert list(world.latest_job(media_id).covers) == [0]


def test_who_is_overtaken_all_the_time_is_brought_again_by_the_queue(world: World) -> None:
    media_id = world.sign()

    def meddle() -> None:
        world.store.save(world.media(media_id))
        world.store.before_save = meddle

    world.store.before_save = meddle
    with pytest.raises(Conflict):
        world.ingest.arrived(world.bring(source_key(media_id)))
    assert world.workflow.started == {}


def test_covers_that_come_first_are_part_of_the_job(world: World) -> None:
    # GIVEN two covers, one of which comes before the video, twice over
    media_id = world.sign(covers=2)
    first, second = arrivals(world, cover_key(media_id, 1), 2)
    assert world.ingest.arrived(second) is Arrival.COVER_NOTED
    assert world.ingest.arrived(first) is Arrival.DUPLICATE
    assert world.media(media_id).status is MediaStatus.UPLOADING
    assert world.media(media_id).expires_at is not None
    # WHEN the video comes
    world.ingest.arrived(world.bring(source_key(media_id)))
    # THEN its job has the first version of that cover
    assert {n: c.version_id for n, c in world.latest_job(media_id).covers.items()} == {1: first.version_id}
    assert world.media(media_id).later_versions == (f"{second.key}?versionId={second.version_id}",)


def test_a_cover_that_comes_late_makes_one_more_job_that_decides(world: World) -> None:
    # GIVEN a media whose video came before its cover
    early = world.checking(covers=1)
    item = world.bring(cover_key(early.media_id, 0))
    # WHEN the cover comes, twice
    assert world.ingest.arrived(item) is Arrival.STARTED
    assert world.ingest.arrived(item) is Arrival.DUPLICATE
    # THEN one more job sees both, over the same identity
    late = world.latest_job(early.media_id)
    assert late.job_id != early.job_id
    assert late.identity == early.identity
    assert {n: c.version_id for n, c in late.covers.items()} == {0: item.version_id}
    assert set(world.workflow.started) == {early.job_id, late.job_id}
    # AND only its verdict counts
    world.settlement.judged(early, verdict(early, Suggestion.PASS))
    assert world.media(early.media_id).status is MediaStatus.CHECKING
    world.settlement.judged(late, verdict(late, Suggestion.REVIEW))
    assert world.media(early.media_id).status is MediaStatus.REVIEWING


def test_a_late_cover_of_a_refused_file_starts_nothing(world: World) -> None:
    job = world.checking(covers=1)
    world.settlement.refused(job, JobError(code="not_a_video", message="no"))
    world.ingest.arrived(world.bring(cover_key(job.media_id, 0)))
    assert world.media(job.media_id).status is MediaStatus.REFUSED
    assert set(world.workflow.started) == {job.job_id}


def test_a_cover_that_nobody_signed_is_foreign(world: World) -> None:
    media_id = world.sign(covers=1)
    assert world.ingest.arrived(world.bring(cover_key(media_id, 3))) is Arrival.FOREIGN_KEY
    assert world.media(media_id).version == 0


@pytest.mark.parametrize(
    "key",
    [
        "media/0f/source",
        "media/{id}/source/",
        "media/{id}/source2",
        "media/{id}/cover-10",
        "media/{id}/cover-",
        "media/{upper}/source",
        "x/media/{id}/source",
        "source",
        "media/{id}/source\n",
        "/media/{id}/source",
    ],
)
def test_keys_that_are_not_ours_are_left_alone(world: World, key: str) -> None:
    media_id = world.sign(covers=1)
    name = key.format(id=media_id, upper=f"{0xABC:032X}")
    assert world.ingest.arrived(world.bring(name)) is Arrival.FOREIGN_KEY
    assert world.media(media_id).version == 0


def test_a_file_of_nobody_is_left_alone(world: World) -> None:
    assert world.ingest.arrived(world.bring(source_key("0" * 32))) is Arrival.UNKNOWN_MEDIA
    gone = ArrivedObject(bucket="uploads", key=source_key(world.sign()), version_id="v")
    assert world.ingest.arrived(gone) is Arrival.UNKNOWN_MEDIA
    assert world.workflow.started == {}


def test_a_file_for_a_deleted_media_is_thrown_away(world: World) -> None:
    media_id = world.sign()
    world.library.delete(media_id)
    item = world.bring(source_key(media_id))
    assert world.ingest.arrived(item) is Arrival.UNKNOWN_MEDIA
    with pytest.raises(LookupError):
        world.uploads.first_version(item.key)
    assert world.media(media_id).status is MediaStatus.DELETED


def test_the_job_id_depends_on_nothing_but_its_inputs(world: World) -> None:
    first, second = world.checking(), world.checking()
    assert first.job_id != second.job_id
    assert first.job_id.startswith(f"{first.media_id}-")
    assert len(first.job_id) <= 80
