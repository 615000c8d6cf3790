"""What people do after the machine: decide, give feedback, moderate again, delete."""

import base64
from pathlib import Path

import httpx
import pytest

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.models.media import MediaStatus
from moderation.services.feedback import GiveFeedback
from moderation.services.media import MediaView
from tests import clips
from tests.local_stack import Bus, faulty
from tests.stored import execution, item_kinds, object_keys, wait_for_file, wait_until_settled


def _moderated(api: Api, file: Path, procedure: str = "standard_pre") -> str:
    """The id of a media of one's own, with its verdict."""
    media_id = api.upload(file, procedure=procedure)
    api.wait(media_id, timeout=60)
    return media_id


def _again(api: Api, media_id: str, template: str | None = None) -> MediaView:
    job = api.moderate_again(media_id, template)
    return api.wait(
        media_id, 60, lambda view: view.job is not None and view.job.job_id == job.job_id and view.job.state == "FINISH"
    )


def test_a_person_overrides_the_machine_until_they_decide_again(api: Api, stack: Stack, bus: Bus) -> None:
    # GIVEN a clip that the machine would have reviewed
    media_id = _moderated(api, clips.code())

    # WHEN a person lets it play
    assert api.media(media_id).media.waits == "review"
    allowed = api.review(media_id, "normal", reason="our own code", comment="checked by hand")
    api.wait(media_id, 30, lambda view: view.playable)
    assert media_id not in {media.media_id for media in api.queue(50)}

    # THEN it plays, also after the machine has said the same again
    url = api.playback(media_id).url
    assert httpx.get(url).content == clips.code().read_bytes()
    view = _again(api, media_id)
    assert view.job is not None
    assert view.job.verdict is not None
    assert (view.job.verdict.suggestion, view.media.status, view.playable) == ("review", MediaStatus.NORMAL, True)
    assert httpx.get(url).status_code == 200

    # WHEN a person blocks it
    blocked = api.review(media_id, "blocked", reason="changed my mind")
    wait_until_settled(stack, bus, media_id, "blocked")

    # THEN there is no new URL, and the one given out before no longer works
    with pytest.raises(ApiError) as refused:
        api.playback(media_id)
    assert (refused.value.status, refused.value.code) == (403, "not_playable")
    assert refused.value.details["status"] == "blocked"
    assert httpx.get(url).status_code == 404
    assert object_keys(stack, "Playback", media_id) == []

    # AND a machine that finds nothing does not undo it
    view = _again(api, media_id, "default")
    assert view.job is not None
    assert view.job.verdict is not None
    assert (view.job.verdict.suggestion, view.media.status, view.playable) == ("pass", MediaStatus.BLOCKED, False)

    # AND the history tells of both
    history = api.reviews(media_id)
    assert history == [allowed, blocked]
    assert [(r.decision, r.reason, r.comment) for r in history] == [
        ("normal", "our own code", "checked by hand"),
        ("blocked", "changed my mind", ""),
    ]
    assert history[0].reviewer == history[1].reviewer == stack.outputs["ClientId"]
    assert [e["detail"]["status"] for e in bus.of(media_id) if e["detail-type"] == "Media Status Changed"] == [
        "reviewing",
        "normal",
        "blocked",
    ]
    assert bus.wait_for(media_id, "Media Status Changed", status="blocked")["detail"]["decided_by"] == "person"


def test_another_template_judges_the_same_file_anew(api: Api, stack: Stack) -> None:
    # GIVEN a clip with a code, that a template which asks about codes holds back
    media_id = _moderated(api, clips.code())
    first = api.media(media_id)
    assert first.job is not None
    assert first.media.status is MediaStatus.REVIEWING

    # WHEN one that does not ask about them moderates it
    second = _again(api, media_id, "default")
    assert second.job is not None
    api.wait(media_id, 30, lambda view: view.playable)

    # THEN it plays, and both jobs are there to be seen
    assert httpx.get(api.playback(media_id).url).content == clips.code().read_bytes()
    jobs = [api.job(job.job_id) for job in (first.job, second.job)]
    assert [(job.template.name, job.verdict and job.verdict.suggestion) for job in jobs] == [
        ("standard", "review"),
        ("default", "pass"),
    ]
    assert jobs[0].identity == jobs[1].identity == second.media.identity

    with pytest.raises(ApiError) as unknown:
        api.moderate_again(media_id, "no_such_template")
    assert (unknown.value.status, unknown.value.code) == (400, "unknown_template")


def test_feedback_keeps_what_the_frames_looked_like(api: Api, with_code: MediaView) -> None:
    media_id = with_code.media.media_id

    given = api.give_feedback(
        GiveFeedback(
            media_id=media_id,
            kind="false_positive",
            label="ad",
            sub_label="qrcode",
            start=clips.CODE_FROM,
            end=clips.CODE_TO,
            comment="it is ours",
        )
    )

    assert with_code.job is not None
    assert given.job_id == with_code.job.job_id
    assert given.frames
    for frame in given.frames:
        assert clips.CODE_FROM - 1 <= frame.time <= clips.CODE_TO + 1
        assert frame.pdq is not None
        assert len(bytes.fromhex(frame.pdq)) == 32
        assert frame.embedding is not None
        assert len(base64.b64decode(frame.embedding)) == 2 * 1280
    assert given in api.feedback(media_id)
    with pytest.raises(ApiError) as unknown:
        api.give_feedback(GiveFeedback(media_id=media_id, job_id=f"{media_id}-0", kind="correct"))
    assert (unknown.value.status, unknown.value.code) == (404, "job_not_found")


def test_of_a_deleted_media_nothing_plays_and_nothing_is_kept(api: Api, stack: Stack, bus: Bus) -> None:
    # GIVEN a media that plays, with a cover, evidence, a decision and feedback
    media_id = api.upload(clips.code(), procedure="standard_pre", title="A prize", covers=[clips.picture()])
    view = api.wait(media_id, timeout=60)
    assert view.job is not None
    api.review(media_id, "normal")
    api.give_feedback(GiveFeedback(media_id=media_id, kind="correct"))
    api.wait(media_id, 30, lambda view: view.playable)
    url = api.playback(media_id).url
    places = {
        "Uploads": [f"media/{media_id}/"],
        "Results": [f"{kind}/{media_id}/" for kind in ("work", "traces", "evidence", "verdicts")],
        "Playback": [f"{media_id}/"],
    }
    for bucket, prefixes in places.items():
        for prefix in prefixes:
            assert object_keys(stack, bucket, prefix), prefix

    # WHEN it is deleted
    api.delete(media_id)
    wait_until_settled(stack, bus, media_id, "deleted")

    # THEN it does not play, and all that was made of it is gone
    assert httpx.get(url).status_code == 404
    with pytest.raises(ApiError) as refused:
        api.playback(media_id)
    assert (refused.value.status, refused.value.code) == (403, "not_playable")
    for bucket, prefixes in places.items():
        for prefix in prefixes:
            assert object_keys(stack, bucket, prefix) == [], prefix
    assert set(item_kinds(stack, media_id)) == {"META", "OUTBOX"}
    with pytest.raises(ApiError) as gone:
        api.job(view.job.job_id)
    assert (gone.value.status, gone.value.code) == (404, "job_not_found")
    assert (api.reviews(media_id), api.feedback(media_id)) == ([], [])
    # AND it says so, keeps nothing that was said of it, and stays so
    now = api.media(media_id)
    assert (now.media.status, now.playable, now.job, now.media.title) == (MediaStatus.DELETED, False, None, "")
    assert api.delete(media_id).status is MediaStatus.DELETED
    for revival in (lambda: api.review(media_id, "normal"), lambda: api.moderate_again(media_id)):
        with pytest.raises(ApiError) as refused:
            revival()
        assert (refused.value.status, refused.value.code) == (409, "conflict")


def test_a_delete_while_it_is_moderated_leaves_nothing_behind(api: Api, stack: Stack, bus: Bus, tmp_path: Path) -> None:
    # GIVEN a media whose frames have been looked at, in a moderation that waits before it writes down what it saw
    go_on, wrote = tmp_path / "go-on", tmp_path / "wrote"
    code = f"""
import time
from pathlib import Path

import real
from moderation.aws.objects import S3Objects

put = S3Objects.put


def late(self, key, body, content_type):
    Path({str(wrote)!r}).touch()
    while not Path({str(go_on)!r}).exists():
        time.sleep(0.05)
    put(self, key, body, content_type)


S3Objects.put = late
handler = real.handler
"""
    (tmp_path / "code").mkdir()
    with faulty(stack, "scan_frames", code, tmp_path / "code"):
        try:
            media_id = api.upload(clips.clean(), procedure="standard_pre")
            wait_for_file(wrote)
            job = api.media(media_id).job
            assert job is not None

            # WHEN it is deleted, and the moderation goes on
            api.delete(media_id)
            wait_until_settled(stack, bus, media_id, "deleted")
        finally:
            go_on.touch()
        execution(stack, job.job_id)

    # THEN it is as if there had been no media
    assert object_keys(stack, "Uploads", f"media/{media_id}/") == []
    assert [key for key in object_keys(stack, "Results", "") if media_id in key] == []
    assert set(item_kinds(stack, media_id)) == {"META", "OUTBOX"}
    assert api.media(media_id).media.status is MediaStatus.DELETED
