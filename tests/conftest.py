"""The local stack for all tests of the whole system. Each process of pytest-xdist has one, and runs whole files."""

from pathlib import Path

import pytest

from tests.local_stack import api, bus, stack

__all__ = ["api", "bus", "stack"]

_HERE = Path(__file__).parent
_KINDS = {"workflow": pytest.mark.workflow, "e2e": pytest.mark.e2e}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if mark := _KINDS.get(item.path.relative_to(_HERE).parts[0]):
            item.add_marker(mark)
