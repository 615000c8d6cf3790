"""The catalog says the truth about its detectors, and can be read where nothing of theirs is installed."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from greenlight.weights.manifest import load_manifest
from moderation.detectors.catalog import CATALOG, CLASSIFY, DETAIL, DetectorSpec, model_set, needed, sizes
from moderation.detectors.frozen import mark_frozen
from moderation.detectors.scanner import Scanner
from moderation.models.observation import FrameLook
from moderation.models.template import Form
from moderation.services.templates import load_template
from tests.unit.detectors.conftest import files


@pytest.fixture(scope="module")
def sights(photos: list[Image.Image]) -> list[Image.Image]:
    """Something for every detector."""
    code = zxingcpp.create_barcode("https://example.com", zxingcpp.BarcodeFormat.QRCode)
    with_code = photos[0].copy()
    with_code.paste(Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=5, add_quiet_zones=True)), (50, 50))
    return [*photos, with_code, *(Image.new("RGB", (400, 300), colour) for colour in ("black", "white", "red"))]


@pytest.mark.parametrize("form", [Form.IMAGE, Form.COVER])
@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: spec.name)
def test_every_entry_loads_and_reports_what_it_declares(
    weights: Path, sights: list[Image.Image], spec: DetectorSpec, form: Form
) -> None:
    # GIVEN the detector alone, with the one size it asks for
    scanner = Scanner([spec], weights)
    assert [detector.name for detector in scanner.detectors] == [spec.name]

    # WHEN it looks at all there is
    results = [scanner.look({spec.size.name: files(sight)[spec.size.name]}, form=form) for sight in sights]

    # THEN it reports something, under its name, and no target that it has not declared
    assert all(result.failed == {} for result in results)
    seen = [observation for result in results for observation in result.observations]
    assert {observation.detector for observation in seen} == {spec.name}
    assert {(o.form, o.label, o.sub_label) for o in seen} <= spec.reports


def test_what_is_marked_afterwards_is_declared_too() -> None:
    marked = mark_frozen([FrameLook(ordinal=0, time=0.0), FrameLook(ordinal=1, time=1.0, duplicate_of=0)])
    (seen,) = marked[1].observations
    (spec,) = (spec for spec in CATALOG if spec.name == seen.detector)
    assert (seen.form, seen.label, seen.sub_label) in spec.reports


def test_names_are_unique_and_targets_have_one_detector() -> None:
    assert len({spec.name for spec in CATALOG}) == len(CATALOG)
    targets = [target for spec in CATALOG for target in spec.reports]
    assert len(targets) == len(set(targets))


def test_every_model_is_in_the_manifest_of_the_vision_layer() -> None:
    layers = {entry.name: entry.layer for entry in load_manifest().weights}
    assert {layers[model] for spec in CATALOG for model in spec.models} == {"weights-vision"}


def test_a_template_needs_the_detectors_that_report_what_it_asks_about() -> None:
    assert [spec.name for spec in needed(load_template("default"))] == ["explicit", "gore", "sexy"]
    everything = [spec.name for spec in CATALOG]
    assert [spec.name for spec in needed(load_template("standard"))] == [one for one in everything if one != "heads"]
    assert [spec.name for spec in needed(load_template("strict"))] == everything
    assert sizes(needed(load_template("default"))) == (CLASSIFY,)
    assert sizes(CATALOG) == (CLASSIFY, DETAIL)


def test_the_model_set_changes_with_versions_and_models_but_not_with_order() -> None:
    first, *rest = CATALOG
    whole = model_set(CATALOG)
    assert model_set(reversed(CATALOG)) == whole
    assert model_set([dataclasses.replace(first, version="next"), *rest]) != whole
    assert model_set([dataclasses.replace(first, models=("other",)), *rest]) != whole
    assert model_set(rest) != whole


def test_the_catalog_can_be_read_without_any_of_the_libraries() -> None:
    # GIVEN a Python where importing what the inference layer holds fails
    program = """
import sys
for name in ("numpy", "PIL", "onnxruntime", "zxingcpp"):
    sys.modules[name] = None
from moderation.detectors.catalog import CATALOG, model_set, needed, sizes
import moderation.detectors.frozen
from moderation.services.templates import load_template
print(len(CATALOG), len(needed(load_template("strict"))), model_set(CATALOG), len(sizes(CATALOG)))
"""
    # WHEN plan, extract and aggregate use the catalog there
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    # THEN it is the same
    assert answer.stdout.split() == [str(len(CATALOG)), str(len(CATALOG)), model_set(CATALOG), "2"]
