"""The one parser of "an object arrived", whichever way the message came.

S3 writes keys URL-encoded into its own notifications and plain into EventBridge events. Both give the same identity
here, for any key.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field

from moderation.models.base import Model

_DEEPEST = 4
"""SQS around SNS around EventBridge around nothing else."""


class ArrivedObject(Model):
    """One version of one object that was created."""

    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    version_id: str = Field(min_length=1)
    size: int | None = Field(default=None, ge=0, description="in bytes, when the message says so")
    sequencer: str | None = Field(default=None, description="orders the events of one key, as a hexadecimal number")


class _Foreign(BaseModel):
    """Somebody else's document: fields that are not asked for are nobody's business."""

    model_config = ConfigDict(extra="ignore")


class _Bucket(_Foreign):
    name: str


class _RecordObject(_Foreign):
    key: str
    version_id: str = Field(alias="versionId")
    size: int | None = None
    sequencer: str | None = None


class _RecordEntity(_Foreign):
    bucket: _Bucket
    object: _RecordObject


class _Record(_Foreign):
    event_name: str = Field(alias="eventName", pattern=r"^(s3:)?ObjectCreated:")
    s3: _RecordEntity


class _DetailObject(_Foreign):
    key: str
    version_id: str = Field(alias="version-id")
    size: int | None = None
    sequencer: str | None = None


class _Detail(_Foreign):
    bucket: _Bucket
    object: _DetailObject


def object_created(message: Mapping[str, Any]) -> list[ArrivedObject]:
    """The objects that a message announces, in its order.

    Takes S3 notifications and EventBridge `Object Created` events, each bare, in an SQS record or body, in an SNS
    notification, or in SNS in SQS. The test event that S3 sends to a new target announces nothing. Raises ValueError
    for anything else, also for an object without a version: the bucket must be versioned.
    """
    return _unwrap(message, _DEEPEST)


def _unwrap(message: object, depth: int) -> list[ArrivedObject]:
    if not isinstance(message, Mapping) or depth == 0:
        raise ValueError("not a message about an object")
    match message:
        case {"Records": [_, *_] as records}:
            return [arrived for record in records for arrived in _unwrap(record, depth)]
        case {"Event": "s3:TestEvent"}:
            return []
        case {"s3": _}:
            return [_from_record(message)]
        case {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}:
            return [_from_event(detail)]
        case {"body": str(text)} | {"Sns": {"Message": str(text)}} | {"Type": "Notification", "Message": str(text)}:
            return _unwrap(json.loads(text), depth - 1)
        case _:
            raise ValueError("not a message about an object that was created")


def _from_record(record: object) -> ArrivedObject:
    s3 = _Record.model_validate(record).s3
    return ArrivedObject(
        bucket=s3.bucket.name,
        key=unquote_plus(s3.object.key, errors="strict"),
        version_id=s3.object.version_id,
        size=s3.object.size,
        sequencer=s3.object.sequencer,
    )


def _from_event(detail: object) -> ArrivedObject:
    event = _Detail.model_validate(detail)
    return ArrivedObject(
        bucket=event.bucket.name,
        key=event.object.key,
        version_id=event.object.version_id,
        size=event.object.size,
        sequencer=event.object.sequencer,
    )
