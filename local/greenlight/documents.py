"""Documents made from the code, so that they cannot say anything else than the code does."""

import json
from collections.abc import Iterator
from pathlib import Path

from moderation.models.event import MediaStatusChanged, MediaUploaded, ModerationCompleted

EVENTS = (MediaUploaded, ModerationCompleted, MediaStatusChanged)


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


def write_event_schemas(folder: Path) -> list[Path]:
    """Write every schema into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in event_schemas():
        (folder / name).write_text(text)
        written.append(folder / name)
    return written
