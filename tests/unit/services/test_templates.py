"""Templates by name: presets, and the owner's own below libraries/templates/."""

import json

import pytest

from moderation.models.errors import ErrorCode, ModerationError
from moderation.ports import NotFound
from moderation.services.templates import OwnTemplates, load_template, procedure
from tests.world import World

RULE = {"label": "porn", "sub_label": "explicit", "forms": ["image"], "review": 40}


@pytest.fixture
def templates(world: World) -> OwnTemplates:
    return OwnTemplates(world.objects)


def put(world: World, key: str, **document: object) -> None:
    body = json.dumps({"name": key, "revision": 3, "rules": [RULE]} | document).encode()
    world.objects.put(f"libraries/templates/{key}.json", body, "application/json")


def test_a_template_of_the_owners_is_found_by_name_and_named_by_a_procedure(
    world: World, templates: OwnTemplates
) -> None:
    put(world, "my_shop", auto_block=True)
    assert templates.get("my_shop").id == "my_shop@3"
    assert templates.get("my_shop").auto_block
    chosen = procedure("my_shop_post", templates)
    assert (chosen.template, chosen.mode) == ("my_shop", "post")


def test_a_preset_cannot_be_replaced(world: World, templates: OwnTemplates) -> None:
    put(world, "default")
    assert templates.get("default") == load_template("default")


@pytest.mark.parametrize("name", ["nothing_pre", "pre", "_pre", "default", "default_now"])
def test_a_procedure_needs_a_template_and_a_mode(templates: OwnTemplates, name: str) -> None:
    with pytest.raises(ModerationError) as raised:
        procedure(name, templates)
    assert raised.value.code is ErrorCode.UNKNOWN_PROCEDURE


@pytest.mark.parametrize("document", [{"rules": []}, {"name": "another"}])
def test_a_broken_template_is_no_template(world: World, templates: OwnTemplates, document: dict[str, object]) -> None:
    put(world, "shop", **document)
    with pytest.raises(ModerationError) as raised:
        procedure("shop_pre", templates)
    assert raised.value.code is ErrorCode.UNKNOWN_TEMPLATE


def test_a_template_that_is_nowhere_is_not_found(templates: OwnTemplates) -> None:
    with pytest.raises(NotFound):
        templates.get("shop")
