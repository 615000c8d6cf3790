"""An owner's own label from end to end, without a stack: a head beside a template, and a file moderated by it."""

import json
from pathlib import Path

import numpy as np
import pytest

from greenlight.libraries import beside
from greenlight.scan import scan
from greenlight.weights import ensure_weights
from moderation.detectors.heads import SHIPPED, WIDTH, Head, HeadsFile, encode
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion
from moderation.services.templates import load_template
from tests import clips


@pytest.fixture
def template(tmp_path: Path) -> str:
    """A template that asks for `mine`, in a folder with libraries."""
    rule = Rule(label="custom", sub_label="mine", forms=frozenset({Form.IMAGE}), review=60)
    asked = Template(name="own", revision=1, heads=("mine",), rules=(rule,))
    (tmp_path / "own.json").write_text(asked.model_dump_json())
    return str(tmp_path / "own.json")


def give(folder: Path, bias: float) -> None:
    """A head that says the same of every picture."""
    head = Head(name="mine", weights=encode(np.zeros(WIDTH)), bias=bias, thresholds={"0.01": 0.5}, permissive=False)
    file = HeadsFile(model_sha256=HeadsFile.read(SHIPPED).model_sha256, data_sha256="1" * 64, heads=(head,))
    path = folder / "libraries" / "heads" / "mine.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"sha256": file.digest, **file.model_dump()}))


@pytest.mark.parametrize(("bias", "suggestion"), [(3.0, Suggestion.REVIEW), (-3.0, Suggestion.PASS)])
def test_a_file_is_moderated_by_a_label_of_the_owners(
    template: str, tmp_path: Path, bias: float, suggestion: Suggestion
) -> None:
    give(tmp_path, bias)
    chosen = load_template(template)
    verdict = scan(clips.clean(), chosen, weights=ensure_weights(), libraries=beside(template, chosen)).verdict
    assert verdict is not None
    assert verdict.suggestion is suggestion
    assert {(s.label, s.sub_label, s.confidence) for s in verdict.segments} == (
        {("custom", "mine", 95)} if bias > 0 else set()
    )
    assert verdict.coverage.complete


def test_a_head_that_is_not_there_lets_nothing_pass(template: str) -> None:
    chosen = load_template(template)
    assert beside(template, chosen) == {}
    verdict = scan(clips.clean(), chosen, weights=ensure_weights()).verdict
    assert verdict is not None
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.REVIEW, ("detector_failed",))
    assert "mine" in str(verdict.coverage.detectors["own_heads"].reason)
