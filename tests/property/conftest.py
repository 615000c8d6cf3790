"""Property tests open no socket. With `--hypothesis-profile=long` they look longer for what breaks."""

import pytest
from hypothesis import settings
from pytest_socket import disable_socket

settings.register_profile("long", max_examples=5000, stateful_step_count=80, print_blob=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    disable_socket(allow_unix_socket=True)
