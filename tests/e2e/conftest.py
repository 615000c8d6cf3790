"""Media that many tests look at and none changes."""

from typing import Any

import boto3
import pytest
from botocore.config import Config

from greenlight.api import Api
from greenlight.stack.stack import Stack
from moderation.services.media import MediaView
from tests import clips
from tests.local_stack import Bus


@pytest.fixture(scope="session")
def passed(api: Api, bus: Bus) -> MediaView:
    """A clean clip with its verdict; it plays."""
    media_id = api.upload(clips.clean(), title="A walk", procedure="standard_pre")
    return api.wait(media_id, timeout=120, until=lambda view: view.playable)


@pytest.fixture(scope="session")
def with_code(api: Api, bus: Bus) -> MediaView:
    """A clip with a QR code with its verdict; it waits for a person."""
    return api.wait(api.upload(clips.code(), procedure="standard_pre"), timeout=120)


@pytest.fixture(scope="session")
def refused(api: Api, bus: Bus) -> MediaView:
    """A text that was called a video, although its procedure lets media play before their verdict."""
    return api.wait(api.upload(clips.text(), procedure="standard_post"), timeout=120)


@pytest.fixture(scope="session")
def signing_s3(stack: Stack) -> Any:
    """A client of S3 that signs as those of the functions do."""
    as_in_functions = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=stack.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=as_in_functions,
    )
