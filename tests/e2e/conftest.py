"""Media that many tests look at and none changes."""

import pytest

from greenlight.api import Api
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
