"""The local stack for tests of the workflow; all that use it run in one process of pytest-xdist."""

import pytest

from tests.local_stack import api, bus, stack

__all__ = ["api", "bus", "stack"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("stack"))
            item.add_marker(pytest.mark.workflow)
