"""The threat model says only what is tested: every test and file that it names is there."""

import ast
import re
from functools import cache

import pytest

from greenlight.paths import CHECKOUT

MODEL = (CHECKOUT / "docs" / "threat-model.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", MODEL)
FILES = re.findall(r"`((?:layers|functions|local|tests)/[\w/.-]+|template\.yaml)`", MODEL)


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((CHECKOUT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_every_test_that_it_names_is_there(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in names_in(path)


def test_every_file_that_it_names_is_there() -> None:
    assert len(FILES) > 5
    assert [path for path in FILES if not (CHECKOUT / path).exists()] == []


def rows() -> list[list[str]]:
    tables = MODEL.partition("## Who may try what")[2].partition("## Decisions")[0]
    lines = [line for line in tables.splitlines() if line.startswith("|") and not line.startswith(("| tries", "|---"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_whatever_is_stopped_names_its_test() -> None:
    assert len(rows()) > 30
    for tries, stopped, test, remains in rows():
        assert tries, "nobody tries"
        assert stopped, tries
        assert "::test_" in test, f"{tries}: no test"
        assert remains is not None
