"""The templates and procedures that come with the product."""

import json
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import Procedure
from moderation.models.template import Template
from moderation.ports import NotFound

PRESETS = Path(__file__).resolve().parent.parent / "templates"


@cache
def _preset(name: str) -> Template:
    return Template.model_validate_json((PRESETS / f"{name}.json").read_text())


def preset_names() -> list[str]:
    """The names of the presets, in order."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


class PresetTemplates:
    """The Templates port over the documents in the package."""

    def get(self, name: str) -> Template:
        if name not in preset_names():
            raise NotFound(name)
        return _preset(name)


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


def procedure(name: str) -> Procedure:
    """A built-in procedure: `<template>_pre` plays after its verdict, `<template>_post` before it."""
    template, _, mode = name.rpartition("_")
    modes: dict[str, Literal["pre", "post"]] = {"pre": "pre", "post": "post"}
    if template not in preset_names() or mode not in modes:
        raise ModerationError(
            ErrorCode.UNKNOWN_PROCEDURE,
            f"there is no procedure {name!r}: use a template ({', '.join(preset_names())}) with _pre or _post",
        )
    return Procedure(name=name, template=template, mode=modes[mode])
