"""Files of heads keep what was trained, and the detector says it in the product's words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from greenlight.weights.manifest import load_manifest
from moderation.detectors import heads
from moderation.detectors.base import Frame
from moderation.detectors.catalog import CATALOG, needed
from moderation.detectors.heads import SHIPPED, TAGS, WIDTH, Head, Heads, HeadsDamaged, HeadsFile, OwnHeads, encode
from moderation.detectors.labels import LOOKED_AT_CLOSELY, MEANINGS
from moderation.detectors.lite import Impression, Lite
from moderation.detectors.weapons import CLOSE
from moderation.models.observation import Observation
from moderation.models.template import Form, Rule, Template
from tests.unit.detectors.conftest import MakeFrame

SHIPPED_HEADS = HeadsFile.read(SHIPPED)


def head(name: str, bias: float = 0.0, weights: np.ndarray | None = None, **more: Any) -> Head:
    vector = np.zeros(WIDTH) if weights is None else weights
    return Head(name=name, weights=encode(vector), bias=bias, thresholds={"0.01": 0.5}, permissive=True, **more)


def seen(embedding: np.ndarray, chances: np.ndarray | None = None) -> Impression:
    return Impression((), embedding, np.zeros(TAGS, np.float16) if chances is None else chances)


ONES = seen(np.ones(WIDTH, np.float16))


def write(path: Path, *made: Head) -> Path:
    HeadsFile(model_sha256="0" * 64, data_sha256="1" * 64, heads=made).write(path)
    return path


def look(path: Path, form: Form = Form.IMAGE) -> list[Observation]:
    class Seen(Frame):
        def result(self, model):
            assert model is Lite
            return ONES

    (observations,) = Heads(path).observe([Seen({}, path.parent, form)])
    return observations


def test_a_score_is_the_logistic_of_a_line(tmp_path: Path) -> None:
    weights = np.zeros(WIDTH)
    weights[[3, 7]] = 0.5, -1.25
    path = write(tmp_path / "heads.json", head("fire", 0.25, weights))
    embedding = np.zeros(WIDTH, np.float16)
    embedding[[3, 7]] = 2, 1
    assert heads.load(path).scores(seen(embedding)) == {"fire": pytest.approx(0.5)}
    embedding[7] = 0
    assert heads.load(path).scores(seen(embedding)) == {"fire": pytest.approx(1 / (1 + np.exp(-1.25)))}


def test_tags_speak_for_a_head_and_against_it(tmp_path: Path) -> None:
    # GIVEN a head that leans on two tags, and one that leans against a third
    made = head("fire", tags=(3, 999), tag_weight=0.5), head("smoking", tags=(7,), tag_weight=-0.5), head("crowd")
    bank = heads.load(write(tmp_path / "heads.json", *made))

    # THEN each goes by the logarithm of what its own tags have together
    chances = np.zeros(TAGS, np.float16)
    chances[[3, 999, 8]] = 0.25, 0.5, 0.25
    half_log = 0.5 * np.log([0.7501, 0.0001])
    expected = 1 / (1 + np.exp(-half_log[0])), 1 / (1 + np.exp(half_log[1])), 0.5
    assert list(bank.scores(seen(np.ones(WIDTH), chances)).values()) == pytest.approx(expected, rel=1e-4)


def test_a_head_without_tags_is_written_as_it_always_was(tmp_path: Path) -> None:
    write(tmp_path / "heads.json", head("fire"), head("smoking", tags=(7,), tag_weight=-0.5))
    plain, leaning = json.loads((tmp_path / "heads.json").read_text())["heads"]
    assert leaning.keys() - plain.keys() == {"tags", "tag_weight"}
    with pytest.raises(ValueError, match="less than 1000"):
        head("fire", tags=(TAGS,))


def test_of_one_sub_label_the_strongest_kind_is_told(tmp_path: Path) -> None:
    # GIVEN three heads of weapons, one of fire and one that has no meaning
    kinds = [head(f"weapon_{kind}", bias) for kind, bias in KINDS.items()]
    path = write(tmp_path / "heads.json", head("fire", -2), head("own", 5), *kinds)
    nothing = seen(np.zeros(WIDTH, np.float16))

    # THEN weapons come once
    said = heads.judged(heads.load(path), nothing)
    assert said.keys() == {("terror", "fire"), ("terror", "weapon")}
    assert said["terror", "fire"][1] is None
    score, kind = said["terror", "weapon"]
    assert score == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)
    assert kind == "blade"

    # AND the head of the whole sub_label, where there is one, may be surer, but no less sure
    for bias, surest in ((3, 3), (-1, 1)):
        whole = heads.load(write(tmp_path / f"whole{surest}.json", head("weapon", bias), *kinds))
        score, kind = heads.judged(whole, nothing)["terror", "weapon"]
        assert score == pytest.approx(1 / (1 + np.exp(-surest)), abs=1e-4)
        assert kind == "blade"


def test_what_is_looked_at_closely_is_reported_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path / "heads.json", head("fire"), head("weapon_gun"), head("crowd"))
    for form in (Form.IMAGE, Form.COVER):
        (seen,) = look(path, form)
        assert (seen.label, seen.sub_label, seen.text, seen.form) == ("terror", "fire", None, form)


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
    close = HeadsFile.read(CLOSE)
    versions = {spec.name: spec.version for spec in CATALOG}
    assert lite.output.sha256 == SHIPPED_HEADS.model_sha256 == close.model_sha256
    assert versions["heads"] == versions["crowd"] == SHIPPED_HEADS.digest[:12]
    assert versions["weapons"] == f"{SHIPPED_HEADS.digest[:12]}-{close.digest[:12]}-3"
    assert [one.name for one in close.heads] == ["weapon_close"]
    assert {one.name for one in SHIPPED_HEADS.heads} == MEANINGS.keys()
    assert SHIPPED.stat().st_size < 60_000


def test_films_show_none_of_it(photos: list[Image.Image], frame: MakeFrame) -> None:
    # GIVEN four scenes of a film, a concert
    for photo in photos:
        (observations,) = Heads().observe([frame(photo)])

        # THEN each target is reported once, none as strongly as one benign picture in five hundred
        assert sorted((seen.label, seen.sub_label) for seen in observations) == sorted(
            {(meaning.label, meaning.sub_label) for meaning in MEANINGS.values()} - LOOKED_AT_CLOSELY
        )
        limits = {one.name: one.thresholds["0.002"] for one in SHIPPED_HEADS.heads}
        assert all(seen.score < limits[seen.sub_label] for seen in observations)


def own(name: str, *made: Head, model: str = SHIPPED_HEADS.model_sha256) -> dict[str, bytes]:
    file = HeadsFile(model_sha256=model, data_sha256="1" * 64, heads=made)
    return {name: json.dumps({"sha256": file.digest, **file.model_dump()}).encode()}


def look_own(documents: Mapping[str, bytes | None]) -> list[tuple[str, str, float]]:
    class Seen(Frame):
        def result(self, model):
            return ONES

    (observations,) = OwnHeads(documents).observe([Seen({}, Path())])
    return [(o.label, o.sub_label, o.score) for o in observations]


def test_an_owners_head_is_a_label_of_its_own() -> None:
    documents = own("vape", head("vape", 2.0), head("pipe")) | own("logo_x", head("logo_x", -2.0))
    assert look_own(documents) == [("custom", "vape", 0.8808), ("custom", "logo_x", 0.1192)]


@pytest.mark.parametrize(
    "documents",
    [
        {"vape": None},
        {"vape": b"{}"},
        own("vape", head("pipe")),
        own("vape", head("vape"), model="0" * 64),
        {"vape": own("vape", head("vape"))["vape"].replace(b'"bias": 0.0', b'"bias": 9.0')},
    ],
    ids=["missing", "no heads", "another head", "another model", "changed"],
)
def test_an_owners_head_that_cannot_be_used_fails(documents: dict[str, bytes | None]) -> None:
    with pytest.raises(HeadsDamaged):
        look_own(documents)


def test_a_template_names_the_owners_heads() -> None:
    rule = Rule(label="custom", sub_label="vape", forms=frozenset({Form.IMAGE}), review=50)
    (spec,) = needed(Template(name="t", revision=1, heads=("vape",), rules=(rule,)))
    assert (spec.name, spec.models) == ("own_heads", ("lite",))
    assert (Form.IMAGE, "custom", "vape") in spec.reports
    with pytest.raises(ValueError, match="needs vape among the template's heads"):
        Template(name="t", revision=1, rules=(rule,))


def test_permissive_only_leaves_out_what_learnt_from_other_data() -> None:
    rule = Rule(label="terror", sub_label="fire", forms=frozenset({Form.IMAGE}), review=50)
    assert [spec.name for spec in needed(Template(name="t", revision=1, rules=(rule,)))] == ["heads"]
    assert needed(Template(name="t", revision=1, permissive_only=True, rules=(rule,))) == ()
    assert not any(one.permissive for one in SHIPPED_HEADS.heads)  # else they are left in, by a detector of their own
