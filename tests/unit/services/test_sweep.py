"""Uploads that never became a media leave nothing behind."""

from pathlib import Path

import pytest

from moderation.memory.uploads import LocalUploads
from moderation.models.media import cover_key, source_key
from moderation.ports import NotFound
from moderation.services.sweep import Sweeping

FORGOTTEN, OTHER = "0" * 32, "1" * 32


def test_every_version_of_every_file_of_a_forgotten_media_is_deleted(tmp_path: Path):
    # GIVEN covers that came, twice, for a media whose video never did, and another media
    uploads = LocalUploads(tmp_path)
    for key in (cover_key(FORGOTTEN, 0), cover_key(FORGOTTEN, 0), cover_key(FORGOTTEN, 4), source_key(OTHER)):
        uploads.receive(key, b"file")
    # WHEN the table forgets the first, which may be told twice
    Sweeping(uploads).forgotten(FORGOTTEN)
    Sweeping(uploads).forgotten(FORGOTTEN)
    # THEN nothing of it is left, and nothing else is gone
    for index in (0, 4):
        with pytest.raises(NotFound):
            uploads.first_version(cover_key(FORGOTTEN, index))
    assert uploads.first_version(source_key(OTHER))
