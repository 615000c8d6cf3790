"""The licences of every package in the locks, against requirements/licences.yaml.

    python -m tests.security.licences

looks at the environments that are there and says which are not. What counts is what a package's metadata say:
the SPDX expression, else the classifiers, else the field that anything may be written into.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import yaml

from greenlight.paths import CHECKOUT

POLICY = CHECKOUT / "requirements" / "licences.yaml"
ENVIRONMENTS = {"dev": ".venv", "uv": ".venv", "node": ".venv", "stack": ".venv/stack", "sam": ".venv/sam"}
SHIPPED = [
    *(CHECKOUT / "layers").glob("*/requirements.txt"),
    *(CHECKOUT / "functions").glob("*/requirements.txt"),
]
PACKAGE_LOCK = CHECKOUT / "tests" / "template" / "package-lock.json"


def normal(name: str) -> str:
    """A package's name as registries compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: Path) -> list[str]:
    """Names of the packages in a lock file."""
    return [normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE)]


def stated(package: Distribution) -> str:
    """The licence that a package states; several are joined by AND, none is empty."""
    expression, classifiers, text = (
        package.metadata.get_all(field) or [] for field in ("License-Expression", "Classifier", "License")
    )
    if expression:
        return str(expression[0])
    named = [str(one).rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    return " AND ".join(named) or "".join(text).partition("\n")[0]


def allows(policy: dict[str, Any], expression: str) -> bool:
    """Whether every part of an expression joined by AND, and one of each joined by OR, is allowed. Flat ones only."""
    names = {name for spdx, others in policy["allowed"].items() for name in (spdx, *others)}
    return bool(expression) and all(
        any(choice in names for choice in (part[1:-1] if part.startswith("(") else part).split(" OR "))
        for part in expression.split(" AND ")
    )


def problems(
    policy: dict[str, Any], environment: dict[str, Distribution], names: list[str], *, shipped: bool
) -> Iterator[str]:
    """What is wrong with packages of a lock. Those that this platform does not install are passed over."""
    for name in names:
        if name not in environment:
            continue
        if (known := policy["known"].get(name)) is not None:
            if shipped and not known.get("shipped"):
                yield f"{name}: {known['licence']} is not to be shipped"
        elif not allows(policy, licence := stated(environment[name])):
            yield f"{name}: {licence or 'no licence'} is not allowed by {POLICY.name}"


def environment(folder: Path) -> dict[str, Distribution]:
    """The packages of a virtual environment by name; empty when there is none."""
    sites = [str(path) for path in folder.glob("lib/python3.*/site-packages")]
    return {normal(one.metadata["Name"]): one for one in distributions(path=sites)} if sites else {}


def of_npm(policy: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the packages that the state machine validator needs."""
    for name, package in json.loads(PACKAGE_LOCK.read_text())["packages"].items():
        if name and not allows(policy, str(package.get("license", ""))):
            yield f"{name}: {package.get('license')} is not allowed by {POLICY.name}"


def main() -> int:
    """Print what is wrong; the exit code says whether anything is."""
    policy = yaml.safe_load(POLICY.read_text())
    found = list(of_npm(policy))
    for lock, folder in ENVIRONMENTS.items():
        packages = environment(CHECKOUT / folder)
        if not packages:
            print(f"{lock}.lock: not looked at, {folder} is not installed")
            continue
        found += problems(policy, packages, locked(CHECKOUT / "requirements" / f"{lock}.lock"), shipped=False)
    own = environment(CHECKOUT / ".venv")
    for lock_file in SHIPPED:
        found += problems(policy, own, locked(lock_file), shipped=True)
    print("\n".join(found) or "licences: as allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
