"""What was heard becomes segments."""

from moderation.hearing import STEP, sound_segments
from moderation.models.observation import Observation
from moderation.models.plan import Plan
from moderation.models.sound import Hearing, SoundEvent, TrackHearing
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion
from tests.builders import audio_plan, hearing, sounding

MOAN, SHOT = (Form.VOICE, "porn", "moan"), (Form.VOICE, "terror", "gunshot")
REPORTERS = {MOAN: frozenset({"voice"}), SHOT: frozenset({"voice"})}


def template(**changes: object) -> Template:
    rules = (
        Rule(label="porn", sub_label="moan", forms=frozenset({Form.VOICE}), review=50, **changes),  # type: ignore[arg-type]
        Rule(label="terror", sub_label="gunshot", forms=frozenset({Form.VOICE}), review=30, block=90),
    )
    return Template(name="test", revision=1, rules=rules)


def event(start: float, score: float, target: tuple[Form, str, str] = MOAN) -> SoundEvent:
    form, label, sub_label = target
    seen = Observation(detector="voice", form=form, label=label, sub_label=sub_label, score=score)
    return SoundEvent(start=start, end=start + 0.96, observations=(seen,))


def heard(*events: SoundEvent, track: int = 0, failed: dict[str, str] | None = None) -> TrackHearing:
    return TrackHearing(track=track, planned=10, heard=10, speech=0, events=events, failed=failed or {})


def judged(
    hearings: list[Hearing], plan: Plan | None = None, pictures: tuple[Segment, ...] = (), **changes: object
) -> list[Segment]:
    return sound_segments(hearings, plan or audio_plan(segments=2), template(**changes), REPORTERS, pictures)


def test_moments_in_a_row_are_one_segment() -> None:
    moans = [event(2.4 + STEP * n, score) for n, score in enumerate((0.5, 0.8, 0.6, 0.3))]
    (found,) = judged([hearing(0, heard(*moans))])
    assert (found.form, found.label, found.sub_label, found.track) == (*MOAN, 0)
    assert (found.start, round(found.end, 2)) == (2.4, round(2.4 + 3 * STEP, 2))
    assert (found.confidence, found.frames, found.suggestion) == (80, 3, Suggestion.REVIEW)


def test_a_segment_goes_on_over_the_border_of_two_segments_of_work() -> None:
    first = hearing(0, heard(event(9.6, 0.9)))
    second = hearing(1, heard(event(10.0, 0.9), event(10.48, 0.9)))
    (found,) = judged([second, first])
    assert (found.start, found.frames) == (9.6, 3)
    assert round(found.end, 2) == 10.96


def test_persistence_counts_moments_that_nothing_was_heard_in() -> None:
    lonely = [hearing(0, heard(event(2.4, 0.9))), hearing(1, heard())]
    assert judged(lonely, hits=2, window=3) == []
    assert len(judged(lonely, hits=2, window=3, single=90)) == 1


def test_what_failed_counts_as_a_hit_next_to_a_hit() -> None:
    failing = hearing(1, heard(failed={"voice": "broken"}))
    near = hearing(0, heard(event(9.6, 0.9)))
    assert len(judged([near, failing], hits=2, window=3)) == 1
    assert len(judged([near], hits=2, window=3)) == 1
    assert judged([near, hearing(1, heard())], hits=2, window=3) == []


def test_tracks_are_judged_apart_and_the_worst_comes_first() -> None:
    plan = sounding(audio_plan(segments=1), 1)
    both = hearing(0, heard(event(1.0, 0.6)), heard(event(5.0, 0.95, SHOT), track=1))
    shot, moan = judged([both], plan)
    assert (shot.sub_label, shot.track, shot.suggestion) == ("gunshot", 1, Suggestion.BLOCK)
    assert (moan.sub_label, moan.track, moan.suggestion) == ("moan", 0, Suggestion.REVIEW)


def picture(start: float, end: float, sub_label: str = "explicit") -> Segment:
    return Segment(
        start=start,
        end=end,
        form=Form.IMAGE,
        label="porn",
        sub_label=sub_label,
        confidence=80,
        suggestion=Suggestion.REVIEW,
        detector="explicit",
        frames=1,
    )


def test_pictures_in_the_same_seconds_take_off_half_of_the_doubt() -> None:
    quiet = [hearing(0, heard(event(2.0, 0.4), event(7.0, 0.9, SHOT)))]
    assert [found.sub_label for found in judged(quiet)] == ["gunshot"]
    for sub_label in ("explicit", "sexy"):
        found = {s.sub_label: s.confidence for s in judged(quiet, pictures=(picture(5, 9, sub_label),))}
        assert found == {"moan": 70, "gunshot": 90}
    assert len(judged(quiet, pictures=(picture(20, 30), picture(5, 9, "drawing")))) == 1
