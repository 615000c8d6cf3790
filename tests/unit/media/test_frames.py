"""What is looked at of each segment, and how it is counted."""

import time
import zipfile
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from moderation.media.ffmpeg import MediaRefused
from moderation.media.frames import Extracted, extract_segment
from moderation.media.plan import make_plan
from moderation.models.plan import CLIP, FrameEntry, FrameReason, FrameSize, RefusalCode, SegmentFrames
from tests import media_samples as samples

CLASSIFY = FrameSize(name="classify", side="short", pixels=64)
DETAIL = FrameSize(name="detail", side="long", pixels=120)
SIZES = (CLASSIFY, DETAIL)
EVERY_FRAME = 0.001


def extract(
    source: Path,
    folder: Path,
    *,
    interval: float = 1.0,
    key_frames_only: bool = False,
    sizes: Sequence[FrameSize] = SIZES,
    with_sound: bool = False,
    with_clips: bool = False,
) -> list[Extracted]:
    """All segments of a file, each in a folder of its own."""
    soon = time.monotonic() + 30
    plan = make_plan(source, interval=interval, key_frames_only=key_frames_only, deadline=soon)
    found = []
    for span in plan.segments:
        into = folder / str(span.index)
        into.mkdir()
        found.append(
            extract_segment(
                source,
                plan,
                span.index,
                sizes=sizes,
                with_sound=with_sound,
                with_clips=with_clips,
                deadline=soon,
                folder=into,
            )
        )
    return found


def looked_at(source: Path, folder: Path, **options: object) -> SegmentFrames:
    """The frames of a file of one segment."""
    (only,) = extract(source, folder, **options)  # type: ignore[arg-type]
    return only.frames


def times(frames: SegmentFrames) -> list[float]:
    return [frame.time for frame in frames.frames]


def at(frames: SegmentFrames, time: float) -> FrameEntry:
    """The looked-at frame of a time; fails when that frame was not looked at."""
    (entry,) = (frame for frame in frames.frames if frame.time == pytest.approx(time, abs=0.002))
    return entry


def size_of(picture: bytes) -> tuple[int, int]:
    """Width and height of a JPEG."""
    header = max(picture.find(b"\xff\xc0"), picture.find(b"\xff\xc1"))
    return int.from_bytes(picture[header + 7 : header + 9], "big"), int.from_bytes(
        picture[header + 5 : header + 7], "big"
    )


def test_writes_one_archive_of_an_index_and_each_size(tmp_path: Path) -> None:
    (found,) = extract(samples.clip(), tmp_path)

    with zipfile.ZipFile(found.archive) as archive:
        assert SegmentFrames.model_validate_json(archive.read("index.json")) == found.frames
        members = {member for frame in found.frames.frames for member in frame.pictures.values()}
        assert members == set(archive.namelist()) - {"index.json"}
        first = found.frames.frames[0]
        assert first.pictures == {"classify": "classify/000000.jpg", "detail": "detail/000000.jpg"}
        assert size_of(archive.read(first.pictures["classify"])) == (114, 64)
        assert size_of(archive.read(first.pictures["detail"])) == (120, 68)
    # AND nothing else is left behind
    assert list((tmp_path / "0").iterdir()) == [found.archive]


def test_pictures_are_never_enlarged(tmp_path: Path) -> None:
    (found,) = extract(samples.clip(), tmp_path, sizes=[FrameSize(name="large", side="long", pixels=1280)])

    with zipfile.ZipFile(found.archive) as archive:
        assert size_of(archive.read("large/000000.jpg")) == (160, 90)


def test_counts_every_decoded_frame(tmp_path: Path) -> None:
    frames = looked_at(samples.clip(), tmp_path)

    assert (frames.expected, frames.decoded, frames.errors) == (100, 100, 0)
    assert frames.planned == len(frames.frames)
    assert not frames.reduced


@pytest.mark.parametrize(
    "source",
    [samples.clip, samples.variable_rate, samples.gif, samples.open_gop],
    ids=lambda sample: str(sample.__name__),
)
def test_no_gap_between_looked_at_frames_exceeds_the_interval(source: object, tmp_path: Path) -> None:
    assert callable(source)
    (tmp_path / "all").mkdir()
    every = times(looked_at(source(), tmp_path / "all", interval=EVERY_FRAME))
    seen = times(looked_at(source(), tmp_path, interval=0.5))

    assert seen[0] == every[0] == 0
    assert seen[-1] == every[-1]
    pauses = [(before, after) for before, after in pairwise(every) if after - before > 0.5]
    for before, after in pairwise(seen):
        assert after - before <= 0.5 + 1e-5 or (before, after) in pauses


def test_times_are_those_of_presentation(tmp_path: Path) -> None:
    frames = looked_at(samples.clip(fps=24, seconds=2), tmp_path, interval=EVERY_FRAME)

    assert times(frames) == pytest.approx([n / 24 for n in range(48)], abs=2e-6)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "flv"])
def test_segments_together_are_the_whole(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN all frames of a clip with B-frames, in one piece
    source = samples.clip(seconds=6, suffix=suffix)
    (tmp_path / "whole").mkdir()
    whole = times(looked_at(source, tmp_path / "whole", interval=EVERY_FRAME))
    # WHEN it is cut at key frames
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 2.0)
    pieces = extract(source, tmp_path, interval=EVERY_FRAME)
    # THEN no frame is lost and none is there twice
    assert len(pieces) == 3
    assert [time for piece in pieces for time in times(piece.frames)] == whole
    assert all(piece.frames.decoded == piece.frames.expected for piece in pieces)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_frames_that_lean_over_a_cut_are_in_one_segment(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = samples.open_gop(suffix=suffix)
    (tmp_path / "whole").mkdir()
    whole = times(looked_at(source, tmp_path / "whole", interval=EVERY_FRAME))
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 2.0)

    pieces = extract(source, tmp_path, interval=EVERY_FRAME)

    assert len(pieces) > 1
    assert [time for piece in pieces for time in times(piece.frames)] == whole
    assert len(whole) == 150


def test_cuts_between_key_frames_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 0.5)
    monkeypatch.setattr("moderation.media.plan._SPARSE", 2.0)

    pieces = extract(samples.clip(seconds=6, gop=250), tmp_path, interval=EVERY_FRAME)

    assert [len(piece.frames.frames) for piece in pieces] == [50, 50, 50]


def test_a_single_white_frame_is_seen(tmp_path: Path) -> None:
    frames = looked_at(samples.still_with("flash", frames="eq(n,127)"), tmp_path)

    flash = at(frames, 127 / 25)
    assert flash.reason is FrameReason.SCENE
    assert flash.duplicate_of is None
    assert not frames.capped


@pytest.mark.parametrize("flash", [None, 132])
def test_a_single_foreign_frame_is_seen(flash: int | None, tmp_path: Path) -> None:
    """Even right behind a flash that changes the picture as much."""
    frames = looked_at(samples.foreign_frame(at=133, flash=flash), tmp_path)

    assert at(frames, 133 / 25).duplicate_of is None
    # AND moving pictures alone are no scene changes
    assert sum(frame.reason is FrameReason.SCENE for frame in frames.frames) <= 4


def test_the_very_last_frame_is_seen(tmp_path: Path) -> None:
    frames = looked_at(samples.still_with("end", frames="gte(n,249)", fill="gray"), tmp_path)

    assert (frames.frames[-1].time, frames.frames[-1].reason) == (9.96, FrameReason.LAST)
    assert frames.frames[-1].duplicate_of is None


def test_a_small_new_object_is_no_duplicate(tmp_path: Path) -> None:
    # GIVEN a hundredth of a still picture that changes between 4 s and 6 s
    frames = looked_at(samples.still_with("object", frames="between(n,100,150)", share="16:9"), tmp_path)

    assert at(frames, 5).duplicate_of is None or at(frames, 5).duplicate_of in {at(frames, 4).ordinal}
    assert at(frames, 4).duplicate_of is None
    # AND the same picture before and after it is looked at once
    assert at(frames, 3).duplicate_of == 0
    assert at(frames, 8).duplicate_of == 0


def test_another_color_of_the_same_light_is_no_duplicate(tmp_path: Path) -> None:
    frames = looked_at(samples.another_color(), tmp_path)

    assert at(frames, 1).duplicate_of == 0
    assert at(frames, 2).duplicate_of is None


def test_duplicates_have_no_pictures(tmp_path: Path) -> None:
    (found,) = extract(samples.still_with("still", frames="0"), tmp_path)

    assert [frame.duplicate_of for frame in found.frames.frames] == [None] + [0] * 10
    assert not any(frame.pictures for frame in found.frames.frames[1:])
    with zipfile.ZipFile(found.archive) as archive:
        assert len(archive.namelist()) == 3


def test_a_strobe_is_looked_at_within_a_bound_that_is_told(tmp_path: Path) -> None:
    (found, *_) = extract(samples.strobe(), tmp_path)

    assert found.frames.capped
    assert 40 < len(found.frames.frames) < 160


def test_all_video_tracks_are_looked_at(tmp_path: Path) -> None:
    (found,) = extract(samples.two_tracks(), tmp_path)

    assert {frame.track for frame in found.frames.frames} == {0, 1}
    assert (found.frames.expected, found.frames.decoded) == (150, 150)
    assert [frame.time for frame in found.frames.frames] == sorted(times(found.frames))
    second = next(frame for frame in found.frames.frames if frame.track == 1)
    with zipfile.ZipFile(found.archive) as archive:
        assert size_of(archive.read(second.pictures["detail"])) == (120, 68)


def test_what_an_edit_list_hides_is_looked_at(tmp_path: Path) -> None:
    frames = looked_at(samples.hidden_half(), tmp_path)

    assert (frames.expected, frames.decoded) == (250, 250)
    assert at(frames, 5).reason in {FrameReason.SCENE, FrameReason.INTERVAL}
    assert at(frames, 9.96).reason is FrameReason.LAST
    assert at(frames, 5).duplicate_of is None


@pytest.mark.parametrize("suffix", ["ts", "flv"])
def test_what_comes_after_the_clock_starts_anew_is_looked_at(suffix: str, tmp_path: Path) -> None:
    frames = looked_at(samples.joined(suffix), tmp_path)

    assert (frames.expected, frames.decoded, frames.planned) == (200, 200, len(frames.frames))
    assert at(frames, 0).duplicate_of is None
    assert at(frames, 4).duplicate_of is None
    assert at(frames, 7.96).reason is FrameReason.LAST
    gaps = [after - before for before, after in pairwise(times(frames))]
    assert max(gaps) <= 1 + 1e-5


@pytest.mark.parametrize(("degrees", "red"), [(90, "top"), (180, "right"), (270, "bottom")])
def test_pictures_are_turned_as_players_do(degrees: int, red: str, tmp_path: Path) -> None:
    (found,) = extract(samples.rotated(degrees), tmp_path, sizes=[DETAIL])

    with zipfile.ZipFile(found.archive) as archive:
        picture = tmp_path / "turned.jpg"
        picture.write_bytes(archive.read("detail/000000.jpg"))
    width, height = size_of(picture.read_bytes())
    assert (width < height) == (degrees != 180)
    raw = samples.make(f"turned-{degrees}.rgb", "-i", picture, "-pix_fmt", "rgb24", "-f", "rawvideo").read_bytes()
    corners = {
        "top": (width // 2, height // 8),
        "bottom": (width // 2, height - height // 8),
        "left": (width // 8, height // 2),
        "right": (width - width // 8, height // 2),
    }
    for name, (x, y) in corners.items():
        pixel = raw[3 * (y * width + x) :][:3]
        if name == red:
            assert pixel[0] > 200 > 60 > pixel[2]
        elif {name, red} in ({"top", "bottom"}, {"left", "right"}):
            assert pixel[2] > 200 > 60 > pixel[0]


def test_key_frames_only_says_that_it_looked_at_less(tmp_path: Path) -> None:
    frames = looked_at(samples.clip(), tmp_path, key_frames_only=True)

    assert frames.reduced
    assert times(frames) == pytest.approx([0, 1, 2, 3])
    assert (frames.expected, frames.decoded) == (4, 4)


def test_a_picture_size_that_changes_on_the_way_is_followed(tmp_path: Path) -> None:
    frames = looked_at(samples.growing(), tmp_path)

    assert (frames.expected, frames.decoded, frames.planned) == (200, 200, len(frames.frames))
    assert at(frames, 4).duplicate_of is None
    assert at(frames, 7.96).reason is FrameReason.LAST


def test_frames_lost_to_damage_are_counted(tmp_path: Path) -> None:
    frames = looked_at(samples.damaged(), tmp_path)

    assert frames.decoded < frames.expected < 150


def test_patched_up_frames_are_counted(tmp_path: Path) -> None:
    frames = looked_at(samples.scratched(), tmp_path)

    assert frames.expected == 150
    assert frames.errors > 0


def test_decoding_stops_at_the_deadline(tmp_path: Path) -> None:
    soon = time.monotonic() + 30
    plan = make_plan(samples.clip(), deadline=soon)

    with pytest.raises(MediaRefused) as refused:
        extract_segment(
            samples.clip(), plan, 0, sizes=SIZES, with_sound=True, deadline=time.monotonic() + 0.01, folder=tmp_path
        )

    assert refused.value.code is RefusalCode.TIMEOUT
    assert list(tmp_path.iterdir()) == []


def test_clocks_finer_than_a_microsecond_lose_no_sample(tmp_path: Path) -> None:
    encode = ["-c:v", "libx265", "-x265-params", "log-level=0"]
    source = samples.make("fine.hevc", *samples.moving(10, 1, "64x48"), *encode)

    frames = looked_at(source, tmp_path)

    assert (frames.planned, times(frames)) == (2, [0, 0.9])


@pytest.mark.parametrize("turn", [(), ("-display_hflip",), ("-display_vflip",)], ids=["", "hflip", "vflip"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_are_turned_and_mirrored_as_ffmpeg_shows_them(
    degrees: int, turn: tuple[str, ...], tmp_path: Path
) -> None:
    # GIVEN four quarters of different colours
    quarters = "drawbox=w=iw/2:h=ih/2:color=red:t=fill,drawbox=x=iw/2:w=iw/2:h=ih/2:color=lime:t=fill"
    flat = samples.make("quarters.mp4", *samples.color("blue", 5, 0.4, "64x48"), "-vf", quarters, *samples.H264)
    name = f"turned-{degrees}{''.join(turn)}"
    source = samples.make(f"{name}.mp4", "-display_rotation", str(degrees), *turn, "-i", flat, "-c", "copy")

    (found,) = extract(source, tmp_path, sizes=[DETAIL])

    with zipfile.ZipFile(found.archive) as archive:
        (tmp_path / "seen.jpg").write_bytes(archive.read("detail/000000.jpg"))
    seen, shown = (
        samples.make(
            f"{name}.{kind}", "-i", file, "-frames:v", "1", "-vf", "scale=8:8", "-pix_fmt", "rgb24", "-f", "rawvideo"
        )
        for kind, file in (("seen", tmp_path / "seen.jpg"), ("shown", source))
    )
    assert max(abs(a - b) for a, b in zip(seen.read_bytes(), shown.read_bytes(), strict=True)) < 60


def test_pictures_of_high_dynamic_range_are_seen_as_on_a_usual_screen(tmp_path: Path) -> None:
    # GIVEN white as bright as paper, which the curve of such pictures puts at little more than half of its range
    tags = "log-level=0:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    encode = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", tags]
    source = samples.make("pq.mp4", *samples.color("0x949494", 5, 0.4, "64x48"), *encode)

    (found,) = extract(source, tmp_path, sizes=SIZES)

    assert found.frames.decoded == found.frames.expected == 2
    with zipfile.ZipFile(found.archive) as archive:
        for size in ("classify", "detail"):
            (tmp_path / "seen.jpg").write_bytes(archive.read(f"{size}/000000.jpg"))
            raw = samples.make("pq.gray", "-i", tmp_path / "seen.jpg", "-pix_fmt", "gray", "-f", "rawvideo")
            assert max(raw.read_bytes()) > 0x94 + 20


def clips_of(extracted: Extracted) -> dict[float, list[bytes]]:
    """The pictures of each clip, by the time of the frame where it begins."""
    with zipfile.ZipFile(extracted.archive) as stored:
        members = {
            entry.time: stored.read(entry.pictures[CLIP]) for entry in extracted.frames.frames if CLIP in entry.pictures
        }
    return {
        time: [b"\xff\xd8\xff" + one for one in member.split(b"\xff\xd8\xff")[1:]] for time, member in members.items()
    }


def test_clips_of_two_seconds_begin_every_four(tmp_path: Path) -> None:
    # WHEN ten seconds of moving pictures are extracted
    (segment,) = extract(samples.clip(seconds=10), tmp_path, with_clips=True)

    # THEN clips hang on frames four seconds apart, of which the last one ends with the video
    clips = clips_of(segment)
    assert list(clips) == pytest.approx([0, 4, 8])
    assert [len(pictures) for pictures in clips.values()] == [16, 16, 16]
    for pictures in clips.values():
        assert {Image.open(BytesIO(one)).size for one in pictures} == {(112, 112)}
        # AND time goes on in them
        assert len(set(pictures)) == 16


def test_without_being_asked_for_there_are_no_clips(tmp_path: Path) -> None:
    (segment,) = extract(samples.clip(seconds=4), tmp_path)
    assert clips_of(segment) == {}


def test_what_is_too_short_has_no_clip_and_what_stands_still_only_one(tmp_path: Path) -> None:
    short, still = tmp_path / "short", tmp_path / "still"
    short.mkdir()
    still.mkdir()
    (brief,) = extract(samples.clip(seconds=1, fps=5), short, with_clips=True)
    assert clips_of(brief) == {}
    (lasting,) = extract(samples.still_with("still-clip", frames="lt(n,0)"), still, with_clips=True)
    assert list(clips_of(lasting)) == [0]
