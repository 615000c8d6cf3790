"""The preset templates ask for what somebody can answer."""

import json

import pytest

from moderation.detectors.catalog import CATALOG
from moderation.models.template import Form, Template
from moderation.services.templates import PRESETS, load_template, preset_names

REPORTED = frozenset(target for spec in CATALOG for target in spec.reports)


def rules(name: str) -> dict[tuple[Form, str, str], dict[str, object]]:
    template = load_template(name)
    return {
        (form, rule.label, rule.sub_label): rule.model_dump(exclude={"forms"})
        for rule in template.rules
        for form in rule.forms
    }


def test_there_are_four() -> None:
    assert preset_names() == ["default", "fast", "standard", "strict"]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_valid_and_complete(name: str) -> None:
    document = (PRESETS / f"{name}.json").read_text()
    template = Template.model_validate_json(document)
    assert template.name == name
    assert template.description
    assert not template.auto_block
    assert set(json.loads(document)) <= set(Template.model_fields)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_asks_for_what_is_reported(name: str) -> None:
    assert load_template(name).targets() <= REPORTED


def test_strict_asks_for_everything_that_is_reported_on_frames() -> None:
    on_frames = [spec.reports for spec in CATALOG if spec.step == "frames" and not spec.owned]
    frames = {t for reports in on_frames for t in reports if t[0] not in (Form.COVER, Form.OCR)}
    assert frames <= load_template("strict").targets()


def test_each_preset_widens_the_one_before() -> None:
    assert rules("fast") == rules("default")
    assert load_template("fast").key_frames_only
    assert rules("default").items() <= rules("standard").items()
    assert rules("standard").keys() <= rules("strict").keys()
    for target, rule in rules("standard").items():
        assert rules("strict")[target]["review"] <= rule["review"]  # type: ignore[operator]


@pytest.mark.parametrize("name", preset_names())
def test_covers_are_asked_about_wherever_frames_are(name: str) -> None:
    targets = load_template(name).targets()
    for label in ("porn", "terror"):
        for form, found, sub_label in targets:
            if found == label and form is Form.IMAGE and (Form.COVER, label, sub_label) in REPORTED:
                assert (Form.COVER, label, sub_label) in targets
