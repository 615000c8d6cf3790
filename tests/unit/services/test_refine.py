"""The second look on a real clip: chosen after the first one, decoded again where it was asked for, and judged."""

import contextlib
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

from greenlight.scan import scan
from moderation.models.errors import Permanent
from moderation.models.observation import Scan
from moderation.models.plan import Plan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion, Verdict
from moderation.ports import Objects
from moderation.services.extract import Extraction
from moderation.services.refine import Refining
from moderation.services.work import Work
from tests import clips
from tests.media_samples import make

SHOWN_FROM, SHOWN_TO = 8.36, 9.48
"""When the code is in the picture."""


@cache
def flashing() -> Path:
    """Twenty seconds at 25 frames a second with a key frame every two, in which a small code shows for a moment."""
    moving = ("-f", "lavfi", "-t", "20", "-i", "testsrc2=size=640x360:rate=25")
    small = "[0:v]hue=s=0[v];[1:v]scale=90:90:flags=neighbor[c]"
    shown = f"{small};[v][c]overlay=20:20:enable='between(t,{SHOWN_FROM},{SHOWN_TO - 0.02})'[out]"
    code = ("-i", clips.code_picture(), "-filter_complex", shown, "-map", "[out]")
    return make("flashing.mp4", *moving, *code, "-g", "50", "-c:v", "libx264", "-preset", "veryfast")


def codes(*, hits: int = 1, window: int = 1) -> Template:
    rule = Rule(label="ad", sub_label="qrcode", forms=frozenset({Form.CODE}), review=60, hits=hits, window=window)
    return Template(name="codes", revision=1, rules=(rule,))


def moderated(template: Template) -> tuple[Verdict, Plan]:
    kept: list[Plan] = []

    def keep(objects: Objects, work: Work) -> None:
        with contextlib.suppress(Exception):
            kept.append(Plan.model_validate_json(objects.get(work.refinement)))

    verdict = scan(flashing(), template, weights=Path(), left=keep).verdict
    assert verdict is not None
    return verdict, kept[0] if kept else Plan.model_construct(windows=())


def test_a_segment_is_bounded_to_a_quarter_of_a_second() -> None:
    verdict, plan = moderated(codes())
    (found,) = verdict.segments
    assert SHOWN_FROM <= found.start <= SHOWN_FROM + 0.25
    assert SHOWN_TO <= found.end <= SHOWN_TO + 0.25
    assert verdict.coverage.complete
    # and only what leads there from the last key frame is decoded for it
    assert verdict.coverage.windows_planned == verdict.coverage.windows_scanned == len(plan.windows) > 0
    assert all(window.seek is not None and window.start - window.seek < 5 for window in plan.windows)
    assert verdict.coverage.windows_frames <= 24 + 0.15 * verdict.coverage.frames_scored


def test_a_hit_that_lasts_is_confirmed() -> None:
    # GIVEN a rule that asks for two looks a second apart, of which the code is there for but one
    template = codes(hits=2, window=2)
    verdict, _ = moderated(template)
    assert verdict.suggestion is Suggestion.REVIEW
    assert [(s.label, s.sub_label) for s in verdict.segments] == [("ad", "qrcode")]


def test_only_those_look_again_who_can_answer() -> None:
    dark = Rule(label="undesirable", sub_label="dark", forms=frozenset({Form.IMAGE}), review=80, hits=15, window=20)
    looked: list[set[str]] = []

    def keep(objects: Objects, work: Work) -> None:
        windows = Plan.model_validate_json(objects.get(work.refinement)).windows
        for index in (0, *(window.index for window in windows)):
            looked.append(set(Scan.model_validate_json(objects.get(work.scan(index))).detectors))

    verdict = scan(flashing(), codes().model_copy(update={"rules": (*codes().rules, dark)}), weights=Path(), left=keep)
    first, *again = looked
    assert first == {"codes", "screens"}
    assert again
    assert all(one == {"codes"} for one in again)
    assert verdict.verdict is not None
    assert verdict.verdict.coverage.complete


def test_windows_that_were_never_chosen_were_not_looked_at() -> None:
    with patch.object(Refining, "run", side_effect=Permanent("broken", "the step failed")):
        verdict, _ = moderated(codes(hits=2, window=2))
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.REVIEW, ("second_look_failed",))


def test_a_window_that_cannot_be_decoded_asks_for_a_person() -> None:
    run = Extraction.run

    def broken(self: Extraction, job_id: str, index: int, seconds: float) -> bool:
        if index > 0:
            raise Permanent("timeout", "the file takes too long to read")
        return run(self, job_id, index, seconds)

    with patch.object(Extraction, "run", broken):
        verdict, _ = moderated(codes(hits=2, window=2))
        alone, _ = moderated(codes())
    assert (verdict.suggestion, verdict.reasons, verdict.segments) == (
        Suggestion.REVIEW,
        ("second_look_failed",),
        (),
    )
    # and where only the ends were asked for, the first look stands
    (found,) = alone.segments
    assert (alone.reasons, alone.coverage.windows_scanned) == ((), 0)
    assert found.start == pytest.approx(9.0, abs=0.1)
