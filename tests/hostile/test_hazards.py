"""Each hazard of the table becomes what the table says, at a bounded cost."""

import json
import sys
import time
from pathlib import Path

import pytest

from moderation.media.ffmpeg import MediaRefused
from moderation.media.plan import make_plan
from moderation.models.verdict import Suggestion
from tests.bench import measure
from tests.hostile import HAZARDS, Hazard
from tests.hostile.documented import PAGE, table
from tests.hostile.looking import look

GREENLIGHT = Path(sys.executable).with_name("greenlight")
REFUSED = [pytest.param(hazard, id=hazard.name) for hazard in HAZARDS.values() if hazard.refused]
LOOKED_AT = [pytest.param(hazard, id=hazard.name) for hazard in HAZARDS.values() if not hazard.refused]
CPU_SECONDS = 4.0
"""Three on a quiet machine. Wall time means nothing where other tests run beside."""
PEAK_MB = 256


COSTLY = {
    *("sparse_zeros", "sparse_matroska", "too_large", "many_sounds", "h264_bomb_in_disguise", "png_bomb"),
    *("cover_bomb", "moov_bomb", "nested_boxes", "edit_bomb", "scrolling_tags", "many_tags"),
}
ONE_OF_EACH = {hazard.refused: hazard.name for hazard in HAZARDS.values() if hazard.refused}.values()


@pytest.mark.parametrize("hazard", REFUSED)
def test_a_refusal_says_why(hazard: Hazard) -> None:
    source = hazard.make()

    with pytest.raises(MediaRefused) as refused:
        make_plan(source, deadline=time.monotonic() + 60)
    assert refused.value.code is hazard.refused
    # AND the whole way comes to the same
    scanned = look(source)
    assert scanned.verdict is None
    assert (scanned.job.outcome, scanned.job.error and scanned.job.error.code) == ("refused", hazard.refused)


@pytest.mark.parametrize("name", sorted({*COSTLY, *ONE_OF_EACH}))
def test_a_refusal_is_quick_and_small(name: str) -> None:
    """On the command line, which is larger than the plan function. `python -m tests.hostile` measures them all."""
    hazard = HAZARDS[name]
    used = measure.run([str(GREENLIGHT), "scan", str(hazard.make()), "--json"], accept=(3,))

    assert json.loads(used.output)["error"]["code"] == hazard.refused
    assert used.cpu <= CPU_SECONDS
    assert used.peak_mb <= PEAK_MB


@pytest.mark.parametrize("hazard", LOOKED_AT)
def test_what_is_hidden_is_found_and_what_is_not_seen_is_told(hazard: Hazard) -> None:
    verdict = look(hazard.make()).verdict

    assert verdict is not None
    assert set(verdict.evasions) == hazard.evasions
    assert set(verdict.reasons) == hazard.gaps
    assert (verdict.label == "ad") is hazard.hides
    # AND nothing passes unseen
    if verdict.suggestion is Suggestion.PASS:
        assert verdict.coverage.frames_scored >= verdict.coverage.frames_planned > 0
        assert verdict.coverage.frames_decoded == verdict.coverage.frames_expected


@pytest.mark.parametrize(
    ("name", "most"), [("growing_to_a_bomb", 300), ("gigantic_tag", 300), ("gigantic_id3", 300), ("largest", 400)]
)
def test_what_is_looked_at_stays_small(name: str, most: int) -> None:
    stage = [sys.executable, "-m", "tests.bench.stage", "extract", str(HAZARDS[name].make()), "standard"]

    assert measure.run(stage).peak_mb <= most


def test_the_page_about_hazards_is_up_to_date() -> None:
    assert table() in PAGE.read_text()
