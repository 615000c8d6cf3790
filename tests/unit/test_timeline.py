"""Observations to segments: what persists, from when to when."""

import pytest

from moderation.models.observation import Box, FrameLook, Observation, Scan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion
from moderation.timeline import Reporters, courses, cover_segments, looks_in_order, worst_first

TARGET = (Form.IMAGE, "terror", "bloody")
REPORTERS = {TARGET: frozenset({"gore"}), (Form.COVER, "terror", "bloody"): frozenset({"gore"})}
FAILED = None
"""In a row of scores: the detector failed on this frame."""


def seen(score: float, form: Form = Form.IMAGE, **more: object) -> Observation:
    return Observation.model_validate(
        {"detector": "gore", "form": form, "label": "terror", "sub_label": "bloody", "score": score} | more
    )


def look(ordinal: int, score: float | None, **more: object) -> FrameLook:
    found: dict[str, object] = (
        {"failed": {"gore": "broken"}} if score is None else {"observations": (seen(score),) if score else ()}
    )
    return FrameLook.model_validate({"ordinal": ordinal, "time": float(ordinal)} | found | more)


def scan(*looks: FrameLook, index: int = 0) -> Scan:
    return Scan(
        index=index, looks=looks, detectors={"gore": "1"}, planned=len(looks), decoded=len(looks), expected=len(looks)
    )


def template(*, hits: int = 1, window: int = 1, single: int | None = None, block: int | None = 90) -> Template:
    rule = Rule(
        label="terror",
        sub_label="bloody",
        forms=frozenset({Form.IMAGE, Form.COVER}),
        review=60,
        block=block,
        hits=hits,
        window=window,
        single=single,
    )
    return Template(name="t", revision=1, rules=(rule,))


def video_segments(scans: list[Scan], template: Template, reporters: Reporters, duration: float) -> list[Segment]:
    return worst_first(found for course in courses(scans, template, reporters, duration) for found in course.segments())


def segments(scores: list[float | None], template: Template) -> list[Segment]:
    return video_segments(
        [scan(*(look(n, score) for n, score in enumerate(scores)))], template, REPORTERS, float(len(scores))
    )


@pytest.mark.parametrize(
    ("scores", "spans"),
    [
        ([0, 0.7, 0.7, 0], [(1.0, 3.0)]),  # until the next frame shows something else
        ([0.7, 0, 0, 0.7], [(0.0, 1.0), (3.0, 4.0)]),  # two stretches, the last until the end of the video
        ([0.59, 0, 0, 0], []),
        ([0.7, 0.7, 0.7, 0.7], [(0.0, 4.0)]),
        ([], []),
    ],
)
def test_hits_become_stretches_of_time(scores: list[float | None], spans: list[tuple[float, float]]) -> None:
    assert sorted((s.start, s.end) for s in segments(scores, template())) == spans


@pytest.mark.parametrize(
    ("scores", "hits", "frames"),
    [
        ([0.7, 0, 0, 0, 0, 0.7], 2, 0),  # two hits, too far apart
        ([0.7, 0, 0.7, 0, 0, 0], 2, 2),  # two of three
        ([0.7, 0, 0, 0, 0, 0], 2, 0),  # a single one
        ([0.7, 0.7, 0.7, 0.7, 0.7, 0.7], 3, 6),
        ([0.7, 0.7, 0, 0.7, 0.7, 0], 3, 0),
        ([0.7], 3, 1),  # a video with fewer frames than hits must hit on all of them
        ([0.7, 0], 3, 0),
        ([0.7, 0.7], 3, 2),
    ],
)
def test_a_hit_must_persist(scores: list[float | None], hits: int, frames: int) -> None:
    found = segments(scores, template(hits=hits, window=3))
    assert sum(segment.frames for segment in found) == frames


def test_one_frame_that_is_sure_needs_no_second_one() -> None:
    once = template(hits=2, window=3, single=95)
    assert [s.confidence for s in segments([0, 0.95, 0, 0, 0], once)] == [95]
    assert segments([0, 0.94, 0, 0, 0], once) == []


def test_a_hit_among_the_sure_ones_does_not_need_to_be_sure() -> None:
    found = segments([0.7, 0.99, 0.7, 0, 0, 0, 0, 0.7], template(hits=2, window=3, single=95))
    assert [(s.start, s.end, s.frames) for s in found] == [(0.0, 3.0, 3)]


def test_a_failed_frame_counts_beside_a_hit_but_is_none_itself() -> None:
    # GIVEN a rule that asks for two of two
    rule = template(hits=2, window=2)
    # THEN a failure next to a hit does not break it up …
    assert [s.frames for s in segments([0, 0.7, FAILED, 0], rule)] == [1]
    # … and failures alone make nothing
    assert segments([FAILED, FAILED, FAILED], rule) == []


def test_the_worst_frame_gives_level_confidence_and_picture() -> None:
    looks = [
        look(0, 0.7),
        look(1, None, failed={}, observations=(seen(0.95, box={"left": 0.1, "top": 0, "width": 0.5, "height": 0.5}),)),
        look(2, 0.7),
    ]
    (found,) = video_segments([scan(*looks)], template(), REPORTERS, 3.0)
    assert (found.suggestion, found.confidence, found.picture_time) == (Suggestion.BLOCK, 95, 1.0)
    assert found.area == Box(left=0.1, top=0, width=0.5, height=0.5)
    assert (found.start, found.end, found.frames, found.detector) == (0.0, 3.0, 3, "gore")


def test_to_block_a_hit_must_persist_at_that_height() -> None:
    rule = template(hits=2, window=2)
    assert [s.suggestion for s in segments([0.95, 0.7, 0.7], rule)] == [Suggestion.REVIEW]
    assert [s.suggestion for s in segments([0.95, 0.95, 0.7], rule)] == [Suggestion.BLOCK]


def test_near_duplicates_carry_the_scores_of_their_original() -> None:
    looks = [look(0, 0.7), look(1, 0, duplicate_of=0), look(2, 0, duplicate_of=0), look(3, 0)]
    (found,) = video_segments([scan(*looks)], template(hits=3, window=3), REPORTERS, 4.0)
    assert (found.start, found.end, found.frames) == (0.0, 3.0, 3)


def test_a_failed_original_fails_its_duplicates() -> None:
    carried = looks_in_order([scan(look(0, FAILED), look(1, 0, duplicate_of=0))])[0]
    assert [look.failed for look in carried] == [{"gore": "broken"}] * 2


def test_segments_of_the_plan_are_one_timeline() -> None:
    # GIVEN a violation across the cut between two segments, given in the wrong order and one of them twice
    first = scan(look(0, 0), look(1, 0.7), index=0)
    second = scan(look(0, 0.7, time=2.0), look(1, 0, time=3.0), index=1)
    (found,) = video_segments([second, first, second], template(hits=2, window=2), REPORTERS, 4.0)
    assert (found.start, found.end, found.frames) == (1.0, 3.0, 2)


def test_tracks_are_judged_each_on_its_own() -> None:
    # GIVEN two tracks that hit at nearly the same time, each but once
    looks = [
        look(0, 0.7, track=0, time=0.0),
        look(1, 0.7, track=1, time=0.1),
        look(2, 0, track=0, time=1.0),
        look(3, 0, track=1, time=1.1),
    ]
    # THEN the hits do not add up over tracks, and each is found on its own
    assert video_segments([scan(*looks)], template(hits=2, window=2), REPORTERS, 2.0) == []
    found = video_segments([scan(*looks)], template(), REPORTERS, 2.0)
    assert {(s.track, s.start, s.end) for s in found} == {(0, 0.0, 1.0), (1, 0.1, 1.1)}


def test_texts_are_gathered_and_limited() -> None:
    looks = [look(n, None, failed={}, observations=(seen(0.7, text=f"code {n}"),)) for n in range(12)]
    (found,) = video_segments([scan(*looks)], template(), REPORTERS, 12.0)
    assert found.keywords == tuple(f"code {n}" for n in range(10))
    assert found.text == "code 0"


def test_a_cover_needs_no_persistence() -> None:
    cover = scan(look(0, None, failed={}, observations=(seen(0.7, Form.COVER),)), look(1, 0), index=3)
    (found,) = cover_segments(cover, template(hits=5, window=5), REPORTERS)
    assert (found.form, found.cover, found.start, found.end) == (Form.COVER, 3, 0.0, 0.0)
    assert cover_segments(scan(look(0, 0.9)), template(), REPORTERS) == []  # what a frame shows is no matter of covers


def test_worst_first_is_by_level_then_confidence_then_length() -> None:
    def segment(suggestion: Suggestion, confidence: int, start: float, end: float) -> Segment:
        return Segment(
            start=start,
            end=end,
            form=Form.IMAGE,
            label="terror",
            sub_label="bloody",
            confidence=confidence,
            suggestion=suggestion,
            detector="gore",
            frames=1,
        )

    ordered = [
        segment(Suggestion.BLOCK, 90, 5, 6),
        segment(Suggestion.REVIEW, 99, 5, 6),
        segment(Suggestion.REVIEW, 70, 0, 9),
        segment(Suggestion.REVIEW, 70, 0, 3),
        segment(Suggestion.REVIEW, 70, 3, 6),
    ]
    assert worst_first(reversed(ordered)) == ordered
