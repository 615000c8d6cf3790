"""Uploads that never became a media leave nothing behind."""

import pytest

from moderation.models.media import MAX_COVERS, cover_key, source_key
from moderation.ports import NotFound
from moderation.services.sweep import Sweeping
from tests.world import World


def test_everything_that_was_uploaded_for_it_goes_and_nothing_else(world: World) -> None:
    # GIVEN two uploads with every cover that there can be, and later versions
    gone, stays = (world.sign(covers=MAX_COVERS) for _ in range(2))
    keys = {
        media_id: [source_key(media_id), *(cover_key(media_id, n) for n in range(MAX_COVERS))]
        for media_id in (gone, stays)
    }
    for key in [*keys[gone], *keys[gone], *keys[stays]]:
        world.bring(key)
    # WHEN the table forgets one, twice
    for _ in range(2):
        Sweeping(world.uploads).forgotten(gone)
    # THEN its objects are gone, all versions, and those of the other are there
    for key in keys[gone]:
        with pytest.raises(NotFound):
            world.uploads.first_version(key)
    assert all(world.uploads.first_version(key) for key in keys[stays])
