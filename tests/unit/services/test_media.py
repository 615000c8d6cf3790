"""Look at media and jobs, moderate again, delete."""

from collections.abc import Callable

import pytest

from moderation.models.errors import ErrorCode, ModerationError, Transient
from moderation.models.job import Job, JobError, JobState
from moderation.models.media import MediaStatus, source_key
from moderation.models.template import Form
from moderation.models.verdict import Segment, Suggestion
from moderation.services.media import ModerateAgain
from moderation.services.work import Work
from tests.world import World, verdict


def judged_with_pictures(world: World) -> Job:
    """A job with two segments, of which one has a picture, and a file with all of them."""
    job = world.checking()
    work = Work(job.media_id, job.job_id)
    segments = tuple(
        Segment(
            start=0,
            end=1,
            form=Form.IMAGE,
            label="porn",
            sub_label="explicit",
            confidence=80,
            suggestion=Suggestion.REVIEW,
            detector="explicit",
            frames=1,
            picture=picture,
        )
        for picture in (work.evidence(0), None)
    )
    world.settlement.judged(
        job,
        verdict(job, Suggestion.REVIEW).model_copy(
            update={
                "segments": segments,
                "segments_file": work.verdict,
                "transcript_file": work.transcript,
            }
        ),
    )
    return world.store.job(job.job_id)


def test_a_media_is_shown_with_its_latest_job_and_urls_for_evidence(world: World) -> None:
    job = judged_with_pictures(world)
    work = Work(job.media_id, job.job_id)
    for key in (work.evidence(0), work.verdict, work.transcript):
        world.objects.put(key, key.encode(), "image/jpeg")
    view = world.library.view(job.media_id)
    assert (view.media, view.playable) == (world.media(job.media_id), False)
    assert view.job is not None
    assert view.job.verdict is not None
    shown, hidden = view.job.verdict.segments
    assert shown.picture is not None
    assert shown.picture.startswith("file://")
    assert hidden.picture is None
    assert str(view.job.verdict.segments_file).startswith("file://")
    assert str(view.job.verdict.transcript_file).startswith("file://")
    assert view.job.verdict.texts_file is None
    assert world.library.job(job.job_id) == view.job


def test_keys_stay_keys_in_the_table(world: World) -> None:
    job = judged_with_pictures(world)
    world.library.view(job.media_id)
    stored = world.store.job(job.job_id)
    assert stored.verdict is not None
    assert stored.verdict.segments[0].picture == Work(job.media_id, job.job_id).evidence(0)


def test_a_media_that_waits_or_is_deleted_is_shown_without_a_job(world: World) -> None:
    waiting = world.library.view(world.sign())
    assert (waiting.job, waiting.playable) == (None, False)
    media_id = world.playing()
    assert world.library.view(media_id).playable
    world.library.delete(media_id)
    world.publishing.reconcile(media_id)
    gone = world.library.view(media_id)
    assert (gone.media.status, gone.job, gone.playable) == (MediaStatus.DELETED, None, False)


def test_what_nobody_knows_is_told_so(world: World) -> None:
    with pytest.raises(ModerationError) as refusal:
        world.library.view("0" * 32)
    assert refusal.value.code is ErrorCode.MEDIA_NOT_FOUND
    with pytest.raises(ModerationError) as refusal:
        world.library.job("nonsense")
    assert refusal.value.code is ErrorCode.JOB_NOT_FOUND


def test_moderating_again_is_a_new_job_over_the_same_identity(world: World) -> None:
    # GIVEN a media that plays
    media_id = world.playing()
    first = world.latest_job(media_id)
    # WHEN it is moderated again, twice, with another template
    second = world.library.moderate_again(media_id, ModerateAgain(template="strict"))
    third = world.library.moderate_again(media_id, ModerateAgain(template="strict"))
    # THEN each is a job of its own over the same version
    assert len({first.job_id, second.job_id, third.job_id}) == 3
    assert {job.identity for job in (first, second, third)} == {first.identity}
    assert (second.state, second.template.name, first.template.name) == (JobState.WAITING, "strict", "standard")
    assert set(world.workflow.started) == {first.job_id, second.job_id, third.job_id}
    assert world.media(media_id).latest_job == third.job_id
    # AND it goes on playing until the verdict
    assert world.media(media_id).playable
    world.settlement.judged(third, verdict(third, Suggestion.REVIEW))
    assert not world.media(media_id).playable


def test_an_unknown_template_is_refused(world: World) -> None:
    job = world.judged(Suggestion.REVIEW)
    with pytest.raises(ModerationError) as refusal:
        world.library.moderate_again(job.media_id, ModerateAgain(template="missing"))
    assert refusal.value.code is ErrorCode.UNKNOWN_TEMPLATE
    assert len(world.store.jobs(job.media_id)) == 1


def test_what_has_no_file_or_was_refused_or_deleted_cannot_be_moderated(world: World) -> None:
    refused = world.checking()
    world.settlement.refused(refused, JobError(code="no_frames", message="no"))
    deleted = world.playing()
    world.library.delete(deleted)
    for media_id in (world.sign(), refused.media_id, deleted):
        with pytest.raises(ModerationError) as refusal:
            world.library.moderate_again(media_id, ModerateAgain())
        assert refusal.value.code is ErrorCode.CONFLICT
        assert refusal.value.details == {"status": world.media(media_id).status}


def test_a_start_that_is_lost_is_taken_back(world: World) -> None:
    # GIVEN a state machine that is out of reach when somebody asks for another run
    job = world.checking()
    world.workflow.losses = 1
    with pytest.raises(Transient):
        world.library.moderate_again(job.media_id, ModerateAgain())
    # THEN no job is left open that will never run
    lost = next(each for each in world.store.jobs(job.media_id) if each.job_id != job.job_id)
    assert lost.state is JobState.ABORTED
    assert lost.error is not None
    # AND the verdict of the first run counts
    world.settlement.judged(job, verdict(job, Suggestion.PASS))
    assert world.media(job.media_id).status is MediaStatus.NORMAL


def test_a_verdict_that_came_while_a_start_was_lost_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a run that ends while the next one is asked for, which then cannot be started
    job = world.checking()
    world.settlement.accepted(job, "video/mp4")

    def out_of_reach(media_id: str, job_id: str) -> None:
        world.settlement.judged(job, verdict(job, Suggestion.PASS))
        raise Transient("the state machine is out of reach")

    monkeypatch.setattr(world.workflow, "start", out_of_reach)
    with pytest.raises(Transient):
        world.library.moderate_again(job.media_id, ModerateAgain())
    # THEN its verdict is followed all the same
    media = world.media(job.media_id)
    assert (media.status, media.latest_job) == (MediaStatus.NORMAL, job.job_id)


def test_deleting_stops_playback_at_once_and_is_told_once(world: World) -> None:
    media_id = world.playing()
    for _ in range(2):
        deleted = world.library.delete(media_id)
        assert (deleted.status, deleted.title, deleted.file_name) == (MediaStatus.DELETED, "", "deleted")
    assert not world.media(media_id).playable
    told = [event for event in world.events("Media Status Changed") if getattr(event, "status", "") == "deleted"]
    assert len(told) == 1


def test_a_media_that_never_got_its_file_can_be_deleted(world: World) -> None:
    media_id = world.sign()
    world.library.delete(media_id)
    assert world.ingest.arrived(world.bring(source_key(media_id))) == "unknown_media"


CALLS: list[Callable[[World, str], object]] = [
    lambda world, media_id: world.library.delete(media_id),
    lambda world, media_id: world.library.moderate_again(media_id, ModerateAgain()),
]


@pytest.mark.parametrize("call", CALLS)
def test_who_is_overtaken_is_told_to_try_again(world: World, call: Callable[[World, str], object]) -> None:
    media_id = world.playing()
    world.store.before_save = lambda: world.decide(media_id, "blocked")
    with pytest.raises(ModerationError) as refusal:
        call(world, media_id)
    assert refusal.value.code is ErrorCode.CONFLICT
    assert world.media(media_id).status is MediaStatus.BLOCKED


@pytest.mark.parametrize("call", CALLS)
def test_a_media_of_nobody(world: World, call: Callable[[World, str], object]) -> None:
    with pytest.raises(ModerationError) as refusal:
        call(world, "0" * 32)
    assert refusal.value.code is ErrorCode.MEDIA_NOT_FOUND
