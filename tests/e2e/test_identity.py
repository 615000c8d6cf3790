"""What was moderated is what plays, and each arrival counts once: overwrites, duplicates, reordering."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from greenlight.api import Api
from greenlight.stack.stack import Stack
from moderation.models.media import MediaStatus
from moderation.services.upload import PostForm, SignUpload
from tests import clips
from tests.local_stack import Bus
from tests.stored import (
    executions,
    item_kinds,
    object_keys,
    queue_url,
    wait_until_empty,
    wait_until_settled,
)

SIZE = 100_000
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
    expected = {
        f"media/{NOBODY}/source": "unknown_media",
        f"media/{NOBODY}/source2": "foreign_key",
        "media/a b+c%41/ü//source": "foreign_key",
    }
    since = datetime.now(UTC) - timedelta(seconds=1)

    # WHEN they arrive
    for key in expected:
        stack.client("s3").put_object(Bucket=stack.outputs["UploadsBucketName"], Key=key, Body=b"stray")
    deadline = time.monotonic() + 30
    while not expected.items() <= (seen := _arrivals(stack, since)).items():
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)

    # THEN nobody takes care of them
    assert executions(stack, NOBODY) == []
    assert item_kinds(stack, NOBODY) == []


def _arrivals(stack: Stack, since: datetime) -> dict[str, str]:
    """What ingest has made of each key, by its log."""
    lines = [json.loads(line) for line in stack.logs("ingest", since) if line.startswith("{")]
    return {line["key"]: line["outcome"] for line in lines if line["message"] == "arrival"}
