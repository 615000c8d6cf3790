"""Sound in step with the pictures."""

import time
import wave
from pathlib import Path

import pytest

from moderation.media.frames import extract_segment
from moderation.media.plan import make_plan
from moderation.media.sound import LAP, RATE
from moderation.models.plan import Plan
from tests import media_samples as samples
from tests.unit.media.test_frames import CLASSIFY, extract


def test_each_track_is_written_as_mono_pcm(tmp_path: Path) -> None:
    (found,) = extract(samples.two_tracks(), tmp_path, with_sound=True)

    assert [sound.track for sound in found.sounds] == [2, 3]
    for sound in found.sounds:
        with wave.open(str(sound.path)) as audio:
            assert (audio.getnchannels(), audio.getsampwidth(), audio.getframerate()) == (1, 2, RATE)
            assert audio.getnframes() / RATE == pytest.approx(3, abs=0.1)


def test_segments_of_sound_begin_where_they_say_and_go_on_into_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 2.0)

    pieces = extract(samples.clip(seconds=6), tmp_path, with_sound=True)

    for piece in pieces[:-1]:
        with wave.open(str(piece.sounds[0].path)) as audio:
            seconds = piece.frames.end - piece.frames.start + LAP
            assert audio.getnframes() == pytest.approx(seconds * RATE, abs=0.03 * RATE)
            assert loudest(audio.readframes(audio.getnframes())) > 1000
    assert [piece.sounds[0].start for piece in pieces] == [piece.frames.start for piece in pieces]


def test_a_file_of_sound_has_segments_of_sound_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 2.0)

    pieces = extract(samples.sound_only(), tmp_path, with_sound=True)

    assert len(pieces) == 2
    assert all(piece.frames.frames == () and piece.frames.expected == 0 for piece in pieces)
    assert [piece.sounds[0].path.stat().st_size for piece in pieces] == [
        pytest.approx(2 * seconds * RATE, rel=0.05) for seconds in (2 + LAP, 2)
    ]


def test_a_file_of_sound_has_no_key_frames_to_keep_to(tmp_path: Path) -> None:
    (found,) = extract(samples.sound_only(), tmp_path, with_sound=True, key_frames_only=True)
    assert len(found.sounds) == 1


def test_sound_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    (found,) = extract(samples.clip(), tmp_path)

    assert found.sounds == ()


def test_pictures_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    (found,) = extract(samples.clip(), tmp_path, sizes=[], with_sound=True)

    assert (found.frames.frames, found.frames.expected, len(found.sounds)) == ((), 0, 1)


def test_sound_that_nothing_decodes_is_planned_and_missed(tmp_path: Path) -> None:
    # GIVEN a clip of which the sound says it is coded in a way that does not exist
    original = samples.make("odd.mkv", "-i", samples.clip(), "-c:v", "copy", "-c:a", "pcm_s16le")
    at = original.read_bytes().index(b"A_PCM/INT/LIT")
    source = samples.changed("odd-sound.mkv", original, (at, b"A_ODD/NON/SEN"))

    plan: Plan = make_plan(source, deadline=time.monotonic() + 30)
    found = extract_segment(
        source, plan, 0, sizes=[CLASSIFY], with_sound=True, deadline=time.monotonic() + 30, folder=tmp_path
    )

    assert [track.decodable for track in plan.audio] == [False]
    assert found.sounds == ()
    assert found.frames.decoded == 100


def loudest(pcm: bytes) -> int:
    return max(abs(int.from_bytes(pcm[i : i + 2], "little", signed=True)) for i in range(0, len(pcm), 2))
