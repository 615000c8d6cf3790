"""The second look: what it asks, what its answers change, and that nobody is worse off where it fails."""

from collections.abc import Sequence

import pytest

from moderation.coverage import Evidence, second_look
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.plan import Plan, SegmentSpan, TrackSpan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion, Verdict, Versions
from moderation.refine import COARSE, FINE, LEAST_LOOKS, REACH, SHARE, second_plan
from moderation.verdict import judge
from tests.builders import NOON, silent_plan

TARGET = (Form.IMAGE, "terror", "bloody")
REPORTERS = {TARGET: frozenset({"gore"})}
FAILED = None
CUT = -1.0
"""In a row of scores: the picture changes suddenly, and nothing is seen in it."""


def rule(hits: int = 2, window: int = 3) -> Template:
    made = Rule(
        label="terror",
        sub_label="bloody",
        forms=frozenset({Form.IMAGE}),
        review=60,
        block=90,
        hits=hits,
        window=window,
        single=80,
    )
    return Template(name="t", revision=1, rules=(made,))


def looks(scores: Sequence[float | None], step: float = 1.0, start: float = 0.0) -> tuple[FrameLook, ...]:
    made = []
    for n, score in enumerate(scores):
        seen = score is not None and score > 0
        made.append(
            FrameLook(
                ordinal=n,
                time=start + n * step,
                cut=score == CUT,
                failed={"gore": "broken"} if score is None else {},
                observations=(
                    Observation(detector="gore", form=Form.IMAGE, label="terror", sub_label="bloody", score=score or 0),
                )
                if seen
                else (),
            )
        )
    return tuple(made)


def scan(index: int, seen: tuple[FrameLook, ...]) -> Scan:
    return Scan(index=index, looks=seen, detectors={"gore": "1"}, planned=len(seen), decoded=50, expected=50)


def plan(seconds: float) -> Plan:
    return silent_plan(segments=1, seconds=seconds)


def judged(first: Sequence[float | None], second: Sequence[Scan] | None, template: Template) -> Verdict:
    """`second` are the scans of the windows, None for a second look that was not planned."""
    scans = [scan(0, looks(first))]
    planned = plan(float(len(first)))
    if second is not None:
        planned = second_plan(planned, scans, template, {TARGET}, REPORTERS)
    evidence = Evidence(
        plan=planned,
        scans=scans,
        covers=(),
        covers_planned=0,
        detectors={"gore": "1"},
        reporters=REPORTERS,
        second=second or (),
        at_a_glance={TARGET},
    )
    versions = Versions(template=template.id, models="m", sampling="1 s", software="0")
    return judge(evidence, template, media_id="m", job_id="j", versions=versions, now=NOON)


def windows(first: Sequence[float | None], template: Template) -> list[tuple[float, float]]:
    chosen = second_plan(plan(float(len(first))), [scan(0, looks(first))], template, {TARGET}, REPORTERS).windows
    return [(window.start, window.end) for window in chosen]


ALONE = [0, 0, 0, 0.7, 0, 0, 0]
STRONG = [0, 0, 0, 0.95, 0, 0, 0]


def around(time: float, scores: Sequence[float | None]) -> list[Scan]:
    """A window of looks an eighth of a second apart, the middle one of which is at `time`."""
    return [scan(1, looks(scores, FINE, time - len(scores) // 2 * FINE))]


def test_nothing_is_looked_at_again_where_nothing_was_found() -> None:
    assert windows([0, 0.5, 0, 0], rule()) == []


@pytest.mark.parametrize("first", [ALONE, STRONG])
def test_a_hit_that_stands_alone_is_looked_at_from_both_sides(first: list[float]) -> None:
    ((start, end),) = windows(first, rule())
    assert start <= 3 - REACH
    assert end >= 3 + REACH
    assert end - start <= 2 + FINE  # its two ends, a second away at most, are in the same window


def test_the_ends_of_a_segment_are_looked_at_and_not_its_middle() -> None:
    assert [(round(s), round(e)) for s, e in windows([0] * 3 + [0.7] * 6 + [0] * 3, rule())] == [(2, 3), (8, 9)]


def test_ends_where_the_picture_changes_suddenly_are_known() -> None:
    seen = list(looks([0, 0, 0.7, 0.7, 0, 0]))
    seen[2], seen[4] = (seen[n].model_copy(update={"cut": True}) for n in (2, 4))
    assert second_plan(plan(6.0), [scan(0, tuple(seen))], rule(), {TARGET}, REPORTERS).windows == ()


def test_rules_about_length_are_left_alone() -> None:
    assert windows([0, 0.7, 0, 0, 0], rule(hits=10, window=12)) == []


def test_the_cost_is_bounded_and_what_is_left_out_is_told() -> None:
    # GIVEN hits alone every four seconds for ten minutes
    first = [0.7 if n % 4 == 2 else 0 for n in range(600)]
    chosen = second_plan(plan(600.0), [scan(0, looks(first))], rule(), {TARGET}, REPORTERS)
    # THEN the strictest limit holds, and the rest is counted
    cost = sum(len(track.samples) for window in chosen.windows for track in window.tracks)
    assert 0 < cost <= LEAST_LOOKS + SHARE * 600
    assert chosen.windows_left_out == 150 - len(chosen.windows)
    assert [window.index for window in chosen.windows] == list(range(1, len(chosen.windows) + 1))


def test_key_frames_alone_are_never_looked_at_again() -> None:
    keys = plan(7.0).model_copy(update={"key_frames_only": True})
    assert second_plan(keys, [scan(0, looks(ALONE))], rule(), {TARGET}, REPORTERS) == keys


def test_a_window_is_decoded_from_the_nearest_key_frame_before_it() -> None:
    span = SegmentSpan(
        index=0,
        start=0.0,
        end=40.0,
        entries=((10.0, 11.4), (20.0, 21.4), (30.0, 31.4)),
        tracks=(TrackSpan(track=0, expected=1000, samples=(), key_distance=10),),
    )
    planned = plan(40.0).model_copy(update={"segments": (span,)})
    first = [0.0] * 40
    first[25] = 0.7
    (window,) = second_plan(planned, [scan(0, looks(first))], rule(), {TARGET}, REPORTERS).windows
    assert window.seek == 21.4
    assert window.detectors == ("gore",)
    assert window.tracks[0].key_distance == 10


def test_a_hit_that_lasts_asks_for_a_person_and_for_no_more() -> None:
    assert judged(ALONE, None, rule()).suggestion is Suggestion.PASS
    second = around(3.0, [0, 0, 0.95, 0.95, 0.95, 0.95, 0, 0, 0])
    verdict = judged(ALONE, second, rule())
    (found,) = verdict.segments
    assert (verdict.suggestion, found.start, found.end) == (Suggestion.REVIEW, 2.75, 3.25)


@pytest.mark.parametrize("second", [[0, 0, 0, 0, 0.7, 0.7, 0, 0, 0], [0.7, 0.7, 0, 0, 0.7, 0, 0, 0.7, 0.7]])
def test_a_hit_that_does_not_last_stays_too_little(second: list[float]) -> None:
    assert judged(ALONE, around(3.0, second), rule()).suggestion is Suggestion.PASS


@pytest.mark.parametrize("second", [[], around(3.0, [0, 0, 0, FAILED, 0.7, 0, 0, 0, 0]), [scan(1, ())]])
def test_a_second_look_that_failed_decides_nothing_in_anybodys_favour(second: list[Scan]) -> None:
    verdict = judged(ALONE, second, rule())
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.REVIEW, ("second_look_failed",))
    # and what was enough stays enough
    strong = judged(STRONG, [scan(1, looks([FAILED] * 9, FINE, 2.5))] if second else [], rule())
    assert (strong.suggestion, strong.reasons) == (Suggestion.BLOCK, ())


def test_what_others_looked_at_again_says_nothing_of_it() -> None:
    # GIVEN a window that a detector of something else looked at
    second = [one.model_copy(update={"detectors": {"heads": "1"}}) for one in around(3.0, [0] * 9)]

    # THEN a hit that stands alone is still open, and a strong one is no slip
    assert judged(ALONE, second, rule()).reasons == ("second_look_failed",)
    assert judged(STRONG, second, rule()).suggestion is Suggestion.BLOCK


def test_a_slip_blocks_no_more_or_counts_no_more() -> None:
    second = around(3.0, [0.1, 0.1, 0.1, 0.1, 0.95, 0.1, 0.1, 0.1, 0.1])
    assert judged(STRONG, second, rule()).suggestion is Suggestion.REVIEW
    mild = [0.85 if score else 0 for score in STRONG]
    assert judged(mild, None, rule()).suggestion is Suggestion.REVIEW
    assert judged(mild, second, rule()).suggestion is Suggestion.PASS


@pytest.mark.parametrize(
    "second",
    [
        [0.1, 0.1, 0.1, 0.1, 0.95, CUT, 0.1, 0.1, 0.1],  # a flash: the pictures around it are others
        [0.1, 0.1, 0.1, 0.1, 0.95, 0.1, 0.7, 0.1, 0.1],  # seen again
        [0.1, 0.1, 0.1, FAILED, 0.95, 0.1, 0.1, 0.1, 0.1],  # perhaps seen again
        [0.95, 0.1, 0.1, 0.1, 0.1],  # nothing before it
    ],
)
def test_what_may_be_no_slip_stands(second: list[float | None]) -> None:
    scans = [scan(1, looks(second, FINE, 3.0 if second[0] == 0.95 else 2.5))]
    assert judged(STRONG, scans, rule()).suggestion is Suggestion.BLOCK


def test_frames_that_lie_close_never_make_up_persistence() -> None:
    # GIVEN a rule that asks for 2 of 3 looks, and a second look that hits three times within a quarter of a second
    second = around(3.0, [0, 0, 0, 0.7, 0.7, 0.7, 0, 0, 0])
    # THEN that is still one hit of the first look
    assert judged(ALONE, second, rule()).segments == ()


def test_a_segment_is_bounded_to_a_quarter_of_a_second() -> None:
    first = [0] * 3 + [0.7] * 6 + [0] * 3
    begins = scan(1, looks([0, 0, 0.7, 0.7, 0.7], COARSE, 2.0))
    ends = scan(2, looks([0.7, 0.7, 0, 0, 0], COARSE, 8.0))

    def spans(second: list[Scan] | None) -> list[tuple[float, float]]:
        return [(s.start, s.end) for s in judged(first, second, rule()).segments]

    assert spans(None) == [(3.0, 9.0)]
    assert spans([begins, ends]) == [(2.5, 8.5)]
    assert spans([ends]) == [(3.0, 8.5)]  # each end by itself: where it was not seen, the first look stands
    assert judged(first, [], rule()).reasons == ()


def test_what_is_seen_besides_asks_for_a_person() -> None:
    second = around(3.0, [0.95, 0.95, 0, 0, 0.7, 0, 0, 0, 0])
    verdict = judged(ALONE, second, rule())
    assert verdict.suggestion is Suggestion.REVIEW
    assert [(s.start, s.confidence) for s in verdict.segments] == [(2.5, 95)]


def test_what_needs_several_frames_is_left_to_the_first_look() -> None:
    scans = [scan(0, looks(ALONE))]
    assert second_plan(plan(7.0), scans, rule(), set(), REPORTERS).windows == ()
    planned = second_plan(plan(7.0), scans, rule(), {TARGET}, REPORTERS)
    evidence = Evidence(
        plan=planned,
        scans=scans,
        covers=(),
        covers_planned=0,
        detectors={"gore": "1"},
        reporters=REPORTERS,
        second=around(3.0, [0.95] * 9),
    )
    found: list[Segment] = [s for course, _ in second_look(evidence, rule()) for s in course.segments()]
    assert found == []
