"""Files of heads keep what was trained, and the detector says it in the product's words."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenlight.weights.manifest import load_manifest
from moderation.detectors import heads
from moderation.detectors.base import Frame
from moderation.detectors.catalog import CATALOG
from moderation.detectors.heads import SHIPPED, WIDTH, Head, Heads, HeadsDamaged, HeadsFile, encode
from moderation.detectors.labels import MEANINGS
from moderation.detectors.lite import Impression, Lite
from moderation.models.observation import Observation
from moderation.models.template import Form
from tests.unit.detectors.conftest import MakeFrame

SHIPPED_HEADS = HeadsFile.read(SHIPPED)


def head(name: str, bias: float = 0.0, weights: np.ndarray | None = None) -> Head:
    vector = np.zeros(WIDTH) if weights is None else weights
    return Head(name=name, weights=encode(vector), bias=bias, thresholds={"0.01": 0.5}, permissive=True)


def write(path: Path, *made: Head) -> Path:
    HeadsFile(model_sha256="0" * 64, data_sha256="1" * 64, heads=made).write(path)
    return path


def look(path: Path, form: Form = Form.IMAGE) -> list[Observation]:
    class Seen(Frame):
        def result(self, model):
            assert model is Lite
            return Impression((), np.ones(WIDTH, np.float16))

    (observations,) = Heads(path).observe([Seen({}, path.parent, form)])
    return observations


def test_a_score_is_the_logistic_of_a_line(tmp_path: Path) -> None:
    weights = np.zeros(WIDTH)
    weights[[3, 7]] = 0.5, -1.25
    path = write(tmp_path / "heads.json", head("fire", 0.25, weights))
    embedding = np.zeros(WIDTH, np.float16)
    embedding[[3, 7]] = 2, 1
    assert heads.load(path).scores(embedding) == {"fire": pytest.approx(0.5)}
    embedding[7] = 0
    assert heads.load(path).scores(embedding) == {"fire": pytest.approx(1 / (1 + np.exp(-1.25)))}


def test_the_strongest_of_one_sub_label_is_reported_with_its_kind(tmp_path: Path) -> None:
    # GIVEN three heads of weapons, one of fire and one that has no meaning
    path = write(
        tmp_path / "heads.json", head("fire", -2), head("own", 5), *(head(f"weapon_{k}", b) for k, b in KINDS.items())
    )

    # THEN weapons come once
    for form in (Form.IMAGE, Form.COVER):
        fire, weapon = sorted(look(path, form), key=lambda seen: seen.sub_label)
        assert (fire.sub_label, fire.text, fire.form) == ("fire", None, form)
        assert (weapon.label, weapon.sub_label, weapon.text) == ("terror", "weapon", "blade")
        assert weapon.score == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)

    # AND the head of the whole sub_label, where there is one, has the say on the score
    kinds = [head(f"weapon_{kind}", bias) for kind, bias in KINDS.items()]
    (seen,) = look(write(tmp_path / "whole.json", head("weapon", -1), *kinds))
    assert seen.text == "blade"
    assert seen.score == pytest.approx(1 / (1 + np.exp(1)), abs=1e-4)


KINDS = {"gun": 0.0, "blade": 1.0, "heavy": -1.0}


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["heads"][0].update(bias=-9.0),
        lambda document: document["heads"][0].update(weights=encode(np.ones(WIDTH))),
        lambda document: document["heads"][0].update(weights=encode(np.ones(WIDTH - 1))),
        lambda document: document["heads"][0].update(weights=encode(np.full(WIDTH, np.nan))),
        lambda document: document["heads"].pop(),
        lambda document: document.update(model_sha256="2" * 64),
        lambda document: document.update(version=2),
        lambda document: document.pop("sha256"),
    ],
)
def test_a_file_that_was_changed_is_refused(tmp_path: Path, change) -> None:
    path = write(tmp_path / "heads.json", head("fire"))
    assert HeadsFile.read(path).heads[0].name == "fire"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(HeadsDamaged):
        look(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "\ud800"])
def test_a_file_that_holds_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "heads.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(HeadsDamaged):
        HeadsFile.read(path)
    with pytest.raises(HeadsDamaged):
        HeadsFile.read(tmp_path / "missing.json")


def test_the_shipped_heads_are_of_the_shipped_model_and_all_have_a_meaning() -> None:
    (lite,) = (entry for entry in load_manifest().weights if entry.name == "lite")
    (spec,) = (spec for spec in CATALOG if spec.name == "heads")
    assert lite.output.sha256 == SHIPPED_HEADS.model_sha256
    assert spec.version == SHIPPED_HEADS.digest[: len(spec.version)]
    assert len(spec.version) == 12
    assert {one.name for one in SHIPPED_HEADS.heads} == MEANINGS.keys()
    assert SHIPPED.stat().st_size < 60_000


def test_films_show_none_of_it(photos: list[Image.Image], frame: MakeFrame) -> None:
    # GIVEN four scenes of a film, a concert
    for photo in photos:
        (observations,) = Heads().observe([frame(photo)])

        # THEN each target is reported once, none as strongly as one benign picture in five hundred
        assert sorted((seen.label, seen.sub_label) for seen in observations) == sorted(
            {(meaning.label, meaning.sub_label) for meaning in MEANINGS.values()}
        )
        limits = {one.name: one.thresholds["0.002"] for one in SHIPPED_HEADS.heads}
        assert all(seen.score < limits[seen.sub_label] for seen in observations)
