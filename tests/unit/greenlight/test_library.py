"""`greenlight library` builds, adds to and lists libraries of pictures."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from greenlight import library as command
from moderation.detectors.library import LibraryFile

run = CliRunner()


def drawn(path: Path, colour: str, size: tuple[int, int] = (200, 120)) -> Path:
    picture = Image.new("RGBA", size)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 10, size[0] - 20, size[1] - 10), fill=colour)
    pen.line((40, 30, size[0] - 40, size[1] - 30), fill="white", width=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def built(path: Path) -> list[tuple[str, str, str]]:
    return [(one.label, one.sub_label, one.name) for one in LibraryFile.parse(path.read_bytes()).entries]


def test_folders_named_by_label_become_a_library(tmp_path: Path) -> None:
    # GIVEN pictures in folders, one of which has room around what it shows
    drawn(tmp_path / "pictures/terror/flag/red.png", "red")
    drawn(tmp_path / "pictures/logo/trademark/blue.png", "blue")

    # WHEN they are built, then one is replaced and one added
    library = tmp_path / "own.json"
    assert run.invoke(command.app, ["build", str(tmp_path / "pictures"), str(library)]).exit_code == 0
    first = LibraryFile.parse(library.read_bytes())
    again, more = drawn(tmp_path / "red.png", "orange"), drawn(tmp_path / "green.png", "green")
    added = run.invoke(command.app, ["add", str(library), str(again), str(more), "--label", "terror/flag"])
    assert added.exit_code == 0

    # THEN it holds each once, cut to what is visible
    assert built(library) == [("logo", "trademark", "blue"), ("terror", "flag", "green"), ("terror", "flag", "red")]
    second = LibraryFile.parse(library.read_bytes())
    assert (second.entries[0].width, second.entries[0].height) == (128, 80)
    assert second.entries[0] == first.entries[0]
    assert second.entries[2] != first.entries[1]
    listed = run.invoke(command.app, ["list", str(library)])
    assert all(name in listed.output for name in ("blue", "green", "red", "terror/flag"))


def test_a_csv_becomes_a_library(tmp_path: Path) -> None:
    drawn(tmp_path / "a.png", "red")
    (tmp_path / "list.csv").write_text("path,label\na.png,terror/flag\n", encoding="utf-8-sig")  # as spreadsheets do
    assert run.invoke(command.app, ["build", str(tmp_path / "list.csv"), str(tmp_path / "own.json")]).exit_code == 0
    assert built(tmp_path / "own.json") == [("terror", "flag", "a")]


@pytest.mark.parametrize(
    "content",
    ["path,label\nb.txt,terror/flag\n", "path,label\na.png,flag\n", "file\na.png\n", "path,label\n", "\udcff\n"],
)
def test_what_cannot_be_built_is_told(tmp_path: Path, content: str) -> None:
    drawn(tmp_path / "a.png", "red")
    (tmp_path / "b.txt").write_text("no picture")
    (tmp_path / "list.csv").write_text(content, errors="surrogateescape")
    result = run.invoke(command.app, ["build", str(tmp_path / "list.csv"), str(tmp_path / "own.json")])
    assert result.exit_code == 4
    assert not (tmp_path / "own.json").exists()


def test_a_file_that_is_no_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("{}")
    assert run.invoke(command.app, ["list", str(tmp_path / "own.json")]).exit_code == 4
