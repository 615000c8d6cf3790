from pathlib import Path

import pytest

from greenlight.simulate.measure import measured
from greenlight.simulate.published import steps
from greenlight.weights import ensure_weights
from moderation.media.ffmpeg import MediaRefused
from moderation.services.templates import load_template
from tests import clips


def test_every_step_of_a_clip_is_measured_and_what_it_lacks_costs_nothing():
    # GIVEN a clip in which somebody speaks, and one without sound
    template, weights, known = load_template("default"), ensure_weights(), steps()
    height, loud = measured(clips.speech(), template, weights, known)
    _, silent = measured(clips.short(), template, weights, known)
    # THEN what was assumed of them is replaced
    assert set(loud["extract"]) == {height}
    for step in ("scan", "hear"):
        assert loud[step] > 0
        assert loud[step] != known[step]
    assert silent["hear"] == 0
    assert silent["scan"] > 0
    # AND what a clip does not tell stays
    assert loud["refine"] == known["refine"]


def test_what_plan_refuses_is_not_measured(tmp_path: Path):
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(MediaRefused):
        measured(path, load_template("default"), ensure_weights(), steps())
