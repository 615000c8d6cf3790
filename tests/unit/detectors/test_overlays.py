"""Logos of a library that stay in a corner are found there by name; others, and none, are not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from greenlight.library import Reference, entry_of
from moderation.detectors.library import LibraryDamaged, LibraryFile
from moderation.detectors.lite import Lite
from moderation.detectors.overlays import Overlays
from moderation.models.observation import Observation
from tests.unit.detectors.moving import moments, pasted, scene, still

FRAMES = 8
SURE = 0.3


def star(side: int = 300) -> Image.Image:
    logo = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(logo)
    pen.ellipse((10, 10, side - 10, side - 10), fill="crimson")
    pen.polygon(
        [(side / 2, 30), (side * 0.7, side * 0.8), (side * 0.12, side * 0.36), (side * 0.88, side * 0.36)], "white"
    )
    return logo


def letters() -> Image.Image:
    logo = Image.new("RGBA", (420, 170))
    pen = ImageDraw.Draw(logo)
    pen.rounded_rectangle((4, 4, 416, 166), 30, fill="midnightblue")
    pen.text((40, 20), "K7", "white", font_size=120)
    pen.rectangle((260, 40, 380, 130), "gold")
    return logo


@pytest.fixture(scope="module")
def library(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two logos."""
    folder = tmp_path_factory.mktemp("logos")
    model = Lite(weights)
    made = []
    for name, logo in (("letters", letters()), ("star", star())):
        logo.save(folder / f"{name}.png")
        made.append(entry_of(Reference(folder / f"{name}.png", "logo", "tv"), model))
    return LibraryFile(model_sha256="0" * 64, entries=tuple(made)).dump()


def look(library: bytes | None, pictures: Sequence[Image.Image]) -> list[list[Observation]]:
    overlays = Overlays({"tv": library})
    noted: Any = moments(overlays, pictures)
    return overlays.follow(noted)


def with_logo(frames: list[Image.Image], logo: Image.Image, width: int, place: tuple[int, int]) -> list[Image.Image]:
    small = logo.resize((width, round(logo.height * width / logo.width)), Image.Resampling.LANCZOS)
    return pasted(frames, [small] * len(frames), place)


@pytest.mark.parametrize(("width", "place"), [(30, (24, 20)), (44, (570, 18)), (62, (20, 290))])
@pytest.mark.parametrize("name", ["letters", "star"])
def test_a_logo_is_found_by_name_and_place(library: bytes, name: str, width: int, place: tuple[int, int]) -> None:
    # GIVEN a film with a logo in a corner
    logo = {"letters": letters, "star": star}[name]()

    # WHEN its frames are followed
    found = look(library, with_logo(scene(3, FRAMES), logo, width, place))

    # THEN every frame shows it
    for (seen,) in found:
        assert (seen.label, seen.sub_label, seen.text) == ("logo", "tv", name)
        assert seen.score >= SURE
        assert seen.box is not None
        assert seen.box.left * 640 == pytest.approx(place[0], abs=5)
        assert seen.box.top * 360 == pytest.approx(place[1], abs=5)
        assert seen.box.width * 640 == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize("width", [28, 50])
@pytest.mark.parametrize("name", ["letters", "star"])
def test_a_logo_over_a_still_is_found(library: bytes, name: str, width: int) -> None:
    logo = {"letters": letters, "star": star}[name]()
    (seen,) = look(library, with_logo(still(3, FRAMES), logo, width, (24, 20)))[0]
    assert seen.text == name
    assert seen.score >= SURE


def test_a_logo_as_grey_as_what_shows_through_is_found(weights: Path, tmp_path: Path) -> None:
    # GIVEN a ring of the level that stands for transparency in a library
    ring = Image.new("RGBA", (300, 300))
    pen = ImageDraw.Draw(ring)
    pen.ellipse((10, 10, 290, 290), outline=(128, 128, 128), width=60)
    pen.rectangle((130, 90, 170, 210), fill=(128, 128, 128))
    ring.save(tmp_path / "ring.png")
    entry = entry_of(Reference(tmp_path / "ring.png", "logo", "tv"), Lite(weights))
    library = LibraryFile(model_sha256="0" * 64, entries=(entry,)).dump()

    # WHEN it stands on a film
    (seen,) = look(library, with_logo(scene(3, FRAMES), ring, 50, (24, 20)))[0]

    # THEN it is found
    assert (seen.text, seen.score >= SURE) == ("ring", True)


@pytest.mark.parametrize("pictures", [scene(3, FRAMES), still(4, FRAMES)], ids=["moving", "still"])
def test_without_a_logo_nothing_is_sure(library: bytes, pictures: list[Image.Image]) -> None:
    assert all(seen.score < SURE for found in look(library, pictures) for seen in found)


def test_another_logo_is_none_of_these(library: bytes) -> None:
    other = Image.new("RGBA", (300, 200))
    pen = ImageDraw.Draw(other)
    pen.polygon([(0, 200), (150, 0), (300, 200)], "green")
    pen.ellipse((110, 90, 190, 170), "orange")
    found = look(library, with_logo(scene(3, FRAMES), other, 50, (24, 20)))
    assert all(seen.score < SURE for one in found for seen in one)


def test_frames_smaller_than_any_logo_are_followed(library: bytes) -> None:
    assert look(library, [picture.resize((40, 24)) for picture in scene(3, 3)]) == [[]] * 3


@pytest.mark.parametrize("harm", [None, b"", b"{}", b"[]", b"<html>"])
def test_a_library_that_is_missing_or_broken_fails(harm: bytes | None) -> None:
    with pytest.raises(LibraryDamaged):
        look(harm, scene(3, 2))


def test_a_library_that_was_changed_fails(library: bytes) -> None:
    with pytest.raises(LibraryDamaged, match="changed"):
        look(library.replace(b'"star"', b'"moon"'), scene(3, 2))


def test_a_template_without_a_library_fails() -> None:
    overlays = Overlays({})
    noted: Any = moments(overlays, scene(3, 2))
    with pytest.raises(LibraryDamaged, match="names no library"):
        overlays.follow(noted)
