"""A file of weights that is missing or broken: what its model was to look at was not looked at."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from greenlight.weights.store import weights_folder
from moderation.coverage import Evidence
from moderation.detectors.catalog import needed, sizes
from moderation.detectors.scanner import Scanner
from moderation.models.observation import FrameLook, Scan
from moderation.models.verdict import Suggestion, Versions
from moderation.services.templates import load_template
from moderation.verdict import judge, targets_of
from tests.builders import NOON, silent_plan

TEMPLATE = load_template("standard")
SPECS = needed(TEMPLATE, "frames")
MODELS = sorted({model for spec in SPECS for model in spec.models})


HARMS: dict[str, Callable[[bytes, bytes], bytes | None]] = {
    "missing": lambda whole, other: None,
    "empty": lambda whole, other: b"",
    "cut short": lambda whole, other: whole[: len(whole) // 2],
    "garbled": lambda whole, other: bytes(1000) + whole[1000:],
    "no model": lambda whole, other: b"<html>404 Not Found</html>",
    "another's": lambda whole, other: other,
}
CASES = [(MODELS[0], harm) for harm in HARMS] + [(model, "cut short") for model in MODELS[1:]]


@pytest.fixture(scope="module")
def whole() -> dict[str, Path]:
    return {model: weights_folder() / f"{model}.onnx" for model in MODELS}


@pytest.fixture(scope="module")
def picture() -> dict[str, bytes]:
    """A photo-like picture with a caption at both sizes."""
    shown = Image.fromarray(np.random.default_rng(1).integers(90, 160, (256, 448, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(shown)
    draw.rectangle((0, 190, 448, 256), fill="black")
    draw.text((20, 196), "Breaking news", fill="white", font=ImageFont.load_default(44))
    stored = BytesIO()
    shown.save(stored, "JPEG")
    return dict.fromkeys({size.name for size in sizes(SPECS)}, stored.getvalue())


@pytest.fixture(autouse=True)
def in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are asked where a score leaves doubt are asked always."""
    for gate in ("crowd._ASKED", "sexy._ASKED"):
        monkeypatch.setattr(f"moderation.detectors.{gate}", 0.0)


@pytest.mark.parametrize(("model", "harm"), CASES)
def test_a_broken_model_is_never_clean_and_harms_no_other(
    model: str, harm: str, whole: dict[str, Path], picture: dict[str, bytes], tmp_path: Path
) -> None:
    # GIVEN weights of which one file is not what it should be
    other = whole[MODELS[(MODELS.index(model) + 1) % len(MODELS)]]
    for path in weights_folder().iterdir():
        if path.is_file() and path != whole[model]:
            (tmp_path / path.name).symlink_to(path)
    broken = HARMS[harm](whole[model].read_bytes(), other.read_bytes())
    if broken is not None:
        (tmp_path / f"{model}.onnx").write_bytes(broken)

    # WHEN a picture is looked at, in two threads as in a step
    scanner = Scanner(SPECS, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(scanner.look, [picture] * 2))

    # THEN the detectors that need that model failed, with their reason, and no other did
    needing = {spec.name for spec in SPECS if model in spec.models}
    for result in results:
        assert result.failed.keys() == needing
        assert all(result.failed.values())
    # AND the verdict is not clean
    looks = [FrameLook(ordinal=n, time=float(n), failed=r.failed, observations=()) for n, r in enumerate(results)]
    scan = Scan(
        index=0,
        looks=tuple(looks),
        detectors={spec.name: spec.version for spec in SPECS},
        planned=2,
        decoded=50,
        expected=50,
    )
    evidence = Evidence(
        plan=silent_plan(),
        scans=[scan],
        covers=[],
        covers_planned=0,
        detectors=scan.detectors,
        reporters=targets_of([(spec.name, spec.reports) for spec in SPECS]),
    )
    versions = Versions(template=TEMPLATE.id, models="m", sampling="1 s", software="0")
    verdict = judge(evidence, TEMPLATE, media_id="0" * 32, job_id="j", versions=versions, now=NOON)
    assert verdict.suggestion is Suggestion.REVIEW
    assert "detector_failed" in verdict.reasons
    assert {name for name, state in verdict.coverage.detectors.items() if state.state == "failed"} == needing
