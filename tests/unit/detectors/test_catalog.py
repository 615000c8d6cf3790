"""The catalog says the truth about its detectors, and can be read where nothing of theirs is installed."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from greenlight.weights.manifest import load_manifest
from moderation.detectors.catalog import CATALOG, CLASSIFY, DETAIL, DetectorSpec, model_set, needed, sizes
from moderation.detectors.scanner import Scanner
from moderation.models.template import Form
from moderation.services.templates import load_template
from tests.unit.detectors.conftest import ON_FRAMES, at_its_size

LOOKING = tuple(spec for spec in CATALOG if spec.step == "frames" and spec.chosen != ("ocr", "small"))


@pytest.fixture(scope="module")
def sights(photos: list[Image.Image]) -> list[Image.Image]:
    """Something for every detector."""
    code = zxingcpp.create_barcode("https://example.com", zxingcpp.BarcodeFormat.QRCode)
    with_code = photos[0].copy()
    with_code.paste(Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=5, add_quiet_zones=True)), (50, 50))
    with_text = Image.new("RGB", (640, 360), "white")
    ImageDraw.Draw(with_text).text((40, 140), "SOMETHING TO READ", fill="black", font=ImageFont.load_default(48))
    plain = [Image.new("RGB", (400, 300), colour) for colour in ("black", "white", "red")]
    return [*photos, with_code, with_text, *plain]


@pytest.mark.parametrize("form", [Form.IMAGE, Form.COVER])
@pytest.mark.parametrize("spec", ON_FRAMES, ids=lambda spec: spec.name)
def test_every_entry_loads_and_reports_what_it_declares(
    weights: Path, sights: list[Image.Image], spec: DetectorSpec, form: Form
) -> None:
    # GIVEN the detector alone, with the one size it asks for
    scanner = Scanner([spec], weights)
    assert [detector.name for detector in scanner.detectors] == [spec.name]

    # WHEN it looks at all there is
    results = [scanner.look(at_its_size(spec, sight), form=form) for sight in sights]

    # THEN it reports something, under its name, and no target that it has not declared
    assert all(result.failed == {} for result in results)
    seen = [observation for result in results for observation in result.observations]
    assert {observation.detector for observation in seen} == {spec.name}
    assert {(o.form, o.label, o.sub_label) for o in seen} <= spec.reports


def test_names_are_unique_and_targets_of_frames_have_one_detector() -> None:
    assert len({spec.name for spec in CATALOG}) == len(CATALOG)
    targets = [target for spec in LOOKING for target in spec.reports]
    assert len(targets) == len(set(targets))


def test_every_model_is_in_the_manifest_of_the_vision_layer() -> None:
    layers = {entry.name: entry.layer for entry in load_manifest().weights}
    assert {layers[model] for spec in ON_FRAMES for model in spec.models} == {"weights-vision"}


def test_every_model_of_sound_is_in_the_manifest_of_its_layer() -> None:
    layers = {entry.name: entry.layer for entry in load_manifest().weights}
    listening = [spec for spec in CATALOG if spec.step == "audio"]
    assert {layers[model] for spec in listening for model in spec.models} == {"weights-sound"}


def test_a_template_needs_the_detectors_that_report_what_it_asks_about() -> None:
    def names(template: str) -> list[str]:
        return [spec.name for spec in needed(load_template(template), "frames")]

    assert names("default") == ["explicit", "gore", "sexy", "ocr"]
    everything = [spec.name for spec in LOOKING if not spec.owned]
    strict_only = {"heads", "weapons", "violence", "crowd"}
    assert names("standard") == [one for one in everything if one not in strict_only]
    assert names("strict") == everything
    assert sizes(spec for spec in CATALOG if spec.name in ("explicit", "gore", "sexy")) == (CLASSIFY,)
    assert sizes(CATALOG) == (CLASSIFY, DETAIL)


@pytest.mark.parametrize(("speech", "recogniser"), [("whisper", "speech"), ("moonshine", "speech_en")])
def test_a_template_needs_the_one_recogniser_that_it_chose(speech: str, recogniser: str) -> None:
    template = load_template("default").model_copy(update={"speech": speech})
    assert [spec.name for spec in needed(template, "audio")] == ["voice", recogniser]
    assert set(needed(template, "frames")) | set(needed(template, "audio")) <= set(needed(template))


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
from moderation.services.templates import load_template
print(len(CATALOG), len(needed(load_template("strict"), "frames")), model_set(CATALOG), len(sizes(CATALOG)))
"""
    # WHEN plan, extract and aggregate use the catalog there
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    # THEN it is the same
    assert answer.stdout.split() == [
        str(len(CATALOG)),
        str(len(needed(load_template("strict"), "frames"))),
        model_set(CATALOG),
        "2",
    ]
