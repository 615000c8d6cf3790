"""Pictures of a library are known again, cropped, mirrored, lit otherwise or compressed; other pictures are not."""

from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from greenlight.library import Reference, entry_of
from moderation.detectors.catalog import CATALOG
from moderation.detectors.library import LibraryFile
from moderation.detectors.lite import Lite
from moderation.detectors.scanner import Scanner
from moderation.models.template import Form
from tests.unit.detectors.conftest import files

(SPEC,) = (spec for spec in CATALOG if spec.name == "likeness")
SURE = 0.8


@pytest.fixture(scope="module")
def scanner(weights: Path, photos: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> Scanner:
    """Knows the first photo as a place, and the second as an emblem."""
    folder = tmp_path_factory.mktemp("references")
    model = Lite(weights)
    entries = []
    for photo, name, sub_label in ((photos[0], "place", "location"), (photos[1], "emblem", "logo")):
        photo.save(folder / f"{name}.png")
        entries.append(entry_of(Reference(folder / f"{name}.png", "terror", sub_label), model))
    library = LibraryFile(model_sha256="0" * 64, entries=tuple(entries)).dump()
    return Scanner([SPEC], weights, {"images": {"places": library}})


@pytest.mark.parametrize("form", [Form.IMAGE, Form.COVER])
def test_the_picture_itself_is_known(scanner: Scanner, photos: list[Image.Image], form: Form) -> None:
    result = scanner.look(files(photos[0]), form=form)
    best = max(result.observations, key=lambda seen: seen.score)
    assert (best.form, best.label, best.sub_label, best.text) == (form, "terror", "location", "place")
    assert best.score > 0.95


def test_altered_copies_are_known(scanner: Scanner, photos: list[Image.Image]) -> None:
    photo = photos[0]
    copies = [
        photo.crop((60, 40, 600, 490)),
        ImageOps.mirror(photo),
        ImageEnhance.Brightness(photo).enhance(0.7),
        photo.resize((200, 164)).resize((640, 524)),
    ]
    for copy in copies:
        best = max(scanner.look(files(copy)).observations, key=lambda seen: seen.score)
        assert best.text == "place"
        assert best.score >= SURE


def test_other_pictures_are_not(scanner: Scanner, photos: list[Image.Image]) -> None:
    for other in photos[2:]:
        assert all(seen.score < SURE for seen in scanner.look(files(other)).observations)


@pytest.mark.parametrize("owned", [{}, {"images": {}}, {"images": {"gone": None}}, {"images": {"bad": b"{}"}}])
def test_without_its_library_it_has_failed(
    weights: Path, photos: list[Image.Image], owned: dict[str, dict[str, bytes | None]]
) -> None:
    result = Scanner([SPEC], weights, owned).look(files(photos[0]))
    assert result.failed["likeness"].startswith("LibraryDamaged: ")
    assert result.observations == ()
