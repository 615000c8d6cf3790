"""Running the whole: what is broken is found, what was lost or given up comes back, once."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from greenlight import doctor
from greenlight.api import Api
from greenlight.deployed import Deployed, describe
from greenlight.doctor import Ill, State
from greenlight.redrive import CONSUMERS, give_back, letters, release
from greenlight.stack.deploy import NAME
from greenlight.stack.stack import Stack
from moderation.aws.media_store import DynamoMediaStore
from moderation.models.job import Job, JobState
from moderation.models.media import MediaStatus, source_key
from moderation.services.media import MediaView
from tests import clips
from tests.builders import waiting_media
from tests.contract.documents import job as contract_job
from tests.local_stack import Bus, faulty

BROKEN = "def handler(event, context):\n    raise RuntimeError('no')\n"
FORGETFUL = "def handler(event, context):\n    return {'batchItemFailures': []}\n"


@pytest.fixture(scope="module")
def deployed(stack: Stack) -> Deployed:
    return describe(NAME, stack.client, api_url=stack.api_url, local=True)


@pytest.fixture
def no_letters(deployed: Deployed) -> Iterator[None]:
    """Dead letters of other tests are none of ours, nor ours theirs."""
    for queue in CONSUMERS:
        deployed.client("sqs").purge_queue(QueueUrl=deployed.id(queue))
    yield
    for queue in CONSUMERS:
        deployed.client("sqs").purge_queue(QueueUrl=deployed.id(queue))


# ───────────────────────────── doctor ─────────────────────────────


@pytest.mark.usefixtures("no_letters")
def test_a_stack_as_it_was_deployed_is_well(deployed: Deployed) -> None:
    findings = [doctor.look(name, partial(check, deployed)) for name, check in doctor.STACK.items()]
    assert {finding.check: finding.what for finding in findings if finding.state is State.ILL} == {}
    assert {finding.check for finding in findings if finding.state is State.SKIPPED} == {
        "layers",
        "playback keys",
        "distribution",
        "alarms",
    }


@contextmanager
def a_small_function(deployed: Deployed) -> Iterator[None]:
    function, client = deployed.id("FeedbackFunction"), deployed.client("lambda")
    client.update_function_configuration(FunctionName=function, MemorySize=256)
    try:
        yield
    finally:
        client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
        client.update_function_configuration(FunctionName=function, MemorySize=1024)
        client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})


@contextmanager
def a_right_taken_away(deployed: Deployed) -> Iterator[None]:
    role, iam = deployed.id("FeedbackFunctionRole"), deployed.client("iam")
    kept = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for name in kept:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        yield
    finally:
        for name, document in kept.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


@contextmanager
def versioning_suspended(deployed: Deployed) -> Iterator[None]:
    bucket, s3 = deployed.id("PlaybackBucket"), deployed.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    try:
        yield
    finally:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


@contextmanager
def a_public_bucket(deployed: Deployed) -> Iterator[None]:
    bucket, s3 = deployed.id("ResultsBucket"), deployed.client("s3")
    kept = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**kept, "BlockPublicPolicy": False})
    try:
        yield
    finally:
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=kept)


@contextmanager
def no_public_access_block(deployed: Deployed) -> Iterator[None]:
    bucket, s3 = deployed.id("ResultsBucket"), deployed.client("s3")
    kept = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.delete_public_access_block(Bucket=bucket)
    try:
        yield
    finally:
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=kept)


@contextmanager
def nobody_told(deployed: Deployed) -> Iterator[None]:
    bucket, s3 = deployed.id("UploadsBucket"), deployed.client("s3")
    kept = s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        queues = {"QueueConfigurations": kept["QueueConfigurations"]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=queues)


@contextmanager
def no_dead_letter_queue(deployed: Deployed) -> Iterator[None]:
    queue, sqs = deployed.id("UploadsQueue"), deployed.client("sqs")
    kept = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": ""})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=kept)


@contextmanager
def a_dead_letter(deployed: Deployed) -> Iterator[None]:
    queue, sqs = deployed.id("PublishDeadLetters"), deployed.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    try:
        yield
    finally:
        sqs.purge_queue(QueueUrl=queue)


@contextmanager
def a_source_off(deployed: Deployed) -> Iterator[None]:
    uuid, client = deployed.id("SweepSource"), deployed.client("lambda")
    client.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=uuid, Enabled=True)


@contextmanager
def nobody_watching(deployed: Deployed) -> Iterator[None]:
    rule, events = deployed.id("WatchFunctionEveryFewMinutes"), deployed.client("events")
    events.disable_rule(Name=rule)
    try:
        yield
    finally:
        events.enable_rule(Name=rule)


@pytest.mark.parametrize(
    ("broken", "check", "what"),
    [
        (a_small_function, "functions", "FeedbackFunction: MemorySize is 256, not 1024"),
        (a_right_taken_away, "rights", "FeedbackFunction may not dynamodb:PutItem"),
        (versioning_suspended, "buckets", "PlaybackBucket is not versioned"),
        (a_public_bucket, "buckets", "ResultsBucket does not block public access"),
        (no_public_access_block, "buckets", "ResultsBucket does not block public access"),
        (nobody_told, "notifications", "tells the uploads queue nothing"),
        (no_dead_letter_queue, "queues", "UploadsQueue hands what fails to nobody"),
        (a_dead_letter, "dead letters", "1 in PublishDeadLetters"),
        (a_source_off, "event sources", "SweepSource is"),
        (nobody_watching, "rules", "WatchFunctionEveryFewMinutes is disabled"),
    ],
)
@pytest.mark.usefixtures("no_letters")
def test_what_is_broken_is_found_and_what_is_mended_is_well(
    deployed: Deployed, broken: Callable[[Deployed], AbstractContextManager[None]], check: str, what: str
) -> None:
    with broken(deployed):
        finding = doctor.look(check, lambda: doctor.STACK[check](deployed))
    assert finding.state is State.ILL
    assert what in finding.what
    assert finding.advice
    assert doctor.STACK[check](deployed)


def test_an_api_that_is_not_there_or_lets_everybody_in_is_found(deployed: Deployed, stack: Stack) -> None:
    assert doctor.api(deployed)
    with pytest.raises(Ill, match="instead of 401"):
        doctor.api(replace(deployed, api_url=f"{stack.endpoint}/_ministack/health?"))
    gone = doctor.look("API", lambda: doctor.api(replace(deployed, api_url="http://127.0.0.1:9")))
    assert gone.state is State.ILL


def test_a_resource_that_is_missing_is_found(deployed: Deployed) -> None:
    less = {name: item for name, item in deployed.resources.items() if name not in ("OutboxSource", "SweepFunction")}
    smaller = replace(deployed, resources=less)
    assert "OutboxSource is missing" in doctor.look("event sources", lambda: doctor.sources(smaller)).what
    assert "has no SweepFunction" in doctor.look("functions", lambda: doctor.functions(smaller)).what


# ───────────────────────────── redrive ─────────────────────────────


def wait_for_letter(deployed: Deployed, queue: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    sqs = deployed.client("sqs")
    while time.monotonic() < deadline:
        found = sqs.get_queue_attributes(QueueUrl=deployed.id(queue), AttributeNames=["ApproximateNumberOfMessages"])
        if int(found["Attributes"]["ApproximateNumberOfMessages"]):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing died in {queue}")


@contextmanager
def impatient(deployed: Deployed, queue: str) -> Iterator[None]:
    """What fails comes back at once, not after minutes, and is given up after two tries instead of five."""
    sqs, url = deployed.client("sqs"), deployed.id(queue)
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"])["Attributes"]
    policy = json.dumps({**json.loads(kept["RedrivePolicy"]), "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0", "RedrivePolicy": policy})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=kept)


@pytest.mark.usefixtures("no_letters")
def test_an_upload_that_died_comes_back_as_one_verdict(
    stack: Stack, api: Api, bus: Bus, deployed: Deployed, tmp_path: Path
) -> None:
    # GIVEN an upload that ingest could not take in, until it was given up
    with faulty(stack, "ingest", BROKEN, tmp_path), impatient(deployed, "UploadsQueue"):
        media_id = api.upload(clips.clean(), procedure="standard_pre")
        wait_for_letter(deployed, "UploadsDeadLetters")
    # THEN it is shown with the media that it is about, and showing it changes nothing
    for _ in range(2):
        (letter,) = letters(deployed, "UploadsDeadLetters")
        assert letter.about == f"media {media_id}"
        release(deployed, letter)
    assert api.media(media_id).media.status is MediaStatus.UPLOADING
    # WHEN ingest is mended, and the letter is given back twice
    (letter,) = letters(deployed, "UploadsDeadLetters")
    deployed.client("sqs").send_message(QueueUrl=deployed.id("UploadsDeadLetters"), MessageBody=letter.text)
    assert give_back(deployed, letter).problem is None
    (again,) = letters(deployed, "UploadsDeadLetters")
    assert give_back(deployed, again).problem is None
    # THEN the media plays, with one verdict and one event of it
    view = api.wait(media_id, timeout=120, until=lambda view: view.playable)
    assert view.job is not None
    bus.wait_for(media_id, "Media Status Changed", status="normal")
    assert len([event for event in bus.of(media_id) if event["detail-type"] == "Moderation Completed"]) == 1
    assert letters(deployed, "UploadsDeadLetters") == []


def stream_failure(first: datetime, last: datetime) -> str:
    """What Lambda tells of records of a stream that it has given up."""
    batch = {
        "shardId": "shardId-0",
        "startSequenceNumber": "1",
        "endSequenceNumber": "2",
        "approximateArrivalOfFirstRecord": first.isoformat().replace("+00:00", "Z"),
        "approximateArrivalOfLastRecord": last.isoformat().replace("+00:00", "Z"),
        "batchSize": 2,
    }
    context = {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 101}
    return json.dumps({"requestContext": context, "version": "1.0", "DDBStreamBatchInfo": batch})


@pytest.mark.usefixtures("no_letters")
def test_events_that_the_stream_gave_up_are_sent_from_the_table(
    stack: Stack, api: Api, bus: Bus, deployed: Deployed, tmp_path: Path
) -> None:
    # GIVEN a verdict of which nobody heard
    began = datetime.now(UTC)
    with faulty(stack, "outbox", FORGETFUL, tmp_path):
        media_id = api.upload(clips.clean(), procedure="standard_pre")
        view = api.wait(media_id, timeout=120)
        time.sleep(2)  # the stream is read at an interval
    assert (view.media.status, view.playable, bus.of(media_id)) == (MediaStatus.NORMAL, False, [])
    text = stream_failure(began, datetime.now(UTC))
    deployed.client("sqs").send_message(QueueUrl=deployed.id("OutboxDeadLetters"), MessageBody=text)
    # WHEN the letter is given back
    (letter,) = letters(deployed, "OutboxDeadLetters")
    assert (letter.about, letter.cause) == ("2 records of the stream", "RetryAttemptsExhausted")
    assert give_back(deployed, letter).problem is None
    # THEN all events leave with their ids, and what was decided is carried out
    api.wait(media_id, timeout=60, until=lambda view: view.playable)
    bus.wait_for(media_id, "Moderation Completed")
    told = {event["detail"]["event_id"] for event in bus.of(media_id)}
    assert view.job is not None
    assert told == {
        f"uploaded-{view.job.job_id}",
        f"completed-{view.job.job_id}",
        f"status-{media_id}-{view.media.revision}",
    }


@pytest.mark.usefixtures("no_letters")
def test_orphaned_uploads_are_swept_and_no_others(deployed: Deployed, passed: MediaView) -> None:
    # GIVEN objects of a media that the table has forgotten
    s3, bucket, orphan = deployed.client("s3"), deployed.id("UploadsBucket"), uuid4().hex
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key=source_key(orphan), Body=b"nobody's")
    text = stream_failure(datetime.now(UTC) - timedelta(days=3), datetime.now(UTC) - timedelta(days=3))
    deployed.client("sqs").send_message(QueueUrl=deployed.id("SweepDeadLetters"), MessageBody=text)
    # WHEN the letter is given back
    (letter,) = letters(deployed, "SweepDeadLetters")
    assert give_back(deployed, letter).problem is None
    # THEN they are gone, and a media of the table is untouched
    listed = s3.list_object_versions(Bucket=bucket, Prefix=f"media/{orphan}/")
    assert "Versions" not in listed
    assert s3.head_object(Bucket=bucket, Key=source_key(passed.media.media_id))


def open_job(deployed: Deployed, created_at: datetime) -> Job:
    """A job in the table that no run is about."""
    store = DynamoMediaStore(deployed.client("dynamodb"), deployed.id("Table"))
    media_id = uuid4().hex
    made = contract_job(1, media_id).model_copy(update={"created_at": created_at})
    media = waiting_media().model_copy(
        update={"media_id": media_id, "status": MediaStatus.CHECKING, "identity": made.identity}
    )
    store.add_media(media.model_copy(update={"latest_job": made.job_id}))
    store.save(media.model_copy(update={"latest_job": made.job_id}), new_job=made)
    return made


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.usefixtures("no_letters")
def test_a_run_whose_end_nobody_took_note_of_is_closed(deployed: Deployed, api: Api, wrapped: bool) -> None:
    # GIVEN the event about a run that timed out, as the rule or as Lambda gives it up
    job = open_job(deployed, datetime.now(UTC))
    detail = {"status": "TIMED_OUT", "input": json.dumps({"media_id": job.media_id, "job_id": job.job_id})}
    event: dict[str, Any] = {"source": "aws.states", "detail": detail}
    if wrapped:
        context = {"condition": "RetriesExhausted"}
        event = {"requestContext": context, "requestPayload": event, "responsePayload": {"errorType": "Transient"}}
    deployed.client("sqs").send_message(QueueUrl=deployed.id("FailJobDeadLetters"), MessageBody=json.dumps(event))
    # WHEN it is given back
    (letter,) = letters(deployed, "FailJobDeadLetters")
    assert letter.about == f"media {job.media_id}"
    assert letter.cause == ("RetriesExhausted Transient" if wrapped else "")
    assert give_back(deployed, letter).problem is None
    # THEN the job has ended
    ended = api.job(job.job_id)
    assert ended.error is not None
    assert (ended.state, ended.error.code) == (JobState.FINISH, "timeout")


@pytest.mark.usefixtures("no_letters")
def test_a_letter_that_cannot_be_taken_stays(deployed: Deployed, stack: Stack, tmp_path: Path) -> None:
    queue = deployed.id("FailJobDeadLetters")
    deployed.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"job_id": "x-y", "error": "Transient"}))
    for _ in range(2):
        (letter,) = letters(deployed, "FailJobDeadLetters")
        problem = give_back(deployed, letter).problem
        assert problem is not None
        assert problem.startswith("FailJobFunction: Permanent")


# ───────────────────────────── the watch ─────────────────────────────


def test_a_job_that_was_never_started_comes_to_an_end(deployed: Deployed, api: Api) -> None:
    # GIVEN a job an hour old that no run is about, and whose file is gone
    job = open_job(deployed, datetime.now(UTC) - timedelta(hours=1))
    assert api.job(job.job_id).state is JobState.WAITING
    # WHEN the watch function makes its round
    answer = deployed.client("lambda").invoke(
        FunctionName=deployed.id("WatchFunction"), Payload=json.dumps({"time": "2026-11-22T01:05:00Z"}).encode()
    )
    assert json.loads(answer["Payload"].read())["started"] >= 1
    # THEN its run begins, and the job ends with a reason
    view = api.wait(job.media_id, timeout=60)
    assert view.job is not None
    assert view.job.error is not None
    assert (view.job.error.code, view.media.status) == ("step_failed", MediaStatus.REVIEWING)


def test_a_job_whose_run_was_lost_with_the_stack_is_closed(deployed: Deployed, api: Api) -> None:
    # GIVEN a run that ended without a word to the job, as after a restart of the local AWS
    job = open_job(deployed, datetime.now(UTC) - timedelta(hours=1))
    states = deployed.client("stepfunctions")
    run = states.start_execution(
        stateMachineArn=deployed.id("Moderation"), name=job.job_id, input=json.dumps({"media_id": "?", "job_id": "?-?"})
    )["executionArn"]
    while states.describe_execution(executionArn=run)["status"] == "RUNNING":
        time.sleep(0.1)
    assert api.job(job.job_id).state is JobState.WAITING
    # WHEN the watch function makes its round
    deployed.client("lambda").invoke(
        FunctionName=deployed.id("WatchFunction"), Payload=json.dumps({"time": "2026-11-22T01:05:00Z"}).encode()
    )
    # THEN the job has ended
    ended = api.job(job.job_id)
    assert (ended.state, ended.outcome) == (JobState.FINISH, "failed")
