"""Commands in the documents are commands that exist."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
import typer.main
from botocore import xform_name
from typer.core import TyperGroup

from greenlight.cli import app
from greenlight.paths import CHECKOUT

DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
EVERYWHERE = {"query", "output", "region", "profile", "no-cli-pager"}
"""Options of the AWS command line that every command has."""
SERVICES = {"s3api": "s3"}
PLACE = re.compile(r"^(?:\.venv/bin/)?(greenlight|aws) +(\S.*)")


def commands(program: str) -> Iterator[tuple[str, list[str]]]:
    """(where it is written, its words) of every command in an indented or fenced block or in backticks."""
    for path in DOCUMENTS:
        fenced = False
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            fenced ^= line.startswith("```")
            code = line.strip() if fenced or line.startswith("    ") else ""
            for text in [code, *re.findall(r"`([^`]+)`", "" if code else line)]:
                for part in re.split(r"&&|\|", re.sub(r"\s+#.*", "", text)) if program == "greenlight" else [text]:
                    if (match := PLACE.match(part.strip())) and match[1] == program:
                        yield f"{path.name}:{number}", shlex.split(match[2])


GREENLIGHT = list(commands("greenlight"))
AWS = list(commands("aws"))


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words lead to, and the words that are left for it."""
    command: Any = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        assert words, "a group without one of its commands"
        group: Any = command
        command = group.get_command(None, words[0])
        assert command is not None, f"there is no command {words[0]}"
        words = words[1:]
    return command, words


def test_there_are_commands_to_check() -> None:
    assert {words[0] for _, words in GREENLIGHT} >= {"doctor", "redrive", "up", "scan", "keys"}
    assert len(AWS) > 20


@pytest.mark.parametrize(("where", "words"), GREENLIGHT, ids=[f"{where} {words[0]}" for where, words in GREENLIGHT])
def test_greenlight_commands_parse(where: str, words: list[str]) -> None:
    if words in (["keys"], ["weights"]):
        return  # the name of a group
    command, rest = leaf(words)
    assert command.help
    options = {name: one for one in command.params for name in one.opts if name.startswith("-")}
    for word in rest:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{where}: {command.name} has no {word}"
    takes = [one for one in command.params if one.param_type_name == "argument"]
    values = {rest[at + 1] for at, word in enumerate(rest[:-1]) if word in options and not options[word].is_flag}
    given = [word for word in rest if not word.startswith("-") and word not in values]
    assert len(given) <= len(takes) or any(one.nargs == -1 for one in takes), f"{where}: {given}"


@pytest.mark.parametrize(("where", "words"), AWS, ids=[f"{where} {' '.join(words[:2])}" for where, words in AWS])
def test_aws_commands_are_operations_with_their_parameters(where: str, words: list[str]) -> None:
    service, operation, *rest = words
    model: Any = botocore.session.get_session().get_service_model(SERVICES.get(service, service))
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names, f"{where}: {service} has no {operation}"
    shape = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    given = {word.removeprefix("--").removeprefix("no-") for word in rest if word.startswith("--")} - EVERYWHERE
    assert given <= members.keys() | {"max-results", "enabled"}, where
    needed = {xform_name(name, "-") for name in shape.required_members}
    assert needed <= given or "…" in " ".join(words), f"{where}: without {needed - given}"
