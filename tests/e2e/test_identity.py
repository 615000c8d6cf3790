"""What was moderated is what plays, and each arrival counts once: overwrites, duplicates, reordering."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.models.media import Media, MediaStatus
from moderation.services.upload import PostForm, SignUpload
from tests import clips
from tests.local_stack import Bus, faulty
from tests.stored import (
    executions,
    item_kinds,
    object_keys,
    queue_url,
    wait_for_file,
    wait_until_empty,
    wait_until_settled,
)

SIZE = 100_000
LARGE = 12 * 1024**2
STEPS = ("ingest", "plan", "extract", "scan_frames", "aggregate", "publish", "playback")
NOBODY = "0" * 32


def _clean() -> Path:
    return clips.padded(clips.clean(), SIZE)


def _code() -> Path:
    return clips.padded(clips.code(), SIZE)


def _sign(api: Api) -> tuple[str, PostForm]:
    signed = api.sign(SignUpload(file_name="clip.mp4", content_type="video/mp4", size=SIZE, procedure="standard_pre"))
    assert isinstance(signed.upload, PostForm)
    return signed.media_id, signed.upload


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [(_clean, _code, MediaStatus.NORMAL), (_code, _clean, MediaStatus.REVIEWING)],
    ids=["clean first", "code first"],
)
def test_the_first_version_is_moderated_and_plays_and_a_later_one_is_only_recorded(
    api: Api, stack: Stack, bus: Bus, first: Callable[[], Path], second: Callable[[], Path], status: MediaStatus
) -> None:
    # GIVEN a file, and right after it another one of the same size by the same form
    media_id, form = _sign(api)
    api.post(form.url, form.fields, first())
    api.post(form.url, form.fields, second())

    # WHEN all is moderated
    api.wait(media_id, timeout=60)
    wait_until_settled(stack, bus, media_id, status)
    view = api.wait(media_id, 30, lambda view: bool(view.media.later_versions))

    # THEN the verdict is on the first
    assert view.job is not None
    assert view.job.verdict is not None
    assert view.media.status is status
    assert [segment.sub_label for segment in view.job.verdict.segments] == ([] if first is _clean else ["qrcode"])
    assert len(executions(stack, media_id)) == 1
    # AND the other is recorded, and nothing else
    (later,) = view.media.later_versions
    versions = stack.client("s3").list_object_versions(
        Bucket=stack.outputs["UploadsBucketName"], Prefix=f"media/{media_id}/source"
    )["Versions"]
    assert [version["VersionId"] for version in versions] == [
        later.partition("?versionId=")[2],
        view.media.identity.version_id if view.media.identity else None,
    ]
    # AND only the first plays, if any
    if view.playable:
        assert httpx.get(api.playback(media_id).url).content == first().read_bytes()
    else:
        assert object_keys(stack, "Playback", media_id) == []


OVERWRITING = """
import json
from pathlib import Path

import httpx
import real


def overwrite(moment):
    for place in Path({folder!r}).glob("media-*"):
        try:
            (place / moment).touch(exist_ok=False)
        except FileExistsError:
            continue
        form = json.loads((place / "form.json").read_text())
        body = (place / "other.mp4").read_bytes()
        body = body[: -len(moment)] + moment.encode()
        httpx.post(form["url"], data=form["fields"], files={{"file": body}}).raise_for_status()


def handler(event, context):
    overwrite("before-{step}")
    try:
        return real.handler(event, context)
    finally:
        overwrite("after-{step}")
"""
"""A step between two uploads by the form of a media, once for each; every upload has bytes of its own."""


def test_what_is_overwritten_between_every_two_steps_plays_as_it_was_moderated_or_not_at_all(
    api: Api, stack: Stack, bus: Bus, tmp_path: Path
) -> None:
    # GIVEN uploaders who overwrite their file before and after every step
    with ExitStack() as faults:
        for step in STEPS:
            (tmp_path / step).mkdir()
            code = OVERWRITING.format(folder=str(tmp_path), step=step)
            faults.enter_context(faulty(stack, step, code, tmp_path / step))

        # WHEN a clean clip is overwritten by codes
        moderated = _moderated(api, stack, bus, tmp_path / "media-1", _clean(), _code(), MediaStatus.NORMAL)
        # THEN it plays as it was moderated, byte for byte
        playing = httpx.get(api.playback(moderated.media_id).url).content
        assert sha256(playing).digest() == sha256(_clean().read_bytes()).digest()

        # WHEN a code is overwritten by clean clips
        moderated = _moderated(api, stack, bus, tmp_path / "media-2", _code(), _clean(), MediaStatus.REVIEWING)
        # THEN it does not play
        assert not moderated.playable
        assert object_keys(stack, "Playback", moderated.media_id) == []


def _moderated(api: Api, stack: Stack, bus: Bus, place: Path, first: Path, second: Path, status: MediaStatus) -> Media:
    """A media whose file was overwritten between all steps, of which the first version alone was looked at."""
    media_id, form = _sign(api)
    place.mkdir()
    (place / "other.mp4").write_bytes(second.read_bytes())
    (place / "form.json").write_text(form.model_dump_json())
    api.post(form.url, form.fields, first)
    view = api.wait(media_id, timeout=90)
    wait_until_settled(stack, bus, media_id, status)
    if view.media.status is MediaStatus.NORMAL:
        api.playback(media_id)
    wait_until_empty(stack, "UploadsQueue")

    view = api.media(media_id)
    moments = {path.name for path in place.iterdir()} - {"form.json", "other.mp4"}
    expected = STEPS if view.playable else STEPS[:-1]
    assert moments == {f"{when}-{step}" for step in expected for when in ("before", "after")}
    assert len(view.media.later_versions) == len(moments)
    assert len(executions(stack, media_id)) == 1
    assert view.media.status is status
    assert view.job is not None
    assert view.job.verdict is not None
    assert [s.sub_label for s in view.job.verdict.segments] == ([] if view.playable else ["qrcode"])
    return view.media


HELD_COPY = """
import time
from pathlib import Path

import boto3

from moderation.aws import publisher

PLACE = Path({place!r})


def wait(params, **_):
    if params["PartNumber"] == 2 and (PLACE / "hold").exists():
        (PLACE / "held").touch()
        while (PLACE / "hold").exists():
            time.sleep(0.05)


publisher.PART = 5 * 1024**2
boto3.setup_default_session()
boto3.DEFAULT_SESSION.events.register("before-parameter-build.s3.UploadPartCopy", wait)

from real import handler
"""
"""Copies are made of several parts, the second of which can be held."""


def test_a_block_or_a_delete_while_a_large_file_is_copied_leaves_no_copy(
    api: Api, stack: Stack, bus: Bus, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    with faulty(stack, "publish", HELD_COPY.format(place=str(tmp_path)), tmp_path / "code"):
        # GIVEN a large file, which plays as it was moderated
        large = clips.padded(clips.clean(), LARGE)
        media_id = api.upload(large, procedure="standard_pre")
        api.wait(media_id, timeout=90, until=lambda view: view.playable)
        url = api.playback(media_id).url
        assert sha256(httpx.get(url).content).digest() == sha256(large.read_bytes()).digest()
        # WHEN it is blocked
        api.review(media_id, "blocked")
        _settled(api, stack, bus, media_id)
        # THEN the URL that was given out plays no more
        _plays_nothing(api, stack, media_id, url)

        for way in ("blocked", "deleted"):
            # WHEN it is let play again, and blocked or deleted in the middle of its copy
            (tmp_path / "hold").touch()
            api.review(media_id, "normal")
            wait_for_file(tmp_path / "held")
            with pytest.raises(ApiError) as refused:
                api.playback(media_id)
            assert refused.value.details["status"] == "publishing"
            if way == "blocked":
                api.review(media_id, "blocked")
            else:
                api.delete(media_id)
            (tmp_path / "held").unlink()
            (tmp_path / "hold").unlink()
            _settled(api, stack, bus, media_id)
            # THEN nothing of the copy is left
            _plays_nothing(api, stack, media_id, url)


def _settled(api: Api, stack: Stack, bus: Bus, media_id: str) -> None:
    """Until all that follows from the latest decision is done."""
    bus.wait_for(media_id, "Media Status Changed", revision=api.media(media_id).media.revision)
    wait_until_empty(stack, "PublishQueue")


def _plays_nothing(api: Api, stack: Stack, media_id: str, url: str) -> None:
    """Neither by the API nor by a URL that was given out before, and nothing is kept for it."""
    with pytest.raises(ApiError) as refused:
        api.playback(media_id)
    assert (refused.value.status, refused.value.code) == (HTTPStatus.FORBIDDEN, "not_playable")
    assert httpx.get(url).status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
    assert object_keys(stack, "Playback", media_id) == []
    bucket = stack.outputs["PlaybackBucketName"]
    assert stack.client("s3").list_multipart_uploads(Bucket=bucket, Prefix=media_id).get("Uploads", []) == []


def _messages(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Take what S3 has sent out of the queue."""
    sqs, url = stack.client("sqs"), queue_url(stack, "UploadsQueue")
    taken: list[dict[str, Any]] = []
    deadline = time.monotonic() + 20
    while len(taken) < count:
        assert time.monotonic() < deadline, f"only {len(taken)} messages came"
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            taken.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return taken


def test_events_that_come_twice_and_out_of_order_make_one_job(api: Api, stack: Stack, bus: Bus) -> None:
    # GIVEN two versions under one key, of whose arrival nobody has been told yet
    functions, (source,) = (
        stack.client("lambda"),
        stack.client("lambda").list_event_source_mappings(FunctionName=stack.functions()["ingest"])[
            "EventSourceMappings"
        ],
    )
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        media_id, form = _sign(api)
        api.post(form.url, form.fields, _clean())
        api.post(form.url, form.fields, _code())
        bodies = [message["Body"] for message in _messages(stack, 2)]
        bodies.sort(key=lambda body: json.loads(body)["Records"][0]["s3"]["object"].get("sequencer", ""))
        assert api.media(media_id).media.status is MediaStatus.UPLOADING

        # WHEN both events come in the wrong order, and each three times
        sqs, url = stack.client("sqs"), queue_url(stack, "UploadsQueue")
        for body in [*reversed(bodies), *bodies, *reversed(bodies)]:
            sqs.send_message(QueueUrl=url, MessageBody=body)
    finally:
        functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)
    view = api.wait(media_id, timeout=60, until=lambda view: view.playable)
    wait_until_empty(stack, "UploadsQueue")

    # THEN the first version was moderated, once
    assert len(executions(stack, media_id)) == 1
    assert [kind for kind in item_kinds(stack, media_id) if kind == "JOB"] == ["JOB"]
    assert len(api.media(media_id).media.later_versions) == 1
    assert httpx.get(api.playback(media_id).url).content == _clean().read_bytes()
    # AND told once
    assert view.job is not None
    bus.wait_for(media_id, "Media Status Changed", status="normal")
    assert [(event["detail-type"], event["detail"]["event_id"]) for event in bus.of(media_id)] == [
        ("Media Uploaded", f"uploaded-{view.job.job_id}"),
        ("Moderation Completed", f"completed-{view.job.job_id}"),
        ("Media Status Changed", f"status-{media_id}-{view.media.revision}"),
    ]


def test_a_file_under_a_key_that_nobody_signed_changes_nothing(stack: Stack) -> None:
    # GIVEN files under keys that were never given out
    strays = {
        f"media/{NOBODY}/source": "unknown_media",
        f"media/{NOBODY}/source2": "foreign_key",
        "media/a b+c%41/ü//source": "foreign_key",
    }
    since = datetime.now(UTC) - timedelta(seconds=1)

    # WHEN they arrive
    expected = set()
    for key, outcome in strays.items():
        put = stack.client("s3").put_object(Bucket=stack.outputs["UploadsBucketName"], Key=key, Body=b"stray")
        expected.add((put["VersionId"], outcome))
    deadline = time.monotonic() + 30
    while not expected <= (seen := _arrivals(stack, since)):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)

    # THEN nobody takes care of them
    assert executions(stack, NOBODY) == []
    assert item_kinds(stack, NOBODY) == []


def _arrivals(stack: Stack, since: datetime) -> set[tuple[str, str]]:
    """The versions of objects that ingest was told of, and what it made of them, by its log."""
    lines = [json.loads(line) for line in stack.logs("ingest", since) if line.startswith("{")]
    return {(line["version_id"], line["outcome"]) for line in lines if line["message"] == "arrival"}
