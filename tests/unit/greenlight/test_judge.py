"""Live comments, judged by a template from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenlight.cli import app
from greenlight.exits import Exit

CALM, RUDE, OWN = "这首歌叫什么名字", "you are a fucking idiot", "buy acme cola"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """One that asks about abuse and a library's words in titles."""
    rules = [
        {"label": "abuse", "sub_label": "text", "forms": ["title"], "review": 60, "block": 90},
        {"label": "spam", "sub_label": "customized", "forms": ["title"], "review": 60, "block": 90},
    ]
    path = tmp_path / "comments.json"
    path.write_text(json.dumps({"name": "comments", "revision": 1, "rules": rules, "keywords": ["brands"]}))
    (tmp_path / "libraries" / "keywords").mkdir(parents=True)
    (tmp_path / "libraries" / "keywords" / "brands.json").write_text(json.dumps({"block": ["acme cola"]}))
    return path


def test_lines_are_judged_one_by_one(template: Path) -> None:
    result = CliRunner().invoke(
        app, ["judge", "--template", str(template), "--json"], input=f"{CALM}\n{OWN}\n\n{RUDE}\n"
    )
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["text"] for one in told] == [CALM, OWN, "", RUDE]
    assert [one["suggestion"] == "pass" for one in told] == [True, False, True, False]
    assert (
        told[1]["segments"][0] | {"source": "library", "library": "brands", "keywords": ["acme cola"]}
        == (told[1]["segments"][0])
    )
    assert told[3]["segments"][0]["label"] == "abuse"
    assert result.exit_code == Exit.BLOCK


@pytest.mark.parametrize("length", [1995, 30_000])
def test_all_of_a_long_text_is_judged(template: Path, length: int) -> None:
    filled = ("nothing to see here " * (length // 20 + 1))[:length]
    result = CliRunner().invoke(app, ["judge", filled + OWN, "--template", str(template)])
    assert result.exit_code == Exit.BLOCK


def test_no_bytes_end_the_judging_or_reach_the_terminal(template: Path) -> None:
    lines = b"\xff\xfe \x1b[2J one\rtwo\n" + OWN.encode() + b"\n"
    result = CliRunner().invoke(app, ["judge", "--template", str(template)], input=lines)
    first, second = result.stdout.splitlines()
    assert first.startswith("pass")
    assert "\x1b" not in first
    assert second.startswith("block")


def test_texts_may_be_given_as_words_of_the_command_and_the_template_by_the_name_of_a_preset() -> None:
    result = CliRunner().invoke(app, ["judge", CALM])
    assert result.stdout.split() == ["pass", CALM]
    assert result.exit_code == Exit.PASS


def test_without_its_library_nothing_passes(template: Path) -> None:
    (template.parent / "libraries" / "keywords" / "brands.json").unlink()
    result = CliRunner().invoke(app, ["judge", CALM, "--template", str(template)])
    assert (result.exit_code, result.stdout) == (Exit.FAILED, "")


def test_a_template_that_asks_nothing_about_titles_lets_nothing_pass(template: Path) -> None:
    document = json.loads(template.read_text())
    for rule in document["rules"]:
        rule["forms"] = ["ocr"]
    template.write_text(json.dumps(document))
    result = CliRunner().invoke(app, ["judge", CALM, "--template", str(template)])
    assert (result.exit_code, result.stdout) == (Exit.FAILED, "")
