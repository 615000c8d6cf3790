"""What AWS publishes and what the steps take, read from the two files beside this one."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Quota:
    """One quota of an account. `burst` is what may come at once where the quota is a rate."""

    name: str
    value: float
    burst: float
    code: str
    checked: bool


@cache
def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text())
    return document


def quotas(region: str) -> dict[str, Quota]:
    """The quotas of a region by their key in quotas.yaml."""
    document = _read("quotas.yaml")
    size = "large" if region in document["regions"]["large"] else "other"

    def of_region(value: Any) -> float:
        return float(value[size] if isinstance(value, dict) else value)

    return {
        key: Quota(
            name=entry["name"],
            value=of_region(entry["value"]),
            burst=of_region(entry.get("burst", entry["value"])),
            code=entry.get("code", ""),
            checked=entry["checked"],
        )
        for key, entry in document["quotas"].items()
    }


def prices(architecture: str) -> dict[str, float]:
    """US dollars of one unit by their key in quotas.yaml."""
    found = _read("quotas.yaml")["prices"]
    return {key: float(entry.get("value", entry.get(architecture, 0.0))) for key, entry in found.items()}


def vendors() -> dict[str, float]:
    """US dollars that others charge for a minute of video."""
    return {entry["name"]: float(entry["minute"]) for entry in _read("quotas.yaml")["vendors"]}


def steps() -> dict[str, Any]:
    """steps.yaml as it is."""
    return _read("steps.yaml")
