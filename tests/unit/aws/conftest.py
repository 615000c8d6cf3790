"""Clients that answer what a test tells them, and never leave this process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from moderation.aws.clients import s3_config

MakeStub = Callable[[str], tuple[Any, Stubber]]


@pytest.fixture
def stub(socket_disabled: None) -> Iterator[MakeStub]:
    """`stub("s3")` gives a client and what it will answer; at the end, all answers must have been asked for."""
    stubbers: list[Stubber] = []
    with ExitStack() as stack:

        def make(service: str) -> tuple[Any, Stubber]:
            client = boto3.client(
                service,  # type: ignore[call-overload]
                region_name="eu-west-1",
                aws_access_key_id="AKIDEXAMPLE",
                aws_secret_access_key="secret",
                config=(s3_config() if service == "s3" else Config()).merge(Config(retries={"total_max_attempts": 1})),
            )
            stubber = stack.enter_context(Stubber(client))
            stubbers.append(stubber)
            return client, stubber

        yield make
        for stubber in stubbers:
            stubber.assert_no_pending_responses()
