"""The table. An item holds its document as JSON in `doc`, and beside it only what conditions and TTL need."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from moderation.aws.errors import code_of, port_errors
from moderation.models.base import Model
from moderation.models.errors import Permanent, Transient
from moderation.models.event import Event
from moderation.models.job import Job, JobState, media_of
from moderation.models.media import Media
from moderation.models.review import Feedback, Review
from moderation.ports import MAX_DOCUMENT_BYTES, Booking, Conflict, NotFound, Spent

if TYPE_CHECKING:
    from typing import TypeAlias

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        TransactWriteItemTypeDef,
        UniversalAttributeValueTypeDef,
        WriteRequestUnionTypeDef,
    )

    Item: TypeAlias = dict[str, UniversalAttributeValueTypeDef]

OUTBOX_LIFE = timedelta(days=14)
BOOKINGS_LIFE = timedelta(days=14)
WATCH_INDEX = "watch"
"""What somebody has to keep an eye on, by kind (`watched`) and time (`since`): open jobs, waiting media, all events."""

_BATCH = 25
_EVER = datetime.max.replace(tzinfo=UTC)
_ATTEMPTS = 6
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_ABSENT = "attribute_not_exists(pk)"


def outbox_event(image: Mapping[str, Any]) -> Event:
    """The event in an OUTBOX# item, as a stream record shows it (`dynamodb.NewImage`)."""
    return _EVENT.validate_json(image["doc"]["S"])


class _Cancelled(Conflict):
    """A transaction that met another one, or a condition that does not hold; `reasons` has a code for each write."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("somebody else wrote first")
        self.reasons = reasons


class DynamoMediaStore:
    """The port `MediaStore` over one table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add_media(self, media: Media) -> None:
        self._transact([self._put(_media_item(media), condition=_ABSENT)])

    def media(self, media_id: str) -> Media:
        return Media.model_validate_json(self._doc(media_id, "META"))

    def save(
        self,
        media: Media,
        *,
        events: Sequence[Event] = (),
        job: Job | None = None,
        new_job: Job | None = None,
        review: Review | None = None,
        booking: Booking | None = None,
    ) -> Media:
        saved = media.model_copy(update={"version": media.version + 1})
        writes = [
            self._put(
                _media_item(saved),
                condition="#version = :version",
                names={"#version": "version"},
                values={":version": {"N": str(media.version)}},
            )
        ]
        if job is not None:
            writes.append(
                self._put(
                    _job_item(job),
                    condition="attribute_exists(pk) AND NOT #state IN (:finish, :aborted)",
                    names={"#state": "state"},
                    values={":finish": {"S": JobState.FINISH}, ":aborted": {"S": JobState.ABORTED}},
                )
            )
        if new_job is not None:
            writes.append(self._put(_job_item(new_job), condition=_ABSENT))
        if review is not None:
            writes.append(self._put(_review_item(review), condition=_ABSENT))
        writes += [self._put(_outbox_item(event)) for event in events]
        if booking is None:
            self._transact(writes)
        else:
            self._transact_booking([*writes, self._book(booking)], booking)
        return saved

    def job(self, job_id: str) -> Job:
        return Job.model_validate_json(self._doc(media_of(job_id), f"JOB#{job_id}"))

    def jobs(self, media_id: str) -> list[Job]:
        found = [Job.model_validate_json(item["doc"]["S"]) for item in self._query(media_id, "JOB#")]
        return sorted(found, key=lambda job: (job.created_at, job.job_id))

    def open_jobs(self, due_before: datetime, limit: int) -> list[str]:
        return [item["sk"]["S"].removeprefix("JOB#") for item in self._watched("job", limit, due_before)]

    def waiting(self, kind: str, limit: int) -> list[str]:
        return [item["pk"]["S"].removeprefix("MEDIA#") for item in self._watched(f"waits-{kind}", limit)]

    def _watched(self, kind: str, limit: int, before: datetime = _EVER) -> "list[dict[str, AttributeValueTypeDef]]":
        with port_errors():
            return self._client.query(
                TableName=self._table,
                IndexName=WATCH_INDEX,
                KeyConditionExpression="watched = :kind AND since < :before",
                ExpressionAttributeValues={":kind": {"S": kind}, ":before": {"S": _sortable(before)}},
                Limit=limit,
            )["Items"]

    def reviews(self, media_id: str) -> list[Review]:
        return [Review.model_validate_json(item["doc"]["S"]) for item in self._query(media_id, "REVIEW#")]

    def add_feedback(self, feedback: Feedback) -> None:
        # `forget` deletes jobs first: what is written before that it finds, and what comes later finds no job.
        its_job: TransactWriteItemTypeDef = {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": {"pk": {"S": _pk(feedback.media_id)}, "sk": {"S": f"JOB#{feedback.job_id}"}},
                "ConditionExpression": "attribute_exists(pk)",
            }
        }
        self._transact([its_job, self._put(_feedback_item(feedback))])

    def feedback(self, media_id: str) -> list[Feedback]:
        return [Feedback.model_validate_json(item["doc"]["S"]) for item in self._query(media_id, "FEEDBACK#")]

    def forget(self, media_id: str) -> None:
        for kind in ("JOB#", "REVIEW#", "FEEDBACK#"):
            requests: list[WriteRequestUnionTypeDef] = [
                {"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}}
                for item in self._query(media_id, kind, keys_only=True)
            ]
            for start in range(0, len(requests), _BATCH):
                self._write_batch(requests[start : start + _BATCH])

    def _doc(self, media_id: str, sk: str) -> str:
        with port_errors():
            answer = self._client.get_item(
                TableName=self._table,
                Key={"pk": {"S": _pk(media_id)}, "sk": {"S": sk}},
                ConsistentRead=True,
                ProjectionExpression="doc",
            )
        if "Item" not in answer:
            raise NotFound(f"there is no {sk} of media {media_id}")
        return answer["Item"]["doc"]["S"]

    def _query(
        self, media_id: str, prefix: str, *, keys_only: bool = False
    ) -> "Iterator[dict[str, AttributeValueTypeDef]]":
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": _pk(media_id)}, ":prefix": {"S": prefix}},
            ProjectionExpression="pk, sk" if keys_only else "doc",
            ConsistentRead=True,
        )
        with port_errors():
            for page in pages:
                yield from page["Items"]

    def _put(
        self,
        item: "Item",
        *,
        condition: str = "",
        names: dict[str, str] | None = None,
        values: "dict[str, UniversalAttributeValueTypeDef] | None" = None,
    ) -> "TransactWriteItemTypeDef":
        put: TransactWriteItemTypeDef = {"Put": {"TableName": self._table, "Item": item}}
        if condition:
            put["Put"]["ConditionExpression"] = condition
        if names:
            put["Put"]["ExpressionAttributeNames"] = names
        if values:
            put["Put"]["ExpressionAttributeValues"] = values
        return put

    def _book(self, booking: Booking) -> "TransactWriteItemTypeDef":
        midnight = datetime.combine(booking.day, time_of_day(), UTC)
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"pk": {"S": f"BUDGET#{booking.day}"}, "sk": {"S": "DAY"}},
                "UpdateExpression": "ADD #booked :seconds SET #ttl = :ttl",
                "ConditionExpression": "attribute_not_exists(#booked) OR #booked <= :room",
                "ExpressionAttributeNames": {"#booked": "booked", "#ttl": "ttl"},
                "ExpressionAttributeValues": {
                    ":seconds": {"N": str(booking.seconds)},
                    ":room": {"N": str(booking.limit - booking.seconds)},
                    ":ttl": _ttl(midnight + BOOKINGS_LIFE),
                },
            }
        }

    def _transact_booking(self, writes: "Sequence[TransactWriteItemTypeDef]", booking: Booking) -> None:
        """All jobs book on the same item, so transactions meet there: the one that has to go back tries again."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._transact(writes)
            except _Cancelled as cancelled:
                *others, booked = cancelled.reasons
                if set(others) - {"None"} or booked not in ("ConditionalCheckFailed", "TransactionConflict"):
                    raise
                if booked == "ConditionalCheckFailed":
                    raise Spent(f"{booking.day} has no room for {booking.seconds} s") from cancelled
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise Conflict(f"too many jobs booked on {booking.day} at the same time")

    def _transact(self, writes: "Sequence[TransactWriteItemTypeDef]") -> None:
        # The SDK sends a token of its own with each transaction, so its retries cannot conflict with themselves.
        try:
            with port_errors():
                self._client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
            if {"ConditionalCheckFailed", "TransactionConflict"} & set(reasons):
                raise _Cancelled(reasons) from error
            if set(reasons) <= {"None", "ThrottlingError", "ProvisionedThroughputExceeded"}:
                raise Transient(f"TransactWriteItems: {', '.join(sorted(set(reasons)))}") from error
            raise

    def _write_batch(self, requests: "Sequence[WriteRequestUnionTypeDef]") -> None:
        for attempt in range(_ATTEMPTS):
            with port_errors():
                answer = self._client.batch_write_item(RequestItems={self._table: requests})
            requests = answer["UnprocessedItems"].get(self._table, [])
            if not requests:
                return
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise Transient(f"{len(requests)} items could not be deleted")


def _pk(media_id: str) -> str:
    return f"MEDIA#{media_id}"


def _sortable(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _item(media_id: str, sk: str, document: Model, **more: "UniversalAttributeValueTypeDef") -> "Item":
    doc = document.model_dump_json()
    if len(doc.encode()) > MAX_DOCUMENT_BYTES:
        raise Permanent("document_too_large", f"{sk} of media {media_id} does not fit into an item of the table")
    return {"pk": {"S": _pk(media_id)}, "sk": {"S": sk}, "doc": {"S": doc}, **more}


def _ttl(moment: datetime) -> "UniversalAttributeValueTypeDef":
    return {"N": str(int(moment.timestamp()))}


def _watch(kind: str, since: datetime) -> "Item":
    return {"watched": {"S": kind}, "since": {"S": _sortable(since)}}


def _media_item(media: Media) -> "Item":
    expiry = {} if media.expires_at is None else {"ttl": _ttl(media.expires_at)}
    watch = {} if media.waits is None else _watch(f"waits-{media.waits}", media.updated_at)
    return _item(media.media_id, "META", media, version={"N": str(media.version)}, **expiry, **watch)


def _job_item(job: Job) -> "Item":
    watch = _watch("job", job.due_at) if job.state in (JobState.WAITING, JobState.PROCESSING) else {}
    return _item(job.media_id, f"JOB#{job.job_id}", job, state={"S": job.state}, **watch)


def _review_item(review: Review) -> "Item":
    return _item(review.media_id, f"REVIEW#{_sortable(review.created_at)}#{review.review_id}", review)


def _feedback_item(feedback: Feedback) -> "Item":
    return _item(feedback.media_id, f"FEEDBACK#{_sortable(feedback.created_at)}#{feedback.feedback_id}", feedback)


def _outbox_item(event: Event) -> "Item":
    expiry, watch = _ttl(event.occurred_at + OUTBOX_LIFE), _watch("event", event.occurred_at)
    return _item(event.media_id, f"OUTBOX#{event.event_id}", event, ttl=expiry, **watch)
