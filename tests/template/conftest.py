from typing import Any

import pytest

from tests.template import shipped


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return shipped.written()


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return template["Resources"]


@pytest.fixture(scope="session")
def functions(resources: dict[str, Any]) -> dict[str, Any]:
    """The properties of every function, by logical name."""
    return shipped.properties_of(resources, "AWS::Serverless::Function")


@pytest.fixture(scope="session")
def machine(resources: dict[str, Any]) -> dict[str, Any]:
    return shipped.definition(resources)
