"""The scan_audio step on real sound: what is heard, when, and what could not be heard."""

from pathlib import Path

import numpy as np
import pytest

from greenlight.weights import ensure_weights
from moderation.detectors.speech import RATE
from moderation.models.errors import Transient
from moderation.models.sound import Hearing, Utterance
from moderation.models.template import Form, Rule, Template
from moderation.services.templates import load_template
from tests.builders import audio_plan, sounding
from tests.sounds import Studio, heard, noise, silence, speech, wav

STRICT = load_template("strict")
LISTENERS = {"voice": "1", "speech": "1"}


def asking(*targets: tuple[Form, str, str], speech: str = "whisper") -> Template:
    rules = tuple(Rule(label=label, sub_label=sub, forms=frozenset({form}), review=50) for form, label, sub in targets)
    return Template.model_validate({"name": "test", "revision": 1, "speech": speech, "rules": rules})


MOAN = asking((Form.VOICE, "porn", "moan"))
ENGLISH = asking((Form.ASR, "abuse", "speech"), speech="moonshine")


def words(text: str) -> list[str]:
    return "".join(sign for sign in text.lower() if sign.isalpha() or sign == " ").split()


SENTENCE = words(
    "and so my fellow Americans ask not what your country can do for you ask what you can do for your country"
)


def test_what_is_said_is_written_down_with_its_times(tmp_path: Path) -> None:
    # GIVEN a sentence after twenty seconds of noise
    track = heard(tmp_path, np.concatenate([noise(20) * 0.05, speech()]), ENGLISH)

    # THEN its words are there, each where it is said, and all of the sound was heard
    said = [word for utterance in track.utterances for word in utterance.words]
    assert words(" ".join(word.text for word in said)) == SENTENCE
    assert said[0].start == pytest.approx(20.3, abs=1)
    assert next(word for word in said if words(word.text) == ["ask"]).start == pytest.approx(23.4, abs=1)
    assert said[-1].end == pytest.approx(30.4, abs=1)
    assert [word.start for word in said] == sorted(word.start for word in said)
    assert {utterance.language for utterance in track.utterances} == {"en"}
    assert track.speech == pytest.approx(8.4, abs=0.6)
    assert (track.planned, track.heard, track.failed) == (31, 31, {})


def test_a_word_on_the_border_of_segments_is_heard_whole(tmp_path: Path) -> None:
    # GIVEN a sentence cut in its middle, the first half with what follows, as the extract step leaves it
    border = 6.0
    studio = Studio(tmp_path, ENGLISH, audio_plan(segments=2, seconds=border))
    studio.record(0, 0, wav(speech()[: round((border + 2) * RATE)]))
    studio.record(1, 0, wav(speech()[round(border * RATE) :]))

    hearings = [studio.hear(index) for index in (0, 1)]

    # THEN every word is there, and no segment says more of its time than it has
    said = [words(" ".join(u.text for u in hearing.tracks[0].utterances)) for hearing in hearings]
    together = iter([*said[0], *said[1]])
    assert all(word in together for word in SENTENCE)
    first, second = (hearing.tracks[0] for hearing in hearings)
    assert (first.planned, first.heard) == (6, 6)
    assert first.utterances[-1].end < border + 2
    assert first.speech + second.speech == pytest.approx(8.4, abs=0.6)
    assert second.utterances[0].start >= border


@pytest.mark.parametrize(
    "sound", [silence(20), noise(20), noise(20, pink=True)], ids=["silence", "white noise", "pink noise"]
)
def test_nothing_is_invented(tmp_path: Path, sound: np.ndarray) -> None:
    track = heard(tmp_path, sound, STRICT)
    assert (track.utterances, track.events, track.speech, track.failed) == ((), (), 0, {})
    assert track.heard == 20


def test_every_track_is_heard_and_one_without_sound_is_a_gap(tmp_path: Path) -> None:
    # GIVEN three tracks: one is there, of one nothing was extracted, one cannot be decoded
    plan = sounding(audio_plan(seconds=3), 1)
    lost = plan.audio[0].model_copy(update={"index": 2, "decodable": False})
    span = plan.segments[0].model_copy(update={"sound": (0, 1, 2)})
    plan = plan.model_copy(update={"audio": (*plan.audio, lost), "segments": (span,)})
    studio = Studio(tmp_path, MOAN, plan)
    studio.record(0, 0, wav(noise(3)))

    there, missing, undecodable = studio.hear().tracks

    assert (there.track, there.heard, there.failed) == (0, 3, {})
    assert (missing.track, missing.planned, missing.heard) == (1, 3, 0)
    assert "NotFound" in missing.failed["voice"]
    assert undecodable.failed == {"voice": "this track cannot be decoded"}


@pytest.mark.parametrize("content", [b"", b"RIFF", wav(noise(1))[:30], wav(noise(1), rate=8000)], ids=range(4))
def test_broken_sound_is_not_heard(tmp_path: Path, content: bytes) -> None:
    studio = Studio(tmp_path, STRICT, audio_plan(seconds=3))
    studio.record(0, 0, content)
    (track,) = studio.hear().tracks
    assert track.heard == 0
    assert set(track.failed) == set(LISTENERS)


def test_sound_that_ends_early_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    studio = Studio(tmp_path, MOAN, audio_plan(seconds=5))
    studio.record(0, 0, wav(noise(2)))
    (track,) = studio.hear().tracks
    assert (track.planned, track.heard) == (5, 2)


def test_a_missing_model_fails_what_needs_it(tmp_path: Path) -> None:
    # GIVEN the weights without the recogniser
    for name in ("silero.onnx", "yamnet.onnx"):
        (tmp_path / name).symlink_to(ensure_weights(["silero", "yamnet"]) / name)
    both = ENGLISH.model_copy(update={"rules": (*ENGLISH.rules, *MOAN.rules)})
    studio = Studio(tmp_path / "objects", both, audio_plan(seconds=11), weights=tmp_path)
    studio.record(0, 0, wav(speech()))

    (track,) = studio.hear().tracks

    # THEN recognition failed, the rest was heard, and the track does not count as heard
    assert set(track.failed) == {"speech_en"}
    assert (track.heard, track.utterances) == (0, ())

    # AND without the network that hears kinds of sound, nothing is heard at all
    (tmp_path / "yamnet.onnx").unlink()
    (track,) = studio.hear().tracks
    assert set(track.failed) == {"voice", "speech_en"}


@pytest.mark.parametrize("model", ["silero", "yamnet"])
@pytest.mark.parametrize("harm", [b"", b"<html>404 Not Found</html>", None], ids=["empty", "no model", "cut short"])
def test_a_broken_model_is_never_silence(tmp_path: Path, model: str, harm: bytes | None) -> None:
    for name in ("silero", "yamnet"):
        whole = (ensure_weights([name]) / f"{name}.onnx").read_bytes()
        broken = whole[: len(whole) // 2] if harm is None else harm
        (tmp_path / f"{name}.onnx").write_bytes(broken if name == model else whole)
    studio = Studio(tmp_path / "objects", MOAN, audio_plan(seconds=1), weights=tmp_path)
    studio.record(0, 0, wav(noise(1)))
    (track,) = studio.hear().tracks
    assert set(track.failed) == {"voice"}
    assert (track.heard, track.events) == (0, ())


def test_speech_without_a_word_is_not_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a recogniser that knows no word of what is said for ten seconds, pauses included
    class Foreign:
        def transcribe(self, samples: np.ndarray, language: str = "") -> list[Utterance]:
            return []

    monkeypatch.setattr("moderation.services.hear._recogniser", lambda implementation, weights: Foreign())
    track = heard(tmp_path, speech(), ENGLISH)

    # THEN it was not heard, rather than nothing said
    assert track.failed == {"speech_en": "ValueError: 10 s of speech were not understood"}
    assert track.heard == 0


def test_storage_that_fails_for_now_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio(tmp_path, MOAN, audio_plan())

    def fetch(*_: object) -> None:
        raise Transient("slow down")

    monkeypatch.setattr(studio.objects, "fetch", fetch)
    with pytest.raises(Transient):
        studio.hear()


def test_what_was_heard_is_left_for_the_next_step(tmp_path: Path) -> None:
    studio = Studio(tmp_path, MOAN, audio_plan(segments=2, seconds=3))
    studio.record(1, 0, wav(noise(3)))
    hearing = studio.hear(1)
    assert Hearing.model_validate_json(studio.objects.get(studio.work.hearing(1))) == hearing
    assert (hearing.index, hearing.detectors) == (1, {"voice": "3"})


def test_times_are_those_of_the_media(tmp_path: Path) -> None:
    studio = Studio(tmp_path, ENGLISH, audio_plan(segments=2, seconds=20))
    studio.record(1, 0, wav(np.concatenate([silence(5), speech(), silence(4)])))
    (track,) = studio.hear(1).tracks
    assert track.utterances[0].start == pytest.approx(25.3, abs=1)
    assert track.utterances[-1].end == pytest.approx(35.4, abs=1)


def test_a_template_that_asks_for_no_sound_has_none_heard(tmp_path: Path) -> None:
    studio = Studio(tmp_path, asking((Form.IMAGE, "porn", "explicit")), audio_plan())
    assert studio.hear() == Hearing(index=0, tracks=(), detectors={})
