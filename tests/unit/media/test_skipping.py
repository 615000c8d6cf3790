"""Near-duplicates that are skipped hide nothing: a fixed camera, and small things that come and go."""

from pathlib import Path

import iscc_samples
import pytest
from PIL import Image, ImageOps

from moderation.models.template import Form, Rule, Template
from tests.quality.skipping import SIZE, Thing, code, film, line, pistol, scanned, things, unseen, visited

CODE = Rule(label="ad", sub_label="qrcode", forms=frozenset({Form.CODE}), review=60)
CONTACT = Rule(label="ad", sub_label="contact", forms=frozenset({Form.OCR}), review=55)
ASKED = Template(name="small", revision=1, rules=(CODE, CONTACT))


def photo() -> Image.Image:
    return Image.open(next(path for path in iscc_samples.images() if path.name == "demo.jpg")).convert("RGB")


def wall() -> Image.Image:
    """As grey as codes and letters are from afar: where they differ from it in their detail alone."""
    return ImageOps.autocontrast(Image.linear_gradient("L").resize(SIZE)).point(lambda v: 105 + v // 4).convert("RGB")


def somebody(height: int) -> Image.Image:
    """A face and shoulders."""
    return ImageOps.contain(photo(), (height, height))


@pytest.mark.parametrize("scene", [wall(), ImageOps.fit(photo(), SIZE)], ids=["wall", "photo"])
def test_small_things_that_come_into_a_still_scene_are_looked_at(scene: Image.Image, tmp_path: Path) -> None:
    coming = [thing for thing in things() if "24 pixels" not in thing.name and "gray" not in thing.name]
    coming.append(Thing("somebody", somebody(48), 900, 300))
    slides, shown = visited(scene, coming)
    assert [thing.name for thing in unseen(film(tmp_path / "scene.mp4", slides, 1), shown)] == []


def test_the_same_is_found_with_and_without_skipping(tmp_path: Path) -> None:
    coming = [
        Thing("code", code(45), 700, 310),
        Thing("gun", pistol(40, 20), 60, 600),
        Thing("text", line(20, "black"), 500, 400),
    ]
    slides, _ = visited(wall(), coming)
    clip = film(tmp_path / "scene.mp4", slides, 1)
    with_it, without = (scanned(clip, ASKED, skipping=skipping) for skipping in (True, False))
    assert with_it.skipped > 0 == without.skipped
    assert with_it.labels == without.labels
    assert {label for label, _ in with_it.labels} == {"ad/qrcode", "ad/contact"}
