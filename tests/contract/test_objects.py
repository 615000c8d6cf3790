"""The port `Objects`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from moderation.aws.objects import S3Objects
from moderation.memory.objects import FolderObjects
from moderation.ports import NotFound, Objects
from tests.contract.conftest import fill

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STRANGE_KEYS = ["a b/+%é\n.json", "../../outside", "x" * 1000, "a//b"]


@pytest.fixture(params=["memory", "aws"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "memory":
        folder = tmp_path / "objects"
        folder.mkdir()
        return FolderObjects(folder)
    client = cast("S3Client", request.getfixturevalue("s3"))
    return S3Objects(client, cast("Callable[[], str]", request.getfixturevalue("new_bucket"))())


@pytest.mark.parametrize("key", STRANGE_KEYS, ids=["escapes", "dots", "long", "slashes"])
def test_what_is_put_is_got(objects: Objects, tmp_path: Path, key: str) -> None:
    # GIVEN bytes, replaced once
    objects.put(key, b"old", "text/plain")
    objects.put(key, b"new", "text/plain")
    # WHEN they are fetched into a file THEN file and bytes are the newest
    objects.fetch(key, tmp_path / "fetched")
    assert objects.get(key) == (tmp_path / "fetched").read_bytes() == b"new"


def test_no_key_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner" / "objects"
    folder.mkdir(parents=True)
    for key in STRANGE_KEYS:
        FolderObjects(folder).put(key, b"x", "text/plain")
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder}


def test_a_file_is_kept_as_it_was(objects: Objects, tmp_path: Path) -> None:
    # GIVEN a file that is put, and changed afterwards
    path = tmp_path / "frames.zip"
    path.write_bytes(b"frames" * 1000)
    objects.put_file("work/frames.zip", path, "application/zip")
    path.write_bytes(b"other")
    # THEN the object is what was put
    assert objects.get("work/frames.zip") == b"frames" * 1000


def test_missing_objects_are_not_found(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        objects.get("none")
    with pytest.raises(NotFound):
        objects.fetch("none", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_url_of_any_key(objects: Objects) -> None:
    objects.put("evidence/a b+c.jpg", b"x", "image/jpeg")
    url = objects.url("evidence/a b+c.jpg", timedelta(minutes=15))
    assert url.startswith(("https://", "file://"))
    assert " " not in url


def test_delete_prefix_takes_every_object_and_nothing_beside(objects: Objects, tmp_path: Path) -> None:
    # GIVEN more objects than one listing shows, some in two versions, and neighbours
    keys = [f"work/m1/{number:05d}" for number in range(1_003)]
    if isinstance(objects, S3Objects):
        fill(objects._bucket, [*keys, *keys[:20]])
        objects._client.delete_object(Bucket=objects._bucket, Key=keys[0])
    else:
        for key in keys:
            objects.put(key, b"x", "text/plain")
    objects.put("work/m10", b"kept", "text/plain")
    # WHEN the prefix is deleted, twice
    objects.delete_prefix("work/m1/")
    objects.delete_prefix("work/m1/")
    # THEN only the neighbour is left
    for key in (keys[0], keys[999], keys[1_000], keys[-1]):
        with pytest.raises(NotFound):
            objects.get(key)
    assert objects.get("work/m10") == b"kept"
    if isinstance(objects, S3Objects):
        left = objects._client.list_object_versions(Bucket=objects._bucket)
        assert len(left["Versions"]) == 1
        assert "DeleteMarkers" not in left


def test_an_empty_prefix_is_refused(objects: Objects) -> None:
    with pytest.raises(ValueError, match="everything"):
        objects.delete_prefix("")


def test_threads_share_a_folder(tmp_path: Path) -> None:
    # GIVEN eight writers, each with keys of its own and one in common
    objects = FolderObjects(tmp_path)

    def work(writer: int) -> None:
        for number in range(50):
            objects.put(f"{writer}/{number}", b"%d" % writer * 1000, "text/plain")
            objects.put("common", b"%d" % writer * 1000, "text/plain")
            assert len(set(objects.get("common"))) == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    # THEN nothing is lost, and no draft is left
    assert len(objects.content_types()) == 8 * 50 + 1
    assert len(list(tmp_path.iterdir())) == 8 * 50 + 1
