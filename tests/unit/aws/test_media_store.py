"""Items and transactions of the table."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from moderation.aws.media_store import OUTBOX_LIFE, DynamoMediaStore, outbox_event
from moderation.models.errors import Transient
from moderation.ports import Booking, Conflict, Spent
from tests.contract.documents import MEDIA_ID, NOW, event, job, media, review
from tests.unit.aws.conftest import MakeStub


class Recorder:
    """Takes one transaction."""

    def __init__(self) -> None:
        self.writes: list[dict[str, Any]] = []

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803 -- boto3's name
        self.writes = [write["Put"] for write in TransactItems]


def cancelled(*reasons: str) -> dict[str, Any]:
    return {"CancellationReasons": [{"Code": reason} for reason in reasons]}


def test_everything_is_one_transaction_conditional_on_the_version() -> None:
    # WHEN a media is saved with all that can come with it
    client: Any = Recorder()
    DynamoMediaStore(client, "table").save(
        media(version=7), events=[event()], job=job(1), new_job=job(2), review=review()
    )
    # THEN the table gets these items, in one request
    assert [(put["Item"]["pk"]["S"], put["Item"]["sk"]["S"]) for put in client.writes] == [
        (f"MEDIA#{MEDIA_ID}", sk)
        for sk in (
            "META",
            f"JOB#{job(1).job_id}",
            f"JOB#{job(2).job_id}",
            "REVIEW#2026-05-04T03:02:02.000000+00:00#review-1",
            "OUTBOX#event-1",
        )
    ]
    # AND the media is written over the version that was read, by the next one
    meta = client.writes[0]
    assert meta["ConditionExpression"] == "#version = :version"
    assert meta["ExpressionAttributeValues"] == {":version": {"N": "7"}}
    assert meta["Item"]["version"] == {"N": "8"}
    assert json.loads(meta["Item"]["doc"]["S"])["version"] == 8


def test_only_uploads_that_never_came_and_sent_events_expire() -> None:
    client: Any = Recorder()
    store = DynamoMediaStore(client, "table")
    store.save(media(expires_at=NOW + timedelta(hours=25)), events=[event()])
    waiting, outbox = client.writes
    assert waiting["Item"]["ttl"] == {"N": str(int((NOW + timedelta(hours=25)).timestamp()))}
    assert outbox["Item"]["ttl"] == {"N": str(int((NOW + OUTBOX_LIFE).timestamp()))}
    assert timedelta(days=14) == OUTBOX_LIFE
    store.save(media(), review=review())
    assert all("ttl" not in put["Item"] for put in client.writes)


def test_the_outbox_item_is_the_event() -> None:
    client: Any = Recorder()
    DynamoMediaStore(client, "table").save(media(), events=[event()])
    assert outbox_event(client.writes[1]["Item"]) == event()


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (("None", "ConditionalCheckFailed"), Conflict),
        (("TransactionConflict", "None"), Conflict),
        (("ConditionalCheckFailed", "ThrottlingError"), Conflict),
        (("None", "ThrottlingError"), Transient),
        (("ProvisionedThroughputExceeded",), Transient),
        (("ValidationError",), ClientError),
    ],
)
def test_a_cancelled_transaction_says_why(stub: MakeStub, reasons: tuple[str, ...], expected: type[Exception]) -> None:
    client, answers = stub("dynamodb")
    answers.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields=cancelled(*reasons),
    )
    with pytest.raises(expected):
        DynamoMediaStore(client, "table").save(media())


BOOKING = Booking(NOW.date(), 60, 3600)


def test_jobs_that_meet_at_the_budget_try_again(stub: MakeStub, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a day's item that another transaction is writing, twice
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    client, answers = stub("dynamodb")
    for _ in range(2):
        answers.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            http_status_code=400,
            modeled_fields=cancelled("None", "TransactionConflict"),
        )
    answers.add_response("transact_write_items", {})
    # THEN the third try books
    assert DynamoMediaStore(client, "table").save(media(), booking=BOOKING).version == 1
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (("None", "ConditionalCheckFailed"), Spent),
        (("ConditionalCheckFailed", "ConditionalCheckFailed"), Conflict),
        (("ConditionalCheckFailed", "TransactionConflict"), Conflict),
        (("TransactionConflict", "None"), Conflict),
        (("None", "ThrottlingError"), Transient),
    ],
)
def test_a_booking_that_was_not_taken_says_why(
    stub: MakeStub, reasons: tuple[str, ...], expected: type[Exception]
) -> None:
    client, answers = stub("dynamodb")
    answers.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields=cancelled(*reasons),
    )
    with pytest.raises(expected):
        DynamoMediaStore(client, "table").save(media(), booking=BOOKING)


def test_items_that_were_not_deleted_are_sent_again(stub: MakeStub) -> None:
    # GIVEN a table that deletes one of two items at first
    client, answers = stub("dynamodb")
    keys = [{"pk": {"S": f"MEDIA#{MEDIA_ID}"}, "sk": {"S": f"JOB#{n}"}} for n in (1, 2)]
    requests = [{"DeleteRequest": {"Key": key}} for key in keys]
    answers.add_response("query", {"Items": keys})
    answers.add_response(
        "batch_write_item", {"UnprocessedItems": {"table": requests[1:]}}, {"RequestItems": {"table": requests}}
    )
    answers.add_response("batch_write_item", {"UnprocessedItems": {}}, {"RequestItems": {"table": requests[1:]}})
    answers.add_response("query", {"Items": []})
    answers.add_response("query", {"Items": []})
    # THEN the other one is sent again
    DynamoMediaStore(client, "table").forget(MEDIA_ID)
