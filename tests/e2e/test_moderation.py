"""From an uploaded file to whether it plays: both modes, sound, covers, and files that are refused."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.models.job import JobState
from moderation.models.media import MediaStatus
from moderation.models.template import Form
from moderation.models.verdict import Suggestion, Verdict
from moderation.services.media import MediaView
from moderation.services.upload import CoverRequest, PostForm, SignUpload
from tests import clips
from tests.local_stack import Bus, faulty, held
from tests.stored import object_keys, wait_until_settled

Clip = Callable[[], Path]


def _verdict(view: MediaView) -> Verdict:
    assert view.job is not None
    assert view.job.verdict is not None
    return view.job.verdict


def _refusal(api: Api, media_id: str) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as refused:
        api.playback(media_id)
    return refused.value.status, refused.value.code, refused.value.details["status"]


def test_pre_a_clean_clip_plays_after_its_verdict_and_not_before(api: Api, stack: Stack, tmp_path: Path) -> None:
    # GIVEN a moderation that waits before it looks
    with held(stack, "scan_frames", tmp_path) as go_on:
        media_id = api.upload(clips.clean(), procedure="standard_pre")
        view = api.wait(media_id, timeout=60, until=lambda view: view.job is not None and view.job.state != "WAITING")

        # THEN the media waits with it
        assert (view.media.status, view.playable) == (MediaStatus.CHECKING, False)
        assert _refusal(api, media_id) == (403, "not_playable", "checking")
        assert object_keys(stack, "Playback", media_id) == []

        # WHEN it goes on
        go_on()
        view = api.wait(media_id, timeout=60, until=lambda view: view.playable)

    # THEN the clip passed, wholly looked at, and plays
    verdict = _verdict(view)
    assert view.media.status is MediaStatus.NORMAL
    assert (verdict.suggestion, verdict.segments, verdict.reasons) == (Suggestion.PASS, (), ())
    assert verdict.coverage.complete
    assert verdict.coverage.frames_scored == verdict.coverage.frames_planned > 0
    assert httpx.get(api.playback(media_id).url).status_code == 200


def test_what_plays_is_what_was_moderated_and_only_by_its_signed_url(api: Api, passed: MediaView) -> None:
    signed = api.playback(passed.media.media_id)

    # the very bytes, with the type that the probe found, for a bounded time
    played = httpx.get(signed.url)
    assert played.content == clips.clean().read_bytes()
    assert played.headers["content-type"] == signed.content_type == "video/mp4"
    assert timedelta(0) < signed.expires_at - datetime.now(UTC) <= timedelta(minutes=10)

    # without the signature, with another one, for another file or for a longer time: nothing
    bare = urlsplit(signed.url)._replace(query="").geturl()
    assert httpx.get(bare).status_code == 403
    assert httpx.get(signed.url[:-4] + "0000").status_code == 403
    assert httpx.get(signed.url.replace(passed.media.media_id, "0" * 32)).status_code == 403
    assert "X-Amz-Expires=" in signed.url
    assert httpx.get(signed.url.replace("X-Amz-Expires=", "X-Amz-Expires=9")).status_code == 403


def test_pre_a_clip_with_a_code_waits_for_a_person(api: Api, stack: Stack, bus: Bus, with_code: MediaView) -> None:
    media_id, verdict = with_code.media.media_id, _verdict(with_code)
    wait_until_settled(stack, bus, media_id, "reviewing")

    assert (with_code.media.status, with_code.playable) == (MediaStatus.REVIEWING, False)
    assert _refusal(api, media_id) == (403, "not_playable", "reviewing")
    assert object_keys(stack, "Playback", media_id) == []
    assert (verdict.suggestion, verdict.form, verdict.label, verdict.sub_label) == ("review", "code", "ad", "qrcode")
    (segment,) = verdict.segments
    assert segment.text == clips.CODE_TEXT
    assert segment.start == pytest.approx(clips.CODE_FROM, abs=0.1)
    assert segment.end == pytest.approx(clips.CODE_TO, abs=0.2)
    assert segment.area is not None
    assert segment.area.left == pytest.approx(20 / 320, abs=0.08)


@pytest.mark.parametrize("procedure", ["standard_pre", "standard_post"])
@pytest.mark.parametrize("file", [clips.text, clips.playlist])
def test_what_is_no_video_is_refused_in_either_mode(
    api: Api, stack: Stack, bus: Bus, file: Clip, procedure: str
) -> None:
    view = api.wait(api.upload(file(), procedure=procedure), timeout=60)

    assert view.job is not None
    assert view.job.error is not None
    assert (view.media.status, view.playable) == (MediaStatus.REFUSED, False)
    assert (view.job.state, view.job.outcome, view.job.error.code) == (JobState.FINISH, "refused", "not_a_video")
    assert view.job.verdict is None
    assert _refusal(api, view.media.media_id) == (403, "not_playable", "refused")
    wait_until_settled(stack, bus, view.media.media_id, "refused")
    assert object_keys(stack, "Playback", view.media.media_id) == []
    with pytest.raises(ApiError) as undecided:
        api.review(view.media.media_id, "normal")
    assert (undecided.value.status, undecided.value.code) == (409, "conflict")


def test_post_a_clip_plays_before_its_verdict_and_after_it(api: Api, stack: Stack, tmp_path: Path) -> None:
    # GIVEN a clip to be listed for review, in a moderation that waits before it looks
    with held(stack, "scan_frames", tmp_path) as go_on:
        media_id = api.upload(clips.code(), procedure="standard_post")
        view = api.wait(media_id, timeout=60, until=lambda view: view.playable)

        # THEN it plays meanwhile
        assert view.job is not None
        assert (view.media.status, view.job.state) == (MediaStatus.NORMAL, JobState.PROCESSING)
        url = api.playback(media_id).url
        assert httpx.get(url).content == clips.code().read_bytes()

        # WHEN the verdict comes
        go_on()
        view = api.wait(media_id, timeout=60)

    # THEN it says review, and the clip plays on, by the same URL
    assert _verdict(view).suggestion is Suggestion.REVIEW
    assert (view.media.status, view.playable) == (MediaStatus.NORMAL, True)
    assert httpx.get(url).status_code == 200


@pytest.mark.parametrize("file", [clips.speech, clips.spoken])
def test_speech_is_heard_written_down_and_judged(api: Api, file: Clip) -> None:
    # WHEN a speech is moderated, with pictures or without
    view = api.wait(api.upload(file(), procedure="standard_pre", title="A speech"), timeout=120)

    # THEN it passes, having been heard from beginning to end
    verdict = _verdict(view)
    assert (verdict.suggestion, verdict.segments, verdict.reasons) == (Suggestion.PASS, (), ())
    assert verdict.coverage.sound_heard_seconds == pytest.approx(verdict.coverage.sound_seconds, abs=0.5)
    assert 6 < verdict.coverage.speech_seconds < 11
    assert verdict.coverage.texts_read >= 2
    # AND what was said can be read, for a while, with its times
    said, _ = api.captions(view)
    assert said.startswith("WEBVTT\n\n00:00:0")
    assert clips.SPOKEN_WORDS in " ".join(said.split())
    assert httpx.get(urlsplit(verdict.transcript_file or "")._replace(query="").geturl()).status_code == 403


BREAKS = "def handler(event, context):\n    raise ValueError('there is a mistake in this step')\n"


@pytest.mark.parametrize(
    ("step", "reasons"),
    [("scan_audio", ("detector_failed", "sound_not_heard")), ("scan_text", ("detector_failed", "text_not_read"))],
)
def test_what_nobody_heard_or_read_is_a_reason_for_review(
    api: Api, stack: Stack, tmp_path: Path, step: str, reasons: tuple[str, ...]
) -> None:
    with faulty(stack, step, BREAKS, tmp_path):
        view = api.wait(api.upload(clips.speech(), procedure="standard_pre", title="A speech"), timeout=120)

    verdict = _verdict(view)
    assert view.media.status is MediaStatus.REVIEWING
    assert (verdict.suggestion, verdict.segments, verdict.reasons) == (Suggestion.REVIEW, (), reasons)


def test_sound_without_speech_or_anything_else_passes(api: Api) -> None:
    view = api.wait(api.upload(clips.with_sound(), procedure="standard_pre"), timeout=60)

    verdict = _verdict(view)
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.PASS, ())
    assert verdict.coverage.sound_heard_seconds == pytest.approx(3, abs=0.5)
    assert verdict.transcript_file is None


@pytest.mark.parametrize(
    ("covers", "suggestion", "found", "reasons"),
    [
        ([clips.picture], "pass", None, ()),
        ([clips.picture, clips.code_picture], "review", (Form.COVER, "ad", "qrcode", 1), ()),
        ([clips.broken_picture], "review", None, ("cover_not_looked_at",)),
    ],
    ids=["clean", "code", "broken"],
)
def test_covers_are_moderated_with_their_video(
    api: Api,
    covers: Sequence[Clip],
    suggestion: str,
    found: tuple[Form, str, str, int] | None,
    reasons: tuple[str, ...],
) -> None:
    pictures = [cover() for cover in covers]
    view = api.wait(api.upload(clips.clean(), procedure="standard_pre", covers=pictures), timeout=60)

    verdict = _verdict(view)
    assert (verdict.suggestion, verdict.reasons) == (suggestion, reasons)
    assert [(s.form, s.label, s.sub_label, s.cover) for s in verdict.segments] == ([found] if found else [])
    assert verdict.coverage.covers_planned == len(covers)
    assert verdict.coverage.covers_scanned == len(covers) - len(reasons)
    for segment in verdict.segments:
        assert httpx.get(segment.picture or "").headers["content-type"] == "image/jpeg"


def test_a_cover_that_comes_late_is_waited_for_by_a_second_job(api: Api) -> None:
    # GIVEN a clean clip that was moderated without its cover
    clip, cover = clips.clean(), clips.picture()
    signed = api.sign(
        SignUpload(
            file_name=clip.name,
            content_type="video/mp4",
            size=clip.stat().st_size,
            procedure="standard_pre",
            covers=(CoverRequest(content_type="image/jpeg", size=cover.stat().st_size),),
        )
    )
    assert isinstance(signed.upload, PostForm)
    api.post(signed.upload.url, signed.upload.fields, clip)
    first = api.wait(signed.media_id, timeout=60)
    assert _verdict(first).reasons == ("cover_not_looked_at",)
    assert first.media.status is MediaStatus.REVIEWING

    # WHEN the cover arrives
    api.post(signed.covers[0].url, signed.covers[0].fields, cover)
    last = api.wait(signed.media_id, timeout=60, until=lambda view: view.playable)

    # THEN another job has seen both
    assert first.job is not None
    assert last.job is not None
    assert last.job.job_id != first.job.job_id
    assert _verdict(last).suggestion is Suggestion.PASS
