"""The documents in docs/ say what the code does, and the events in events/bus/ are what the documents say."""

import json
from pathlib import Path

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from greenlight.documents import API_FUNCTIONS, DOCS, documents, openapi
from greenlight.paths import CHECKOUT
from moderation.entrypoints.http import RESOURCE_SERVER, SCOPES
from moderation.models.errors import ErrorCode

BUS = sorted((CHECKOUT / "events" / "bus").glob("*.json"))


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path.name) for path, text in documents()])
def test_a_document_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text() == text, "run `greenlight documents`"


def test_no_document_is_left_over() -> None:
    generated = {path for path, _ in documents()}
    assert set((DOCS / "events").glob("*.json")) | {DOCS / "openapi.json"} == generated


def test_every_event_has_an_example() -> None:
    schemas = {path.name.partition(".")[0] for path in (DOCS / "events").glob("*.json")}
    assert {path.stem for path in BUS} == schemas


@pytest.mark.parametrize("path", BUS, ids=lambda path: path.name)
def test_an_event_is_as_documented(path: Path) -> None:
    event = json.loads(path.read_text())
    version = event["detail"]["schema_version"]
    schema = json.loads((DOCS / "events" / f"{path.stem}.v{version}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    jsonschema.validate(event["detail"], schema)
    assert event["source"] == "greenlight"
    assert event["detail-type"].lower().replace(" ", "_") == path.stem
    # and the schema is no rubber stamp
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event["detail"] | {"media_id": None}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event["detail"] | {"surprise": 1}, schema)


def test_every_route_is_documented_with_its_scope() -> None:
    document = json.loads(openapi())
    documented = {
        f"{method.upper()} {path}": operation["security"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert documented == {route: [{"token": [f"{RESOURCE_SERVER}{scope}"]}] for route, scope in SCOPES.items()}
    known = document["components"]["securitySchemes"]["token"]["flows"]["clientCredentials"]["scopes"]
    assert set(known) == {f"{RESOURCE_SERVER}{scope}" for scope in SCOPES.values()}


def test_operations_have_names_of_their_own_and_our_errors() -> None:
    document = json.loads(openapi())
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) == len(SCOPES)
    assert {tag for operation in operations for tag in operation["tags"]} == set(API_FUNCTIONS)
    for operation in operations:
        success, *errors = sorted(operation["responses"])
        assert success in {"200", "201", "202"}
        assert errors == ["default"]
    error = document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]
    assert set(error["code"]["enum"]) == set(ErrorCode)


def test_every_reference_leads_somewhere() -> None:
    text = openapi()
    document = json.loads(text)
    schemas = document["components"]["schemas"]
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used == set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
