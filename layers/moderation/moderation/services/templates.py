"""Templates and procedures: those that come with the product, and the owner's own."""

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import Procedure
from moderation.models.template import Template
from moderation.ports import NotFound, Objects, Templates
from moderation.services.work import library

PRESETS = Path(__file__).resolve().parent.parent / "templates"


@cache
def _preset(name: str) -> Template:
    return Template.model_validate_json((PRESETS / f"{name}.json").read_text())


def preset_names() -> list[str]:
    """The names of the presets, in order."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


class OwnTemplates:
    """The Templates port over the presets, and below `libraries/templates/` in the results bucket the owner's own.

    A preset's name is the preset's. A document that is no template of its name raises ModerationError unknown_template.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get(self, name: str) -> Template:
        if name in preset_names():
            return _preset(name)
        try:
            found = Template.model_validate_json(self._objects.get(library("templates", name)))
        except ValidationError as error:
            raise ModerationError(ErrorCode.UNKNOWN_TEMPLATE, f"the document of {name!r} is no template") from error
        if found.name != name:
            raise ModerationError(ErrorCode.UNKNOWN_TEMPLATE, f"the document of {name!r} calls itself {found.name!r}")
        return found


def load_template(name_or_path: str) -> Template:
    """A preset by name, or a template document by path. Raises ModerationError unknown_template."""
    if name_or_path in preset_names():
        return _preset(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        raise ModerationError(
            ErrorCode.UNKNOWN_TEMPLATE,
            f"there is no template {name_or_path!r}: name one of {', '.join(preset_names())} or a JSON file",
        )
    try:
        return Template.model_validate_json(path.read_text())
    except (ValidationError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModerationError(ErrorCode.UNKNOWN_TEMPLATE, f"{path} is no valid template: {error}") from error


def procedure(name: str, templates: Templates) -> Procedure:
    """A template and when media play: `<template>_pre` after their verdict, `<template>_post` before it.

    Raises ModerationError unknown_procedure, or unknown_template for one that is broken.
    """
    template, _, mode = name.rpartition("_")
    modes: dict[str, Literal["pre", "post"]] = {"pre": "pre", "post": "post"}
    if mode in modes:
        with suppress(NotFound):
            templates.get(template)
            return Procedure(name=name, template=template, mode=modes[mode])
    raise ModerationError(
        ErrorCode.UNKNOWN_PROCEDURE,
        f"there is no procedure {name!r}: use a template ({', '.join(preset_names())}, or your own) with _pre or _post",
    )
