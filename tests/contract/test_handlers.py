"""Every handler, with its event: in the real runtime, on AWS adapters over moto."""

import io
import json
import wave
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import jsonschema
import pytest
import zxingcpp
from PIL import Image

from greenlight.documents import openapi
from greenlight.paths import CHECKOUT
from moderation.detectors.catalog import needed
from moderation.entrypoints import compose
from moderation.entrypoints.http import SCOPES
from moderation.media.sound import RATE
from moderation.models.event import MediaStatusChanged
from moderation.models.job import JobError, JobState
from moderation.models.media import MediaStatus
from moderation.models.observation import FrameLook, Scan
from moderation.models.plan import FrameEntry, FrameReason, SegmentFrames
from moderation.models.reading import Reading
from moderation.models.sound import Hearing
from moderation.models.template import Form, Rule, Template
from moderation.services.plan import Planned
from moderation.services.work import Work
from tests.builders import MEDIA_ID, probed_media, silent_plan, sounding, waiting_media
from tests.contract.conftest import REGION
from tests.contract.deployment import EVENTS, Answer, Deployment, event_of, forget_composition, invoke
from tests.emitted import EMITTED
from tests.runtime_api import LambdaProcess
from tests.template.shipped import written

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

API = {"upload", "media", "playback", "review", "feedback"}
STEPS = {
    *("plan", "extract", "scan_frames", "scan_audio", "scan_images", "refine", "scan_text", "aggregate", "fail_job")
}
CONSUMERS = {"ingest", "outbox", "publish", "sweep"}
SCHEDULED = {"watch"}
QR_ONLY = Template(
    name="codes",
    revision=1,
    rules=(Rule(label="ad", sub_label="qrcode", forms=frozenset({Form.CODE, Form.COVER}), review=60),),
)
"""Needs no model."""
MOANS = Template(
    name="moans", revision=1, rules=(Rule(label="porn", sub_label="moan", forms=frozenset({Form.VOICE}), review=60),)
)
TITLES = Template(
    name="titles", revision=1, rules=(Rule(label="abuse", sub_label="text", forms=frozenset({Form.TITLE}), review=60),)
)


@pytest.fixture
def deployment(
    s3: "S3Client", table: str, new_bucket: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    made = Deployment.make(s3, table, new_bucket)
    made.enter(monkeypatch)
    yield made
    monkeypatch.undo()
    forget_composition()


# ───────────────────────────── events and routes ─────────────────────────────


@cache
def routes_of(function: str) -> set[str]:
    """The routes that template.yaml brings to a function."""
    resource = written()["Resources"]["".join(part.title() for part in function.split("_")) + "Function"]
    return {
        f"{event['Properties']['Method'].upper()} {event['Properties']['Path']}"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }


def test_every_function_has_an_event_and_every_event_a_function() -> None:
    functions = {path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py")}
    assert functions == API | STEPS | CONSUMERS | SCHEDULED
    assert {path.stem for path in EVENTS.glob("*.json")} == functions


def test_every_route_is_in_the_template_has_a_scope_and_is_answered() -> None:
    shipped = {function: routes_of(function) for function in API}
    assert set().union(*shipped.values()) == set(SCOPES)
    for function in API:
        assert event_of(function)["routeKey"] in shipped[function]
    document = json.loads(openapi())
    answered = {
        (operation["tags"][0], f"{method.upper()} {path}")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert answered == {(function, route) for function, routes in shipped.items() for route in routes}


# ───────────────────────────── the HTTP API ─────────────────────────────


def http_event(route: str, body: object = None, *, scope: str | None = None, query: str = "") -> dict[str, Any]:
    """An event of the HTTP API for a route, with the scope that it needs unless told otherwise."""
    method, path = route.split(" ")
    path = path.replace("{media_id}", MEDIA_ID).replace("{job_id}", event_of("plan")["job_id"])
    event = event_of("media")
    event |= {"routeKey": route, "rawPath": path, "rawQueryString": query}
    event["requestContext"]["http"] |= {"method": method, "path": path}
    event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = SCOPES[route] if scope is None else scope
    if query:
        event["queryStringParameters"] = dict(pair.split("=") for pair in query.split("&"))
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


def function_of(route: str) -> str:
    return next(function for function in sorted(API) if route in routes_of(function))


DOCUMENT = json.loads(openapi())


def documented(answer: Answer, route: str) -> Answer:
    """The answer, which must be one that the OpenAPI document allows."""
    method, path = route.split(" ")
    answers = DOCUMENT["paths"][path][method.lower()]["responses"]
    schema = answers.get(str(answer.status), answers["default"])["content"]["application/json"]["schema"]
    jsonschema.validate(answer.body, {**schema, "components": DOCUMENT["components"]})
    return answer


@pytest.mark.parametrize("function", sorted(API))
def test_a_route_that_nobody_lists_is_not_found(deployment: Deployment, function: str) -> None:
    event = event_of(function) | {"routeKey": "$default", "rawPath": "/v1/nothing"}
    answer = deployment.call(function, event)
    assert (answer.status, answer.code) == (404, "not_found")
    # nor is a route of another function
    stray = http_event("GET /v1/jobs/{job_id}" if function != "media" else "GET /v1/feedback")
    assert deployment.call(function, stray).code == "not_found"


BODIES = {
    "POST /v1/uploads": event_of("upload")["body"],
    "POST /v1/uploads/{media_id}/complete": '{"parts": [{"number": 1, "etag": "e"}]}',
    "POST /v1/media/{media_id}/jobs": "{}",
    "POST /v1/reviews": event_of("review")["body"],
    "POST /v1/feedback": event_of("feedback")["body"],
}


@pytest.mark.parametrize("route", BODIES)
def test_a_body_that_is_not_understood_is_invalid(deployment: Deployment, route: str) -> None:
    for body in ("", "{", "[]", "null", '"text"', '{"unknown": 1}', "\x00", "[" * 9000, '{"a":' * 9000):
        answer = documented(deployment.call(function_of(route), http_event(route, body)), route)
        assert (answer.status, answer.code) == (400, "invalid_request"), body
        assert answer.body["error"]["request_id"]
        assert "Traceback" not in answer.body["error"]["message"]


@pytest.mark.parametrize("route", [route for route in SCOPES if "{media_id}" in route])
def test_an_id_that_is_none_is_invalid(deployment: Deployment, route: str) -> None:
    event = http_event(route, BODIES.get(route))
    event["rawPath"] = event["rawPath"].replace(MEDIA_ID, "..%2f..")
    event["requestContext"]["http"]["path"] = event["rawPath"]
    answer = documented(deployment.call(function_of(route), event), route)
    assert answer.code in {"invalid_request", "not_found"}


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        ("POST /v1/uploads/{media_id}/complete", 404, "upload_not_found"),
        ("POST /v1/uploads/{media_id}/abort", 404, "upload_not_found"),
        ("GET /v1/media/{media_id}", 404, "media_not_found"),
        ("DELETE /v1/media/{media_id}", 404, "media_not_found"),
        ("POST /v1/media/{media_id}/jobs", 404, "media_not_found"),
        ("GET /v1/jobs/{job_id}", 404, "job_not_found"),
        ("GET /v1/media/{media_id}/playback", 404, "media_not_found"),
        ("POST /v1/reviews", 404, "media_not_found"),
        ("POST /v1/feedback", 404, "media_not_found"),
    ],
)
def test_a_media_of_nobody_is_not_found(deployment: Deployment, route: str, status: int, code: str) -> None:
    answer = documented(deployment.call(function_of(route), http_event(route, BODIES.get(route))), route)
    assert (answer.status, answer.code) == (status, code)


def test_an_id_longer_than_any_job_has_never_reaches_the_table(deployment: Deployment) -> None:
    # GIVEN names that no key of the table can be as long as
    looked = http_event("GET /v1/jobs/{job_id}")
    looked["rawPath"] = looked["requestContext"]["http"]["path"] = f"/v1/jobs/{'a' * 3000}"
    deployment.store.add_media(waiting_media())
    judged = event_of("feedback")
    judged["body"] = json.dumps(json.loads(judged["body"]) | {"job_id": "a" * 3000})
    # THEN they are the caller's mistake, not ours
    for function, event in (("media", looked), ("feedback", judged)):
        answer = deployment.call(function, event)
        assert (answer.status, answer.code) == (400, "invalid_request")


def test_upload_signs_and_remembers(deployment: Deployment) -> None:
    # WHEN the event comes
    answer = documented(deployment.call("upload", event_of("upload")), "POST /v1/uploads")
    # THEN the form leads to the bucket, and the media waits
    assert answer.status == 201
    media = deployment.store.media(answer.body["media_id"])
    assert (media.status, media.title, len(media.covers)) == (MediaStatus.UPLOADING, "A day at the sea", 1)
    assert answer.body["upload"]["fields"]["key"] == media.source_key
    assert deployment.uploads_bucket in answer.body["upload"]["url"]
    assert answer.body["covers"][0]["fields"]["key"] == f"media/{media.media_id}/cover-0"


def test_a_multipart_upload_goes_all_the_way(deployment: Deployment) -> None:
    # GIVEN a signed upload in parts, of which the store is told a smaller size: nobody needs 100 MB here
    body = json.loads(BODIES["POST /v1/uploads"]) | {"size": 200 * 1024**2, "covers": []}
    signed = deployment.call("upload", http_event("POST /v1/uploads", body)).body
    media = deployment.store.media(signed["media_id"])
    assert len(signed["upload"]["parts"]) == 13
    deployment.store.save(media.model_copy(update={"size": 9}))
    etag = deployment.s3.upload_part(
        Bucket=deployment.uploads_bucket,
        Key=media.source_key,
        UploadId=str(media.upload_id),
        PartNumber=1,
        Body=b"the video",
    )["ETag"]
    # WHEN it is completed, twice
    route = "POST /v1/uploads/{media_id}/complete"
    event = http_event(route, {"parts": [{"number": 1, "etag": etag}]})
    event = json.loads(json.dumps(event).replace(MEDIA_ID, media.media_id))
    answers = [documented(deployment.call("upload", event), route) for _ in range(2)]
    # THEN it is there
    assert [answer.status for answer in answers] == [200, 200]
    version = deployment.uploads.first_version(media.source_key)
    assert deployment.uploads.identify(media.source_key, version).size == 9


def test_media_shows_deletes_and_moderates_again(deployment: Deployment) -> None:
    job = deployment.with_job(waiting_media())
    shown = documented(deployment.call("media", event_of("media")), "GET /v1/media/{media_id}")
    assert (shown.status, shown.body["media"]["status"], shown.body["playable"]) == (200, "checking", False)
    assert shown.body["job"]["job_id"] == job.job_id
    seen = documented(deployment.call("media", http_event("GET /v1/jobs/{job_id}")), "GET /v1/jobs/{job_id}")
    assert seen.body == shown.body["job"]
    route = "POST /v1/media/{media_id}/jobs"
    again = documented(deployment.call("media", http_event(route, {"template": "strict"})), route)
    assert again.status == 202
    assert deployment.runs() == [again.body["job_id"]]
    route = "DELETE /v1/media/{media_id}"
    gone = documented(deployment.call("media", http_event(route)), route)
    assert (gone.status, gone.body["status"]) == (202, "deleted")
    assert deployment.store.media(MEDIA_ID).status is MediaStatus.DELETED


def test_playback_gives_a_url_that_reads_the_copy_or_says_why_not(deployment: Deployment) -> None:
    # GIVEN a media that waits
    deployment.with_job(probed_media())
    route = "GET /v1/media/{media_id}/playback"
    refused = documented(deployment.call("playback", event_of("playback")), route)
    assert (refused.status, refused.code, refused.body["error"]["status"]) == (403, "not_playable", "checking")
    # WHEN a person lets it play and the publisher has heard of it
    assert deployment.call("review", event_of("review")).status == 201
    assert invoke("publish", event_of("publish")).payload == {"batchItemFailures": []}
    # THEN there is a URL to the copy
    given = documented(deployment.call("playback", event_of("playback")), route)
    assert given.status == 200
    key = urlsplit(given.body["url"]).path.lstrip("/").removeprefix(f"{deployment.playback_bucket}/")
    copy = deployment.s3.get_object(Bucket=deployment.playback_bucket, Key=key)
    assert copy["Body"].read() == b"a video"
    assert "Expires" in given.body["url"]


def test_review_keeps_who_decided(deployment: Deployment) -> None:
    deployment.with_job(probed_media())
    decided = documented(deployment.call("review", event_of("review")), "POST /v1/reviews")
    assert (decided.status, decided.body["reviewer"]) == (201, "5example2client3id")
    route = "GET /v1/media/{media_id}/reviews"
    listed = documented(deployment.call("review", http_event(route)), route)
    assert (listed.status, listed.body) == (200, [decided.body])


def test_review_lists_what_waits_for_a_person(deployment: Deployment) -> None:
    deployment.store.add_media(probed_media().model_copy(update={"status": MediaStatus.REVIEWING, "waits": "review"}))
    route = "GET /v1/reviews"
    listed = documented(deployment.call("review", http_event(route, query="limit=5")), route)
    assert listed.status == 200
    assert [(one["media_id"], one["waits"]) for one in listed.body] == [(MEDIA_ID, "review")]


def test_feedback_is_kept_and_listed(deployment: Deployment) -> None:
    deployment.with_job(waiting_media(), template=QR_ONLY)
    route = "POST /v1/feedback"
    early = documented(deployment.call("feedback", event_of("feedback")), route)
    assert (early.status, early.code) == (404, "job_not_found")  # there is no verdict yet
    judge(deployment)
    given = documented(deployment.call("feedback", event_of("feedback")), route)
    assert (given.status, given.body["reporter"], given.body["sub_label"]) == (201, "5example2client3id", "qrcode")
    listed = deployment.call("feedback", http_event("GET /v1/feedback", query=f"media_id={MEDIA_ID}"))
    assert documented(listed, "GET /v1/feedback").body == [given.body]


def test_a_store_out_of_reach_is_unavailable_not_an_error_of_ours(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moderation.entrypoints import compose
    from moderation.models.errors import Transient

    class Down:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def fail(*args: object) -> None:
                raise Transient("throttled")

            return fail

    monkeypatch.setattr(compose, "library", Down)
    route = "GET /v1/media/{media_id}"
    answer = documented(deployment.call("media", event_of("media")), route)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert "throttled" not in answer.body["error"]["message"]


def test_an_error_of_ours_shows_nothing_of_the_inside(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLIGHT_TABLE", "no-such-table")
    forget_composition()
    answer = documented(deployment.call("media", event_of("media")), "GET /v1/media/{media_id}")
    assert (answer.status, answer.code) == (500, "internal")
    assert "no-such-table" not in json.dumps(answer.body)


# ───────────────────────────── queues and streams ─────────────────────────────


def test_ingest_starts_the_job_of_what_arrived(deployment: Deployment) -> None:
    # GIVEN a media that waits, and its file
    deployment.store.add_media(waiting_media())
    version = deployment.bring(waiting_media().source_key).version_id
    event = json.loads(json.dumps(event_of("ingest")).replace("096fKKXTRTtl3on89fVO.nfljtsv6qko", version))
    # WHEN the event comes, twice
    for _ in range(2):
        assert invoke("ingest", event).payload == {"batchItemFailures": []}
    # THEN there is one job, and it runs
    media = deployment.store.media(MEDIA_ID)
    assert (media.status, media.identity.version_id if media.identity else "") == (MediaStatus.CHECKING, version)
    assert deployment.runs() == [media.latest_job]


def test_ingest_leaves_what_is_nobodys_alone(deployment: Deployment) -> None:
    assert invoke("ingest", event_of("ingest")).payload == {"batchItemFailures": []}
    assert deployment.runs() == []


def test_one_bad_message_does_not_hold_up_the_others(deployment: Deployment) -> None:
    deployment.store.add_media(waiting_media())
    deployment.bring(waiting_media().source_key)
    event = event_of("ingest")
    event["Records"] = [{**event["Records"][0], "messageId": "bad", "body": "no json"}, *event["Records"]]
    assert invoke("ingest", event).payload == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert deployment.store.media(MEDIA_ID).status is MediaStatus.CHECKING


def test_a_batch_that_fails_as_a_whole_is_brought_again(deployment: Deployment) -> None:
    event = event_of("ingest")
    event["Records"][0]["body"] = "no json"
    response = invoke("ingest", event)
    assert response.error_type == "BatchProcessingError"


def test_outbox_sends_what_was_written_with_its_id(deployment: Deployment) -> None:
    # GIVEN somebody who listens on the bus
    sqs, bus = boto3.client("sqs", region_name=REGION), boto3.client("events", region_name=REGION)
    queue = sqs.create_queue(QueueName=f"listener-{deployment.bus}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name="all", EventBusName=deployment.bus, EventPattern='{"source": ["greenlight"]}')
    bus.put_targets(Rule="all", EventBusName=deployment.bus, Targets=[{"Id": "queue", "Arn": arn}])
    # WHEN the stream brings an event, twice
    for _ in range(2):
        assert invoke("outbox", event_of("outbox")).payload == {"batchItemFailures": []}
    # THEN it is told as documented, with one and the same id
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    told = [json.loads(message["Body"]) for message in messages]
    assert [event["detail-type"] for event in told] == ["Media Status Changed"] * 2
    assert told[0]["detail"] == json.loads((EVENTS / "bus" / "media_status_changed.json").read_text())["detail"]
    assert told[0]["detail"] == told[1]["detail"]


def test_what_the_table_writes_the_outbox_reads(deployment: Deployment) -> None:
    # GIVEN an event written beside a change of status
    media = waiting_media()
    deployment.store.add_media(media)
    event = MediaStatusChanged.model_validate(
        json.loads((EVENTS / "bus" / "media_status_changed.json").read_text())["detail"]
    )
    deployment.store.save(media, events=[event])
    items = boto3.client("dynamodb", region_name=REGION).scan(TableName=deployment.table)["Items"]
    (written_item,) = [item for item in items if item["sk"]["S"].startswith("OUTBOX#")]
    # THEN the event file shows the same keys and attributes, and the same event
    shown = event_of("outbox")["Records"][0]["dynamodb"]["NewImage"]
    assert {name: set(value) for name, value in shown.items()} == {n: set(v) for n, v in written_item.items()}
    assert (shown["pk"], shown["sk"]) == (written_item["pk"], written_item["sk"])
    assert MediaStatusChanged.model_validate_json(shown["doc"]["S"]) == event


def test_publish_leaves_a_media_of_nobody_alone(deployment: Deployment) -> None:
    assert invoke("publish", event_of("publish")).payload == {"batchItemFailures": []}


def test_publish_asks_for_a_message_again_whose_media_cannot_be_copied(deployment: Deployment) -> None:
    # GIVEN a media that may play, whose file is gone, beside one that is fine
    deployment.with_job(probed_media())
    deployment.call("review", event_of("review"))
    deployment.uploads.delete(waiting_media().source_key)
    event = event_of("publish")
    fine = {**event["Records"][0], "messageId": "fine"}
    fine["body"] = fine["body"].replace(MEDIA_ID, "f" * 32)
    failed = event["Records"][0]["messageId"]
    event["Records"].append(fine)
    assert invoke("publish", event).payload == {"batchItemFailures": [{"itemIdentifier": failed}]}
    assert not deployment.store.media(MEDIA_ID).playable


def test_sweep_deletes_what_was_uploaded_for_a_forgotten_media(deployment: Deployment) -> None:
    # GIVEN files of an upload that the table has forgotten, with a later version, and those of another
    for name in ("source", "source", "cover-0", "cover-4"):
        deployment.bring(f"media/{MEDIA_ID}/{name}")
    other = deployment.bring(f"media/{'f' * 32}/source")
    # WHEN the stream tells so, twice
    for _ in range(2):
        assert invoke("sweep", event_of("sweep")).payload == {"batchItemFailures": []}
    # THEN no version of the first is left, and the other is untouched
    left = deployment.s3.list_object_versions(Bucket=deployment.uploads_bucket)
    assert [version["VersionId"] for version in left["Versions"]] == [other.version_id]


def emitted(printed: str) -> dict[str, float]:
    """The metrics in what a function printed, by name: one value each, of the namespace and dimension of the alarms."""
    found: dict[str, float] = {}
    for line in printed.splitlines():
        if '"_aws"' in line:
            document = json.loads(line)
            (group,) = document["_aws"]["CloudWatchMetrics"]
            assert (group["Namespace"], group["Dimensions"]) == ("Greenlight", [["service"]])
            assert document["service"] == "stack-one"
            found |= {metric["Name"]: sum(document[metric["Name"]]) for metric in group["Metrics"]}
    return found


def test_watch_starts_what_was_lost_and_tells_how_late_it_was(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a job that was written an hour ago and never started
    job = deployment.with_job(waiting_media(), created_at=datetime.now(UTC) - timedelta(hours=1))
    # WHEN the schedule calls, twice
    first = invoke("watch", event_of("watch"))
    told = emitted(capsys.readouterr().out)
    second = invoke("watch", event_of("watch"))
    # THEN its run is started, and the next round finds it under way (moto ends no run)
    assert first.payload == {"running": 0, "started": 1, "closed": 0, "stuck": 0}
    assert second.payload == {"running": 1, "started": 0, "closed": 0, "stuck": 0}
    assert deployment.runs() == [job.job_id]
    assert told.pop("OldestJobAge") == pytest.approx(3600, abs=60)
    assert told == {"JobsStarted": 1, "JobsClosed": 0, "JobsStuck": 0}


def test_watch_says_so_when_all_is_well(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("watch", event_of("watch")).payload == {"running": 0, "started": 0, "closed": 0, "stuck": 0}
    assert emitted(capsys.readouterr().out) == dict.fromkeys(EMITTED["watch"], 0)


def test_plan_counts_jobs_that_have_to_wait(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a day whose budget is spent
    deferred = Planned(refused=False, waits_until=datetime(2026, 11, 23, tzinfo=UTC))
    monkeypatch.setattr(compose, "planning", lambda: SimpleNamespace(run=lambda job_id, seconds: deferred))
    # THEN the state machine hears until when to wait, and whoever watches that somebody does
    assert invoke("plan", event_of("plan")).payload["waits_until"] == "2026-11-23T00:00:00Z"
    assert emitted(capsys.readouterr().out) == dict.fromkeys(EMITTED["plan"], 1)


# ───────────────────────────── steps of the state machine ─────────────────────────────


@pytest.mark.parametrize("function", sorted(STEPS))
def test_a_step_of_a_job_of_nobody_fails_for_good(deployment: Deployment, function: str) -> None:
    assert invoke(function, event_of(function)).error_type == "Permanent"


def test_plan_has_nothing_left_to_do_for_a_job_that_has_ended(deployment: Deployment) -> None:
    deployment.with_job(waiting_media(), state=JobState.FINISH, outcome="refused")
    assert invoke("plan", event_of("plan")).payload == Planned(refused=True).model_dump(mode="json")


def test_plan_fails_for_good_when_the_moderated_version_is_gone(deployment: Deployment) -> None:
    deployment.with_job(waiting_media())
    deployment.uploads.delete(waiting_media().source_key)
    deployment.bring(waiting_media().source_key, b"another video")
    response = invoke("plan", event_of("plan"))
    assert (response.error_type, response.error_message) == (
        "Permanent",
        "the moderated version of the object is gone",
    )


def test_extract_without_a_plan_fails_for_good(deployment: Deployment) -> None:
    deployment.with_job(waiting_media())
    response = invoke("extract", event_of("extract"))
    assert response.error_type == "Permanent"
    assert "object of an earlier step is gone" in str(response.error_message)


def qr_code() -> bytes:
    """A picture of a QR code, as JPEG."""
    symbol = zxingcpp.create_barcode("https://example.com/offer", zxingcpp.BarcodeFormat.QRCode)
    picture = io.BytesIO()
    Image.fromarray(symbol.to_image(scale=8)).convert("RGB").save(picture, "JPEG")
    return picture.getvalue()


def test_scan_frames_looks_at_every_frame(deployment: Deployment) -> None:
    # GIVEN a segment with one frame
    job = deployment.with_job(waiting_media(), template=QR_ONLY)
    work = Work(MEDIA_ID, job.job_id)
    frame = FrameEntry(ordinal=0, track=0, time=0.0, reason=FrameReason.FIRST, pictures={"detail": "detail/000000.jpg"})
    index = SegmentFrames(
        index=0,
        start=0.0,
        end=1.0,
        planned=1,
        expected=25,
        decoded=25,
        errors=0,
        reduced=False,
        capped=False,
        frames=(frame,),
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as frames:
        frames.writestr("index.json", index.model_dump_json())
        frames.writestr("detail/000000.jpg", qr_code())
    deployment.objects.put(work.frames(0), archive.getvalue(), "application/zip")
    # WHEN it is scanned
    assert invoke("scan_frames", event_of("scan_frames")).payload == {"index": 0}
    # THEN what was seen is there, and a trace of it
    scan = Scan.model_validate_json(deployment.objects.get(work.scan(0)))
    assert [(o.sub_label, o.text) for look in scan.looks for o in look.observations] == [
        ("qrcode", "https://example.com/offer")
    ]
    assert deployment.objects.get(work.trace(0)) != b""


def test_scan_audio_listens_and_says_what_it_could_not_hear(deployment: Deployment) -> None:
    # GIVEN a segment with silence on one track, and nothing where the sound of another should be; no model is there
    job = deployment.with_job(waiting_media(), template=MOANS)
    work = Work(MEDIA_ID, job.job_id)
    plan = sounding(silent_plan(seconds=1.0), 1, 2)
    deployment.objects.put(work.plan, plan.model_dump_json().encode(), "application/json")
    silence = io.BytesIO()
    with wave.open(silence, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE)
        written.writeframes(bytes(2 * RATE))
    deployment.objects.put(work.sound(0, 1), silence.getvalue(), "audio/wav")
    # WHEN it is listened to
    assert invoke("scan_audio", event_of("scan_audio")).payload == {"index": 0}
    # THEN what could not be heard is there to be told
    heard = Hearing.model_validate_json(deployment.objects.get(work.hearing(0)))
    assert heard.detectors == {spec.name: spec.version for spec in needed(MOANS, "audio")}
    assert [(track.track, track.planned, track.heard) for track in heard.tracks] == [(1, 1.0, 0.0), (2, 1.0, 0.0)]
    assert all(set(track.failed) == {"voice"} for track in heard.tracks)


def test_refine_finds_nothing_to_look_at_again_where_nothing_was_found(deployment: Deployment) -> None:
    job = deployment.with_job(waiting_media(), template=QR_ONLY)
    plan = silent_plan(seconds=1.0, packets=25)
    deployment.objects.put(Work(MEDIA_ID, job.job_id).plan, plan.model_dump_json().encode(), "application/json")
    assert invoke("refine", event_of("refine")).payload == {"windows": []}


def test_scan_text_reads_the_title_and_says_what_could_not_judge_it(deployment: Deployment) -> None:
    # GIVEN a title, and none of the lists that it is held against
    job = deployment.with_job(waiting_media().model_copy(update={"title": "a title"}), template=TITLES)
    work = Work(MEDIA_ID, job.job_id)
    deployment.objects.put(work.plan, silent_plan().model_dump_json().encode(), "application/json")
    # WHEN it is judged
    assert invoke("scan_text", event_of("scan_text")).payload == {}
    # THEN the text is there, and that nobody could judge it
    read = Reading.model_validate_json(deployment.objects.get(work.reading))
    assert [(judged.text.form, judged.text.text) for judged in read.texts] == [(Form.TITLE, "a title")]
    assert set(read.failed) == {spec.name for spec in needed(TITLES, "text")}


def test_scan_images_looks_at_a_cover(deployment: Deployment) -> None:
    cover = deployment.bring(f"media/{MEDIA_ID}/cover-0", qr_code())
    job = deployment.with_job(waiting_media(), template=QR_ONLY, covers={0: cover})
    assert invoke("scan_images", event_of("scan_images")).payload == {"index": 0}
    scan = Scan.model_validate_json(deployment.objects.get(Work(MEDIA_ID, job.job_id).cover(0)))
    assert [(o.form, o.sub_label) for look in scan.looks for o in look.observations] == [(Form.COVER, "qrcode")]


def test_scan_images_refuses_for_good_what_is_no_picture(deployment: Deployment) -> None:
    cover = deployment.bring(f"media/{MEDIA_ID}/cover-0", b"%PDF-1.7")
    deployment.with_job(waiting_media(), template=QR_ONLY, covers={0: cover})
    assert invoke("scan_images", event_of("scan_images")).error_type == "Permanent"


def judge(deployment: Deployment) -> None:
    """Let the aggregate function judge the job of the events on a clean scan."""
    job = deployment.store.job(event_of("aggregate")["job_id"])
    work = Work(job.media_id, job.job_id)
    plan = silent_plan(segments=1, seconds=1.0, packets=25)
    asked = {spec.name: spec.version for spec in needed(job.template, "frames")}
    scan = Scan(index=0, looks=(FrameLook(ordinal=0, time=0.0),), detectors=asked, planned=1, decoded=25, expected=25)
    deployment.objects.put(work.plan, plan.model_dump_json().encode(), "application/json")
    deployment.objects.put(work.scan(0), scan.model_dump_json().encode(), "application/json")
    assert invoke("aggregate", event_of("aggregate")).payload == {"suggestion": "pass"}


def test_aggregate_ends_the_job_with_a_verdict(deployment: Deployment) -> None:
    deployment.with_job(waiting_media(), template=QR_ONLY)
    judge(deployment)
    job = deployment.store.job(event_of("aggregate")["job_id"])
    assert (job.state, job.outcome) == (JobState.FINISH, "verdict")
    assert deployment.store.media(MEDIA_ID).status is MediaStatus.NORMAL
    # and again changes nothing
    media = deployment.store.media(MEDIA_ID)
    judge(deployment)
    assert deployment.store.media(MEDIA_ID) == media


def test_fail_job_records_why_and_lets_nothing_play(deployment: Deployment) -> None:
    job = deployment.with_job(waiting_media())
    assert invoke("fail_job", event_of("fail_job")).payload == {"job_id": job.job_id, "deleted": False}
    failed = deployment.store.job(job.job_id)
    assert failed.error == JobError(code="timeout", message="the step took longer than 900 seconds")
    assert deployment.store.media(MEDIA_ID).status is MediaStatus.REVIEWING


@pytest.mark.parametrize(
    ("status", "code"), [("TIMED_OUT", "timeout"), ("ABORTED", "aborted"), ("FAILED", "step_failed")]
)
def test_fail_job_hears_of_runs_that_step_functions_ended(deployment: Deployment, status: str, code: str) -> None:
    job = deployment.with_job(waiting_media())
    detail = {"status": status, "input": json.dumps({"media_id": MEDIA_ID, "job_id": job.job_id}), "cause": None}
    event = {
        "version": "0",
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": "arn", "name": job.job_id, "error": None, **detail},
    }
    assert invoke("fail_job", event).payload == {"job_id": job.job_id}
    failed = deployment.store.job(job.job_id)
    assert failed.error == JobError(code=code, message=status)
    assert failed.outcome == "failed"


def test_a_write_that_is_overtaken_again_and_again_is_transient(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a table in which somebody else always writes first
    deployment.with_job(waiting_media())
    stale = deployment.store.media(MEDIA_ID)
    deployment.store.save(stale)
    monkeypatch.setattr("moderation.aws.media_store.DynamoMediaStore.media", lambda self, media_id: stale)
    # THEN the step asks to be tried again
    assert invoke("fail_job", event_of("fail_job")).error_type == "Transient"


# ───────────────────────────── in a process of its own ─────────────────────────────


@pytest.fixture
def _sockets(socket_enabled: None) -> None:
    """The Runtime API listens on loopback."""


@pytest.mark.slow
@pytest.mark.usefixtures("_sockets")
def test_every_function_loads_and_answers_in_a_process_of_its_own() -> None:
    """Without any AWS: no function may do more than load before it has looked at the event."""

    test_message = event_of("ingest")
    test_message["Records"][0]["body"] = '{"Service": "Amazon S3", "Event": "s3:TestEvent"}'

    def answer(function: str) -> Any:
        event = {"ingest": test_message}.get(function, {"Records": []} if function in CONSUMERS else {})
        if function in API:
            event = event_of(function)
            event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = ""
        with LambdaProcess(function) as process:
            response = process.invoke(event)
        if function in API:
            return json.loads(response.payload["body"])["error"]["code"]
        return response.error_type or response.payload

    functions = sorted(API | STEPS | CONSUMERS | SCHEDULED)
    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(functions, pool.map(answer, functions), strict=True))
    assert answers == {
        **dict.fromkeys(API, "forbidden_scope"),
        **dict.fromkeys(STEPS, "Unforeseen"),
        "ingest": {"batchItemFailures": []},
        "outbox": "UnexpectedBatchTypeError",
        "publish": "UnexpectedBatchTypeError",
        "sweep": "UnexpectedBatchTypeError",
        "watch": "Unforeseen",
    }
