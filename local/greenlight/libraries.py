"""The owner's libraries as they lie beside a template, where no bucket holds them."""

from collections.abc import Mapping
from pathlib import Path

from moderation.models.template import Template
from moderation.services.work import library

KINDS = ("images", "heads", "keywords")

Libraries = Mapping[str, bytes]
"""Documents by the key that they have in the results bucket."""


def beside(name: str, template: Template) -> Libraries:
    """What a template asks for of `libraries/<kind>/<name>.json`, a folder next to its file.

    `name` is what the template was called by, a preset or a path. What is missing is missed by its detector.
    """
    folder = Path(name).resolve().parent
    keys = [library(kind, one) for kind in KINDS for one in getattr(template, kind)]
    return {key: (folder / key).read_bytes() for key in keys if (folder / key).is_file()}
