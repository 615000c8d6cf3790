"""What was heard and read, against what the template asks for."""

from collections.abc import Sequence
from typing import Any

import pytest

from moderation.coverage import UNHEARD_TOLERANCE, Evidence, coverage
from moderation.models.observation import FrameLook, Scan
from moderation.models.plan import Plan
from moderation.models.reading import JudgedText, Reading, Text
from moderation.models.sound import TrackHearing, Utterance
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Coverage
from tests.builders import audio_plan, hearing, silent_plan, sounding

LISTENERS = {"vad": "1", "whisper": "1"}
READERS = {"words": "1"}


def template(*forms: Form) -> Template:
    rules = [Rule(label="porn", sub_label=f"in_{form}", forms=frozenset({form}), review=50) for form in forms]
    return Template(name="test", revision=1, rules=tuple(rules))


EVERYTHING = template(Form.IMAGE, Form.VOICE, Form.ASR, Form.TITLE)


def scans(plan: Plan) -> list[Scan]:
    looks = (FrameLook(ordinal=0, time=0.0),) if plan.video else ()
    packets = 50 if plan.video else 0
    return [
        Scan(index=span.index, looks=looks, detectors={}, planned=len(looks), decoded=packets, expected=packets)
        for span in plan.segments
    ]


def said(text: str) -> Utterance:
    return Utterance(start=1.0, end=2.0, text=text, language="en", score=0.9)


def track(number: int = 1, heard: float = 10.0, *, texts: Sequence[str] = (), **more: Any) -> TrackHearing:
    speech = float(len(texts))
    utterances = tuple(map(said, texts))
    return TrackHearing(track=number, planned=10.0, heard=heard, speech=speech, utterances=utterances, **more)


def reading(*texts: tuple[Form, str], **more: Any) -> Reading:
    judged = tuple(JudgedText(text=Text(form=form, text=text)) for form, text in texts)
    return Reading(texts=judged, **{"detectors": READERS, **more})


def seen(plan: Plan, *, asked: Template = EVERYTHING, **more: Any) -> Coverage:
    evidence = Evidence(
        **{
            "plan": plan,
            "scans": scans(plan),
            "covers": (),
            "covers_planned": 0,
            "detectors": {},
            "reporters": dict.fromkeys(asked.targets(), frozenset({"some"})),
            "listeners": LISTENERS,
            "readers": READERS,
            "reading": reading(),
            **more,
        }
    )
    return coverage(evidence, asked)


TWO = sounding(silent_plan(segments=2), 1)


def test_all_that_was_heard_and_read_is_counted() -> None:
    found = seen(
        TWO,
        title="a title",
        hearings=[
            hearing(0, track(texts=["hello", "you"]), detectors=LISTENERS),
            hearing(1, track(), detectors=LISTENERS),
        ],
        reading=reading((Form.TITLE, "a title"), (Form.ASR, "hello"), (Form.ASR, "you")),
    )
    assert (found.gaps, found.complete) == ((), True)
    assert (found.sound_seconds, found.sound_heard_seconds, found.speech_seconds) == (20.0, 20.0, 2.0)
    assert found.texts_read == 3
    assert {name: (d.state, d.looked) for name, d in found.detectors.items()} == {
        "vad": ("ok", 2),
        "whisper": ("ok", 2),
        "words": ("ok", 3),
    }


def test_a_near_duplicate_was_looked_at_no_better_than_its_original() -> None:
    # GIVEN a frame that a detector failed on, and one that is nearly the same
    looks = (FrameLook(ordinal=0, time=0.0, failed={"eye": "broken"}), FrameLook(ordinal=1, time=1.0, duplicate_of=0))
    scan = Scan(index=0, looks=looks, detectors={"eye": "1"}, planned=2, decoded=50, expected=50)
    # THEN neither counts as looked at
    found = seen(silent_plan(), scans=[scan], detectors={"eye": "1"})
    assert (found.frames_scored, found.duplicates) == (0, 1)
    assert (found.detectors["eye"].looked, found.detectors["eye"].failed) == (2, 2)


def test_a_segment_that_was_not_heard_is_a_gap() -> None:
    found = seen(TWO, hearings=[hearing(1, track(), detectors=LISTENERS)])
    assert found.gaps == ("detector_failed", "sound_not_heard")
    assert found.sound_heard_seconds == 10.0
    whisper = found.detectors["whisper"]
    assert (whisper.state, whisper.looked, whisper.failed) == ("failed", 2, 1)
    assert whisper.reason == "nothing of it was heard"


@pytest.mark.parametrize(
    ("early", "gaps"), [(UNHEARD_TOLERANCE - 0.1, ()), (UNHEARD_TOLERANCE + 0.1, ("sound_not_heard",))]
)
def test_a_track_may_end_a_little_early_and_no_more(early: float, gaps: tuple[str, ...]) -> None:
    plan = sounding(silent_plan(), 1)
    assert seen(plan, hearings=[hearing(0, track(heard=10.0 - early), detectors=LISTENERS)]).gaps == gaps


def test_what_is_heard_is_held_against_the_plan_and_not_against_what_the_step_tells_of_it() -> None:
    short = track(heard=3.0).model_copy(update={"planned": 3.0})
    found = seen(sounding(silent_plan(), 1), hearings=[hearing(0, short, detectors=LISTENERS)])
    assert found.gaps == ("sound_not_heard",)


def test_sound_that_ends_before_the_pictures_do_is_not_missed() -> None:
    plan = sounding(silent_plan(), 1, early=7.0)
    assert seen(plan, hearings=[hearing(0, track(heard=3.0), detectors=LISTENERS)]).gaps == ("sound_not_heard",)
    ends = TrackHearing(track=1, planned=3.0, heard=3.0, speech=0.0)
    assert seen(plan, hearings=[hearing(0, ends, detectors=LISTENERS)]).gaps == ()


def test_every_track_has_to_be_heard() -> None:
    plan = sounding(silent_plan(), 1, 2)
    assert seen(plan, hearings=[hearing(0, track(1), track(2), detectors=LISTENERS)]).gaps == ()
    assert "sound_not_heard" in seen(plan, hearings=[hearing(0, track(2), detectors=LISTENERS)]).gaps


def test_a_track_that_nothing_can_decode_stays_a_gap() -> None:
    plan = sounding(sounding(silent_plan(), 1), 2, decodable=False)
    found = seen(plan, hearings=[hearing(0, track(1), detectors=LISTENERS)])
    assert found.gaps == ("sound_not_heard",)
    assert found.sound_seconds == 20.0


def test_a_recogniser_that_failed_is_named() -> None:
    broken = track(failed={"whisper": "RuntimeError"})
    found = seen(sounding(silent_plan(), 1), hearings=[hearing(0, broken, detectors=LISTENERS)])
    assert found.gaps == ("detector_failed",)
    assert (found.detectors["vad"].state, found.detectors["whisper"].reason) == ("ok", "RuntimeError")


def test_a_recogniser_of_another_version_did_not_listen() -> None:
    before = {**LISTENERS, "whisper": "0"}
    found = seen(sounding(silent_plan(), 1), hearings=[hearing(0, track(), detectors=before)])
    assert found.detectors["whisper"].reason == "version 1 did not listen"
    assert not found.complete


def test_a_media_without_sound_is_not_worse_for_it() -> None:
    found = seen(silent_plan())
    assert (found.gaps, found.sound_seconds, found.sound_heard_seconds) == ((), 0.0, 0.0)
    assert {name: d.state for name, d in found.detectors.items()} == {
        "vad": "skipped",
        "whisper": "skipped",
        "words": "skipped",
    }


def test_a_template_that_asks_for_no_sound_misses_none() -> None:
    found = seen(TWO, asked=template(Form.IMAGE), listeners={}, readers={}, reading=None)
    assert (found.gaps, found.sound_seconds, found.sound_heard_seconds) == ((), 20.0, 0.0)


def test_sound_without_pictures_can_be_complete_and_is_nothing_where_only_pictures_are_asked_for() -> None:
    plan = audio_plan()
    heard = [hearing(0, track(0), detectors=LISTENERS)]
    assert seen(plan, hearings=heard).gaps == ()
    assert seen(plan, asked=template(Form.IMAGE), listeners={}, readers={}, reading=None).gaps == ("nothing_looked_at",)


def test_no_reading_is_a_gap_where_the_template_asks_for_texts() -> None:
    found = seen(silent_plan(), reading=None)
    assert found.gaps == ("detector_failed", "text_not_read")
    assert found.detectors["words"].reason == "no text was judged"
    # AND so is one where nothing can judge what was said
    plan, heard = sounding(silent_plan(), 1), [hearing(0, track(texts=["hello"]), detectors=LISTENERS)]
    assert seen(plan, hearings=heard, reading=None, readers={}).gaps == ("text_not_read",)
    assert seen(silent_plan(), reading=None, readers={}).gaps == ()


def test_a_title_or_an_utterance_that_was_not_judged_is_a_gap() -> None:
    plan = sounding(silent_plan(), 1)
    heard = [hearing(0, track(texts=["hello"]), detectors=LISTENERS)]
    both = [(Form.TITLE, "a title"), (Form.ASR, "hello")]
    assert seen(plan, title="a title", hearings=heard, reading=reading(*both)).gaps == ()
    for left in both:
        assert seen(plan, title="a title", hearings=heard, reading=reading(left)).gaps == ("text_not_read",)


def test_subtitles_are_a_gap_where_the_template_asks_for_what_pictures_show_in_writing() -> None:
    plan = silent_plan().model_copy(update={"subtitles": 1})
    assert seen(plan, asked=template(Form.IMAGE, Form.OCR)).gaps == ("subtitles_not_read",)
    assert seen(plan, asked=template(Form.IMAGE, Form.ASR)).gaps == ()
    assert seen(silent_plan(), asked=template(Form.IMAGE, Form.OCR)).gaps == ()


def test_what_the_template_does_not_ask_about_need_not_be_judged() -> None:
    silent = template(Form.IMAGE, Form.ASR)
    assert seen(silent_plan(), asked=silent, title="a title").gaps == ()


def test_a_judge_that_failed_is_named() -> None:
    broken = reading((Form.TITLE, "a title"), failed={"words": "ValueError"})
    found = seen(silent_plan(), title="a title", reading=broken)
    assert found.gaps == ("detector_failed",)
    words = found.detectors["words"]
    assert (words.state, words.reason, words.failed) == ("failed", "ValueError", 1)


def test_a_label_that_no_detector_reports_is_a_gap() -> None:
    # as where a template leaves out what learnt from data that is not permissive, and asks for its labels all the same
    assert seen(silent_plan(), reporters={}).gaps == ("label_without_detector",)
