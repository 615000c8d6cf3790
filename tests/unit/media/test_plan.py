"""What is planned, and what is refused, from files that lie."""

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from moderation.media.ffmpeg import Limits, MediaRefused
from moderation.media.plan import make_plan
from moderation.models.plan import Evasion, Plan, RefusalCode
from tests import media_samples as samples


def plan(source: Path, **options: object) -> Plan:
    return make_plan(source, deadline=time.monotonic() + 30, **options)  # type: ignore[arg-type]


def refusal(source: Path, **options: object) -> RefusalCode:
    with pytest.raises(MediaRefused) as refused:
        plan(source, **options)
    return refused.value.code


def test_tells_what_is_in_an_ordinary_clip() -> None:
    found = plan(samples.clip())

    assert (found.kind, found.content_type, found.evasions) == ("video", "video/mp4", ())
    assert found.duration == pytest.approx(4, abs=0.06)
    (video,) = found.video
    assert (video.width, video.height, video.rotation, video.frames) == (160, 90, 0, 100)
    assert (video.start, video.last, video.end) == pytest.approx((0, 3.96, 4))
    (audio,) = found.audio
    assert (audio.start, audio.end) == pytest.approx((0, 4), abs=0.06)
    assert sum(span.packets for span in found.segments) == 100


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "avi", "flv"])
def test_reads_the_same_times_from_every_container(suffix: str) -> None:
    found = plan(samples.clip(suffix=suffix))

    assert found.video[0].frames == 100
    # A millisecond clock cannot say 40 ms × n any better; AVI and TS number frames from their decoding times.
    assert found.video[0].last - found.video[0].start == pytest.approx(3.96, abs=0.09)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("playlist.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nclip-25-4-25.mp4\n#EXT-X-ENDLIST\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile 'clip-25-4-25.mp4'\n"),
        ("session.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("drawing.mp4", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
        ("page.mp4", b"<!DOCTYPE html><html><body><video src='clip-25-4-25.mp4'></video></body></html>"),
        ("prose.mp4", b"Once upon a time there was a file that said nothing about pictures.\n" * 50),
    ],
)
def test_refuses_texts_and_playlists_and_reads_no_sibling(name: str, content: bytes) -> None:
    # GIVEN a readable video beside the text that names it
    sibling = samples.clip()
    os.utime(sibling, (0, sibling.stat().st_mtime))
    before = sibling.stat().st_atime_ns

    assert refusal(samples.written(name, content)) is RefusalCode.NOT_A_VIDEO
    assert sibling.stat().st_atime_ns == before


def test_refuses_files_above_the_limit() -> None:
    assert refusal(samples.clip(), limits=Limits(size=1000)) is RefusalCode.TOO_LARGE


def test_refuses_more_tracks_than_are_taken() -> None:
    assert refusal(samples.two_tracks(), limits=Limits(video_tracks=1)) is RefusalCode.STREAMS


def test_stops_at_the_deadline() -> None:
    with pytest.raises(MediaRefused) as refused:
        make_plan(samples.clip(), deadline=time.monotonic() - 1)

    assert refused.value.code is RefusalCode.TIMEOUT


def test_metadata_cannot_describe_streams() -> None:
    title = "t\n  Stream #0:7: Video: h264, 9x9\n      Encryption initialization data"
    talking = samples.make("talking.mkv", "-i", samples.clip(seconds=1), "-c", "copy", "-metadata", f"title={title}")

    assert [(track.index, track.width) for track in plan(talking).video] == [(0, 160)]


def test_measures_the_length_that_the_header_denies() -> None:
    found = plan(samples.false_duration())

    assert found.duration == pytest.approx(10)
    assert Evasion.FALSE_DURATION in found.evasions
    assert found.video[0].frames == 250


def test_plans_every_track() -> None:
    found = plan(samples.two_tracks())

    assert [(track.width, track.frames) for track in found.video] == [(160, 75), (320, 75)]
    assert len(found.audio) == 2
    assert set(found.evasions) == {Evasion.SECOND_VIDEO_TRACK, Evasion.SECOND_AUDIO_TRACK}
    assert {part.track for part in found.segments[0].tracks} == {0, 1}


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mov_text"), ("mkv", "ass"), ("webm", "webvtt")])
def test_counts_tracks_of_subtitles(container: str, codec: str) -> None:
    words = samples.written("words.srt", b"1\n00:00:00,100 --> 00:00:00,900\nCall me\n\n")
    encode = ["-c:v", "libvpx-vp9" if container == "webm" else "copy", "-c:s", codec]
    clip = samples.clip(seconds=1)
    told = samples.make(f"told.{container}", "-i", clip, "-i", words, "-map", "0:v", "-map", "1", *encode)

    assert (plan(clip).subtitles, plan(told).subtitles) == (0, 1)


def test_plans_what_an_edit_list_hides_at_the_end() -> None:
    found = plan(samples.hidden_half())

    assert (found.video[0].frames, found.video[0].hidden_by_edit_list) == (250, True)
    assert found.duration == pytest.approx(10)
    assert Evasion.HIDDEN_BY_EDIT_LIST in found.evasions


def test_plans_what_an_edit_list_hides_at_the_start() -> None:
    found = plan(samples.hidden_start())

    assert found.video[0].hidden_by_edit_list
    assert found.video[0].frames == 100
    assert found.video[0].start == 0


def test_an_ordinary_edit_list_hides_nothing() -> None:
    assert b"elst" in samples.clip().read_bytes()
    assert not plan(samples.clip()).video[0].hidden_by_edit_list


def test_sound_without_pictures_is_taken() -> None:
    found = plan(samples.sound_only())

    assert (found.kind, found.content_type, found.video) == ("audio", "audio/mp4", ())
    assert found.segments[0].sound == (0,)


def test_a_cover_picture_is_no_video() -> None:
    assert plan(samples.sound_with_cover()).kind == "audio"


def test_shows_turned_and_squeezed_pictures_as_players_do() -> None:
    assert (plan(samples.rotated(90)).video[0].width, plan(samples.rotated(90)).video[0].rotation) == (90, 90)
    squeezed = plan(samples.squeezed()).video[0]
    assert (squeezed.width, squeezed.height, squeezed.coded_width) == (80, 90, 160)


@pytest.mark.parametrize("interval", [0.25, 1.0, 1.7])
@pytest.mark.parametrize("fps", [7, 24, 25, 60])
def test_no_gap_between_samples_exceeds_the_interval(fps: int, interval: float) -> None:
    found = plan(samples.clip(fps=fps), interval=interval)
    times = [time for span in found.segments for part in span.tracks for time in part.samples]

    assert times[0] == 0
    assert times[-1] == pytest.approx(found.video[0].last)
    assert max(after - before for before, after in pairwise(times)) <= interval + 1e-5
    # AND no more frames are looked at than that takes
    assert len(times) <= 4 / (interval - 1 / fps) + 2


def test_frames_on_both_sides_of_a_pause_are_sampled() -> None:
    found = plan(samples.variable_rate())
    every = plan(samples.variable_rate(), interval=0.01).segments[0].tracks[0].samples
    samples_ = found.segments[0].tracks[0].samples

    assert len(every) == found.video[0].frames
    pauses = [(before, after) for before, after in pairwise(every) if after - before > 1]
    assert pauses
    assert all(before in samples_ and after in samples_ for before, after in pauses)
    gaps = [after - before for before, after in pairwise(samples_) if (before, after) not in pauses]
    assert max(gaps) <= 1 + 1e-5


def test_key_frames_only_samples_key_frames() -> None:
    (span,) = plan(samples.clip(), key_frames_only=True).segments

    assert span.packets == 4
    assert span.tracks[0].samples == pytest.approx((0, 1, 2, 3))


def test_segments_begin_at_key_frames_and_cover_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 2.0)

    found = plan(samples.clip(seconds=10, gop=40))

    assert [span.start for span in found.segments] == pytest.approx([0, 3.2, 6.4])
    assert all(before.end == after.start for before, after in pairwise(found.segments))
    assert sum(span.packets for span in found.segments) == found.video[0].frames == 250


def test_sparse_key_frames_are_cut_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 0.5)
    monkeypatch.setattr("moderation.media.plan._SPARSE", 2.0)

    found = plan(samples.clip(seconds=6, gop=250))

    assert [span.start for span in found.segments] == pytest.approx([0, 2, 4])
    assert [span.seek is None for span in found.segments] == [True, False, False]
    assert sum(span.packets for span in found.segments) == 150


def test_a_file_cut_short_is_planned_as_far_as_it_goes() -> None:
    found = plan(samples.truncated())

    assert 0 < found.video[0].frames < 150
    assert Evasion.FALSE_DURATION in found.evasions
