"""`greenlight put-template`: a template of the owner's, with its libraries, to where a deployment finds them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from rich.console import Console

from greenlight.deployed import Deployed, StackName, find
from greenlight.exits import Exit
from greenlight.libraries import KINDS, beside
from greenlight.stack.errors import StackError
from moderation.detectors.catalog import needed
from moderation.detectors.heads import HeadsDamaged, HeadsFile
from moderation.detectors.library import LibraryDamaged, LibraryFile
from moderation.models.errors import ModerationError
from moderation.models.keywords import KeywordLibrary
from moderation.models.template import Template
from moderation.services.templates import load_template, preset_names
from moderation.services.work import library
from moderation.verdict import targets_of


class NotWhole(Exception):
    """A template or one of its libraries could not be used as it is; the message says why."""


def _heads(name: str, content: bytes) -> None:
    if name not in {head.name for head in HeadsFile.parse(content, name).heads}:
        raise HeadsDamaged(f"it holds no head {name}")


_CHECKS: Mapping[str, Callable[[str, bytes], object]] = MappingProxyType(
    {"heads": _heads, "images": lambda name, content: LibraryFile.parse(content), "keywords": KeywordLibrary.read}
)

_messages = Console(stderr=True)


def put_template(
    file: Annotated[Path, typer.Argument(help="a template; its libraries lie beside it", exists=True, dir_okay=False)],
    stack: StackName = None,
) -> None:
    """Check FILE and the libraries beside it, and put them where a stack finds them by name."""
    try:
        template = load_template(str(file.absolute()))
        documents = checked(template, dict(beside(str(file), template)))
        for key in put(find(stack), template, documents):
            typer.echo(key)
    except (NotWhole, ModerationError, StackError, BotoCoreError, ClientError) as error:
        _messages.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.FAILED) from error
    _messages.print(f"upload with the procedure {template.name}_pre or {template.name}_post", highlight=False)


def checked(template: Template, documents: dict[str, bytes]) -> dict[str, bytes]:
    """The documents of a template by key, its own the last. Raises NotWhole."""
    without = template.targets() - targets_of([(spec.name, spec.reports) for spec in needed(template)]).keys()
    if without:
        named = sorted(f"{label}/{sub_label} in form {form}" for form, label, sub_label in without)
        raise NotWhole(f"nothing would pass, since no detector reports {', '.join(named)}")
    for kind in KINDS:
        for name in getattr(template, kind):
            key = library(kind, name)
            try:
                _CHECKS[kind](name, documents.get(key, b""))
            except (HeadsDamaged, LibraryDamaged, ValidationError) as error:
                raise NotWhole(f"{key} {f'cannot be used: {error}' if key in documents else 'is missing'}") from error
    return {**documents, library("templates", template.name): template.model_dump_json(indent=1).encode()}


def put(deployed: Deployed, template: Template, documents: Mapping[str, bytes]) -> list[str]:
    """Put the documents of a template into the results bucket of a stack. Raises NotWhole, and errors of AWS."""
    if template.name in preset_names():
        raise NotWhole(f"{template.name} is the name of a preset: give the template another")
    s3: Any = deployed.client("s3")
    bucket, own = deployed.id("ResultsBucket"), library("templates", template.name)
    try:
        there = Template.model_validate_json(s3.get_object(Bucket=bucket, Key=own)["Body"].read())
    except (s3.exceptions.NoSuchKey, ValidationError):
        there = None
    if there and there.revision >= template.revision and there != template:
        raise NotWhole(f"{there.id} is there and is another: raise the revision, which verdicts quote")
    for key, body in documents.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return list(documents)
