"""Heads trained on pictures drawn for it, through the command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from greenlight.cli import app
from greenlight.heads.data import HeadPlan, Recipe, Sample, read
from greenlight.heads.embed import Looks, embed, extracted
from greenlight.heads.errors import HeadsError
from greenlight.heads.train import Set, together, train
from greenlight.weights import ensure_weights
from moderation.detectors.heads import TAGS, WIDTH, HeadsFile, load
from moderation.detectors.lite import Lite

CHANCE = np.random.default_rng(5)


def draw(path: Path, *, round_ones: bool) -> None:
    picture = Image.new("RGB", (320, 240), tuple(CHANCE.integers(100, 255, 3).tolist()))
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y, size = (int(number) for number in CHANCE.integers([0, 0, 30], [250, 180, 70]))
        (pen.ellipse if round_ones else pen.rectangle)((x, y, x + size, y + size), fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    for number in range(10):
        draw(tmp_path / "data" / "round" / f"{number}.png", round_ones=True)
        draw(tmp_path / "data" / "benign" / f"{number}.png", round_ones=False)
    return tmp_path / "data"


def looks(embeddings: np.ndarray, chances: np.ndarray | None = None) -> Looks:
    """Of pictures without altered copies."""
    said = np.full((len(embeddings), TAGS), 1e-3) if chances is None else chances
    return Looks(embeddings[np.newaxis].astype(np.float32), said[np.newaxis].astype(np.float32))


def sample(name: str, *labels: str, group: str = "", origin: str = "one", permissive: bool = True) -> Sample:
    return Sample(Path(name), name, frozenset(labels), group or name, origin, "", "CC0-1.0", permissive)


def test_folders_become_a_head_that_knows_the_shape(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the real model, and a cache of its own for embeddings
    weights = ensure_weights(["lite"])
    monkeypatch.setattr("greenlight.heads.cli.ensure_weights", lambda names: weights)
    monkeypatch.setattr("greenlight.heads.cli.cache_folder", lambda: tmp_path / "cache")

    # WHEN heads are trained from two folders
    result = CliRunner().invoke(app, ["train-heads", str(shapes), "--out", str(tmp_path / "out"), "--altered", "0"])

    # THEN the file holds the head, which tells new pictures apart, and the card says what it is made of
    assert result.exit_code == 0, result.output
    (head,) = HeadsFile.read(tmp_path / "out" / "heads.json").heads
    assert head.name == "round"
    assert not head.permissive
    draw(tmp_path / "new" / "yes.png", round_ones=True)
    draw(tmp_path / "new" / "no.png", round_ones=False)
    model = Lite(weights)
    yes, no = (
        load(tmp_path / "out" / "heads.json").scores(model.run(extracted(Image.open(tmp_path / "new" / name))))["round"]
        for name in ("yes.png", "no.png")
    )
    assert yes > no
    card = (tmp_path / "out" / "heads.md").read_text()
    assert "| round | 10 (10) |" in card

    # AND nothing is left for a head without a licence
    refused = CliRunner().invoke(
        app, ["train-heads", str(shapes), "--out", str(tmp_path / "none"), "--permissive-only"]
    )
    assert refused.exit_code == 4
    assert not (tmp_path / "none").exists()


def test_embeddings_are_kept_even_when_a_run_was_cut_short(shapes: Path, tmp_path: Path) -> None:
    weights, cache = ensure_weights(["lite"]), tmp_path / "cache"
    paths = sorted(shapes.glob("round/*.png"))[:3]
    first = embed(paths[:2], weights=weights, cache=cache, altered=1)
    assert (first.embeddings.shape, first.chances.shape) == ((2, 2, WIDTH), (2, 2, TAGS))
    np.testing.assert_allclose(first.chances.sum(axis=2), 1, atol=0.01)
    size = cache.stat().st_size

    # GIVEN half a record at the end
    with cache.open("ab") as file:
        file.write(b"half")

    # WHEN the same and one more are asked for
    again = embed(paths, weights=weights, cache=cache, altered=1)

    # THEN only what is new was added, in step
    np.testing.assert_array_equal(again.embeddings[:, :2], first.embeddings)
    np.testing.assert_array_equal(again.chances[:, :2], first.chances)
    assert cache.stat().st_size == size // 4 * 6
    assert not np.array_equal(again.embeddings[0], again.embeddings[1])


def test_no_weights_are_needed_for_what_is_known(shapes: Path, tmp_path: Path) -> None:
    paths, cache = sorted(shapes.glob("round/*.png"))[:2], tmp_path / "cache"
    known = embed(paths, weights=ensure_weights(["lite"]), cache=cache)
    again = embed(paths, weights=tmp_path / "none", cache=cache)
    np.testing.assert_array_equal(again.embeddings, known.embeddings)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(HeadsError, match=r"broken\.png"):
        embed([tmp_path / "broken.png"], weights=tmp_path, cache=tmp_path / "cache")


def test_a_head_that_knows_scenes_only_is_found_out() -> None:
    # GIVEN two pictures of each scene, alike in the scene, and labels that are chance
    scenes = CHANCE.normal(size=(60, WIDTH))
    embeddings = np.repeat(scenes, 2, axis=0) + CHANCE.normal(scale=0.01, size=(120, WIDTH))
    labelled = np.repeat(CHANCE.permutation(60) < 30, 2)
    samples = [sample(f"{n}.png", *(["chance"] if labelled[n] else []), group=str(n // 2)) for n in range(120)]
    data = Set(samples, looks(embeddings))

    # WHEN a head is trained
    ((head, report),) = train([HeadPlan(name="chance", of=("chance",))], data)

    # THEN its figures are those of chance, although it knows its own pictures by heart
    assert report.precision.low < 0.6
    assert head.permissive
    assert (report.pictures, report.groups) == (60, 30)


def test_sources_are_tested_on_the_others_only_where_there_are_enough() -> None:
    # GIVEN a label that two collections show alike, and a third with three pictures of it
    embeddings = CHANCE.normal(size=(163, WIDTH))
    embeddings[:63, :40] += 2
    origins = ["a"] * 30 + ["b"] * 30 + ["c"] * 3 + ["d"] * 100
    samples = [sample(f"{n}.png", *(["it"] if n < 63 else []), origin=origin) for n, origin in enumerate(origins)]
    ((_, report),) = train([HeadPlan(name="it", of=("it",))], Set(samples, looks(embeddings)))
    assert report.sources.keys() == {"a", "b"}
    assert report.sources["a"].value > 0.8


NAMES = ("cannon", "guitar, lute", "Rifle, gun", *("other",) * (TAGS - 3))


def test_a_head_leans_on_tags_and_away_from_them() -> None:
    # GIVEN embeddings that say nothing, and tags of which one comes with the label and one without
    labelled = np.arange(200) < 40
    chances = np.full((200, TAGS), 1e-6)
    chances[labelled, 2] = CHANCE.uniform(0.2, 0.9, 40)
    chances[~labelled, 1] = CHANCE.uniform(0.2, 0.9, 160)
    samples = [sample(f"{n}.png", *(["it"] if labelled[n] else [])) for n in range(200)]
    data = Set(samples, looks(CHANCE.normal(size=(200, WIDTH)), chances))

    # WHEN heads are trained that ask one and the other
    plans = (
        HeadPlan(name="leaning", of=("it",), tags=("gun",)),
        HeadPlan(name="wary", of=("it",), tags=("lute",), lean=-0.5),
    )
    trained = {head.name: (head, report) for head, report in train(plans, data, data, tags=NAMES, folds=2)}

    # THEN both know more than chance, which is 0.2, and so does the head as it is written
    assert trained["leaning"][0].tags == (2,)
    assert trained["wary"][0].tag_weight < 0 < trained["leaning"][0].tag_weight
    for name in ("leaning", "wary"):
        assert trained[name][1].precision.value > 0.4
        tested = trained[name][1].tested
        assert tested is not None
        assert tested.precision is not None
        assert tested.precision.value > 0.9

    # AND the highest of two is measured for the label of each, without the other's pictures
    (both, *each) = together("any", [report for _, report in trained.values()], data)
    assert (both.pictures, [one.name for one in each]) == (40, ["leaning", "wary"])
    with pytest.raises(HeadsError, match="there is no tag spoon"):
        next(train([HeadPlan(name="it", of=("it",), tags=("spoon",))], data, tags=NAMES))


def test_a_manifest_is_read_with_recipe(tmp_path: Path) -> None:
    rows = [
        ("one/a.jpg", "gun|fire", "scene", "CC0-1.0", "yes"),
        ("one/b.mp4", "fight", "", "MIT", "yes"),
        ("two/c.jpg", "benign", "", "", "no"),
        ("two/secret.jpg", "gun", "", "", "no"),
    ]
    with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerows([("path", "labels", "group", "licence", "permissive"), *rows])
    for path, *_ in rows:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    data = read(tmp_path)
    assert read(tmp_path / "manifest.csv") == data
    assert [(one.name, set(one.labels), one.group, one.origin, one.permissive) for one in data.samples] == [
        ("one/a.jpg", {"gun", "fire"}, "scene", "one", True),
        ("two/c.jpg", set(), "two/c.jpg", "two", False),
        ("two/secret.jpg", {"gun"}, "two/secret.jpg", "two", False),
    ]
    recipe = Recipe(leave_out=("*/secret*",), groups={"two/*": "series"})
    assert [(one.name, one.group) for one in recipe.apply(data.samples)] == [
        ("one/a.jpg", "scene"),
        ("two/c.jpg", "series"),
    ]
    assert [plan.name for plan in recipe.plans(data.samples)] == ["fire", "gun"]


@pytest.mark.parametrize(
    "content", ["heads: [{name: Not a name, of: [x]}]", "unknown: 1", "[", "heads: [{name: x, of: []}]"]
)
def test_a_recipe_with_a_mistake_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "recipe.yaml").write_text(content)
    with pytest.raises(HeadsError, match=r"recipe\.yaml"):
        Recipe.read(tmp_path / "recipe.yaml")


def test_the_shipped_recipe_makes_the_shipped_heads() -> None:
    from greenlight.paths import CHECKOUT
    from moderation.detectors.heads import SHIPPED

    recipe = Recipe.read(CHECKOUT / "local" / "greenlight" / "heads" / "recipe.yaml")
    shipped = {plan.name for plan in recipe.heads if not plan.experimental}
    assert {head["name"] for head in json.loads(SHIPPED.read_text())["heads"]} == shipped
