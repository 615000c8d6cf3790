"""People are cut out of labelled pictures once, near and far, and keep what is known of the picture."""

from pathlib import Path

import pytest
from PIL import Image

from greenlight.heads.data import Sample
from greenlight.heads.errors import HeadsError
from greenlight.heads.people import cut_out
from moderation.detectors.nanodet import NanoDet, Thing
from moderation.models.observation import Box

PERSON = Thing("person", 0.8, Box(left=0.25, top=0.25, width=0.25, height=0.5))


def sample(path: Path) -> Sample:
    return Sample(path, path.name, frozenset({"weapon_gun"}), "scene", "one", "", "CC0-1.0", permissive=True)


@pytest.fixture
def shown(tmp_path: Path) -> Sample:
    Image.effect_noise((480, 480), 60).convert("RGB").save(tmp_path / "a.png")
    return sample(tmp_path / "a.png")


def see(monkeypatch: pytest.MonkeyPatch, *things: Thing) -> list[tuple[int, int]]:
    """NanoDet finds these things; the sizes of the pictures that it was shown."""
    sizes: list[tuple[int, int]] = []

    def run(self: NanoDet, picture: Image.Image) -> tuple[Thing, ...]:
        sizes.append(picture.size)
        return things

    monkeypatch.setattr(NanoDet, "run", run)
    return sizes


def test_each_person_is_there_near_and_far(shown: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, PERSON, PERSON, PERSON)
    found = cut_out([shown], tmp_path / "people", weights=tmp_path)
    sizes = [Image.open(one.path).size for one in found]
    assert len(found) == 4
    assert sizes[0] == sizes[2] == (288, 288)  # 1.2 times 240 pixels
    assert all(30 <= max(size) <= 110 for size in (sizes[1], sizes[3]))
    assert {(one.labels, one.group, one.name) for one in found} == {(shown.labels, "scene", "a.png")}


def test_a_second_run_only_reads(shown: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = see(monkeypatch, PERSON)
    first = cut_out([shown], tmp_path / "people", weights=tmp_path)
    kept = [one.path.read_bytes() for one in first]
    counted: list[int] = []
    assert cut_out([shown], tmp_path / "people", weights=tmp_path, progress=counted.append) == first
    assert ([one.path.read_bytes() for one in first], asked, counted) == (kept, [(256, 256)], [1])


def test_a_picture_without_people_is_left_out(shown: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch)
    assert cut_out([shown], tmp_path / "people", weights=tmp_path) == []


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(HeadsError, match=r"a\.jpg is no picture"):
        cut_out([sample(tmp_path / "a.jpg")], tmp_path / "people", weights=tmp_path)
