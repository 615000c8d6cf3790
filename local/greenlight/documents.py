"""Documents made from the code, so that they cannot say anything else than the code does."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

import moderation
from greenlight.paths import CHECKOUT
from moderation.models.errors import ErrorCode
from moderation.models.event import MediaStatusChanged, MediaUploaded, ModerationCompleted, ModerationDeferred

DOCS: Final = CHECKOUT / "docs"
EVENTS: Final = (MediaUploaded, ModerationDeferred, ModerationCompleted, MediaStatusChanged)
API_FUNCTIONS: Final = ("upload", "media", "playback", "review", "feedback")

_SCOPES: Final = {
    "upload": "sign uploads",
    "read": "look at media and jobs, get playback URLs",
    "review": "decide on media, moderate again, give feedback",
    "admin": "delete media",
}
_ERROR: Final = {
    "title": "Error",
    "description": "Why a request was not carried out. Some codes come with more, such as the status of the media.",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
                "message": {"type": "string", "description": "for people"},
                "request_id": {"type": "string", "description": "to be quoted when asking for help"},
                "status": {"type": "string", "description": "of the media: codes not_playable and conflict"},
            },
        }
    },
}
_GENERATED_ERRORS: Final = frozenset({"HTTPValidationError", "ResponseValidationError", "ValidationError"})
"""The framework's own errors, which our API never answers with."""


def event_schemas() -> Iterator[tuple[str, str]]:
    """(file name, JSON schema) of the `detail` of every event, with its version in the name."""
    for model in EVENTS:
        schema = model.model_json_schema(mode="serialization")
        schema["properties"].pop("type")
        schema["required"] = [name for name in schema.get("required", []) if name != "type"]
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        name = model.model_fields["type"].default.lower().replace(" ", "_")
        version = model.model_fields["schema_version"].default
        yield f"{name}.v{version}.schema.json", json.dumps(schema, indent=2) + "\n"


def openapi() -> str:
    """The OpenAPI document of the whole API, from the routes of all its functions."""
    from moderation.entrypoints.http import RESOURCE_SERVER

    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Error": _ERROR}
    for function in API_FUNCTIONS:
        part = _part(function)
        for path, operations in part["paths"].items():
            for method, operation in operations.items():
                paths.setdefault(path, {})[method] = _operation(operation, function, f"{method.upper()} {path}")
        for name, schema in part["components"]["schemas"].items():
            if name not in _GENERATED_ERRORS and schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two functions mean different things by the schema {name}")
    security = {
        "type": "oauth2",
        "description": "A token of the issuer that the stack trusts. A bare scope is as good as one with its server.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "https://issuer.example/oauth2/token",
                "scopes": {f"{RESOURCE_SERVER}{scope}": meaning for scope, meaning in _SCOPES.items()},
            }
        },
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Greenlight",
            "version": moderation.__version__,
            "summary": "Moderation for uploaded video in your own AWS account",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": security},
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _part(function: str) -> dict[str, Any]:
    """What the framework knows of the routes of one function."""
    if str(CHECKOUT) not in sys.path:
        sys.path.append(str(CHECKOUT))
    app = importlib.import_module(f"functions.{function}.app").app
    part: dict[str, Any] = json.loads(app.get_openapi_json_schema(title="Greenlight", version=moderation.__version__))
    return part


def _operation(operation: dict[str, Any], function: str, route: str) -> dict[str, Any]:
    from moderation.entrypoints.http import RESOURCE_SERVER, SCOPES

    error = {
        "description": "Error",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    answers = {status: answer for status, answer in operation["responses"].items() if status != "422"}
    return operation | {
        "operationId": operation["summary"].lower().replace(" ", "_"),
        "tags": [function],
        "security": [{"token": [f"{RESOURCE_SERVER}{SCOPES[route]}"]}],
        "responses": answers | {"default": error},
    }


def documents() -> Iterator[tuple[Path, str]]:
    """(path, text) of every generated document."""
    yield DOCS / "openapi.json", openapi()
    for name, text in event_schemas():
        yield DOCS / "events" / name, text


def write_documents() -> None:
    """Write the OpenAPI document and the events' schemas into docs/."""
    for path, text in documents():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        typer.echo(path.relative_to(CHECKOUT))
