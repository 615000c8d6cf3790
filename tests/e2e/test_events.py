"""What leaves on the bus: which events, in which words, and always with the same ids."""

import json
from collections import Counter
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from greenlight.api import Api
from greenlight.paths import CHECKOUT
from greenlight.stack.stack import Stack
from moderation.services.media import MediaView
from moderation.services.upload import PostForm, SignUpload
from tests import clips
from tests.local_stack import Bus
from tests.stored import queue_url, wait_until_empty


def _valid(event: dict[str, Any]) -> None:
    name = event["detail-type"].lower().replace(" ", "_")
    path = CHECKOUT / "docs" / "events" / f"{name}.v{event['detail']['schema_version']}.schema.json"
    schema = json.loads(path.read_text())
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(event["detail"])


def _ids(event: dict[str, Any]) -> tuple[str, str]:
    return event["detail-type"], event["detail"]["event_id"]


def test_a_media_that_passes_tells_of_each_step_once(bus: Bus, passed: MediaView) -> None:
    media_id, job = passed.media.media_id, passed.job
    assert job is not None
    bus.wait_for(media_id, "Media Status Changed", status="normal")
    events = bus.of(media_id)

    for event in events:
        _valid(event)
        assert event["source"] == "greenlight"
    assert sorted(map(_ids, events)) == [
        ("Media Status Changed", f"status-{media_id}-{passed.media.revision}"),
        ("Media Uploaded", f"uploaded-{job.job_id}"),
        ("Moderation Completed", f"completed-{job.job_id}"),
    ]
    told = {event["detail-type"]: event["detail"] for event in events}
    assert told["Media Uploaded"]["size"] == clips.clean().stat().st_size
    assert told["Moderation Completed"]["suggestion"] == "pass"
    assert told["Moderation Completed"]["coverage_complete"] is True
    assert told["Media Status Changed"]["previous"] == "checking"
    assert told["Media Status Changed"]["decided_by"] == "machine"


@pytest.mark.parametrize(
    ("fixture", "outcome", "status", "details"),
    [
        ("with_code", "verdict", "reviewing", {"suggestion": "review", "label": "ad", "sub_label": "qrcode"}),
        ("refused", "refused", "refused", {"suggestion": None, "coverage_complete": None}),
    ],
)
def test_other_outcomes_are_told_in_the_same_words(
    request: pytest.FixtureRequest, bus: Bus, fixture: str, outcome: str, status: str, details: dict[str, Any]
) -> None:
    view: MediaView = request.getfixturevalue(fixture)

    completed = bus.wait_for(view.media.media_id, "Moderation Completed", outcome=outcome, **details)
    changed = bus.wait_for(view.media.media_id, "Media Status Changed", status=status)

    _valid(completed)
    _valid(changed)
    assert completed["detail"]["state"] == "FINISH"
    assert (completed["detail"]["error"] or {}).get("code") == ("not_a_video" if outcome == "refused" else None)


def test_what_the_caller_said_at_signing_comes_back_in_every_event(api: Api, bus: Bus) -> None:
    size = clips.text().stat().st_size
    signed = api.sign(
        SignUpload(
            file_name="a.mp4", content_type="video/mp4", size=size, session_context='{"order": 7}', source_context="ä"
        )
    )
    assert isinstance(signed.upload, PostForm)

    api.post(signed.upload.url, signed.upload.fields, clips.text())
    bus.wait_for(signed.media_id, "Media Status Changed", status="refused")

    said = {
        (event["detail"]["session_context"], event["detail"]["source_context"]) for event in bus.of(signed.media_id)
    }
    assert said == {('{"order": 7}', "ä")}


def test_an_event_that_is_sent_again_keeps_its_id(stack: Stack, bus: Bus, passed: MediaView) -> None:
    # GIVEN the outbox of a media, whose events have left
    media_id = passed.media.media_id
    before = Counter(map(_ids, bus.of(media_id)))
    outbox = stack.client("dynamodb").query(
        TableName=stack.outputs["TableName"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :outbox)",
        ExpressionAttributeValues={":pk": {"S": f"MEDIA#{media_id}"}, ":outbox": {"S": "OUTBOX#"}},
    )["Items"]
    assert len(outbox) == len(before) == 3

    # WHEN the stream brings them once more
    records = [
        {
            "eventID": str(number),
            "eventName": "INSERT",
            "dynamodb": {"NewImage": item, "SequenceNumber": str(number), "StreamViewType": "NEW_IMAGE"},
        }
        for number, item in enumerate(outbox)
    ]
    answer = stack.client("lambda").invoke(
        FunctionName=stack.functions()["outbox"], Payload=json.dumps({"Records": records})
    )

    # THEN they leave once more, with the ids they had
    assert json.loads(answer["Payload"].read()) == {"batchItemFailures": []}
    assert Counter(map(_ids, bus.of(media_id))) == before + before


def test_a_status_change_that_is_delivered_again_publishes_nothing_anew(
    api: Api, stack: Stack, bus: Bus, passed: MediaView
) -> None:
    # GIVEN a media that plays
    media_id = passed.media.media_id
    event = bus.wait_for(media_id, "Media Status Changed", status="normal")
    before = api.media(media_id).media

    # WHEN the event about it comes again
    stack.client("sqs").send_message(QueueUrl=queue_url(stack, "PublishQueue"), MessageBody=json.dumps(event))
    wait_until_empty(stack, "PublishQueue")

    # THEN nothing has changed
    assert api.media(media_id).media == before
