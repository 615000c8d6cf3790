"""For any key, every envelope gives the same identity."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moderation.models.notification import ArrivedObject, object_created

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


def s3_notification(*keys: str, safe: str = "/") -> dict[str, Any]:
    """As S3 writes it: keys form-encoded."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:CompleteMultipartUpload",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "uploads", "arn": "arn:aws:s3:::uploads"},
                    "object": {
                        "key": quote_plus(key, safe=safe),
                        "size": 1234,
                        "eTag": "0" * 32,
                        "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                        "sequencer": "0055AED6DCD90281E5",
                    },
                },
            }
            for key in keys
        ]
    }


def event_bridge(key: str) -> dict[str, Any]:
    """As EventBridge writes it: keys plain."""
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "version": "0",
            "bucket": {"name": "uploads"},
            "object": {
                "key": key,
                "size": 1234,
                "etag": "0" * 32,
                "version-id": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                "sequencer": "0055AED6DCD90281E5",
            },
            "reason": "CompleteMultipartUpload",
        },
    }


def in_sqs(message: dict[str, Any]) -> dict[str, Any]:
    return {"messageId": "m-1", "eventSource": "aws:sqs", "body": json.dumps(message)}


def in_sns(message: dict[str, Any]) -> dict[str, Any]:
    """The notification as SNS delivers it to SQS or HTTP."""
    return {"Type": "Notification", "MessageId": "n-1", "Message": json.dumps(message, ensure_ascii=False)}


def sns_to_lambda(message: dict[str, Any]) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": in_sns(message)}]}


def arrived(key: str) -> ArrivedObject:
    return ArrivedObject(
        bucket="uploads",
        key=key,
        version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
        size=1234,
        sequencer="0055AED6DCD90281E5",
    )


@given(KEYS)
@example("a b+c%20d%2Bé/日本\n.mp4")
@example("+")
@example("%")
@example("no-slash")
@example("//")
def test_every_envelope_gives_the_same_identity(key: str) -> None:
    for message in (s3_notification(key), s3_notification(key, safe=""), event_bridge(key)):
        for envelope in (
            message,
            in_sqs(message),
            {"Records": [in_sqs(message)]},
            in_sns(message),
            sns_to_lambda(message),
            in_sqs(in_sns(message)),
        ):
            assert object_created(envelope) == [arrived(key)]


@given(st.lists(KEYS, min_size=1, max_size=5))
def test_every_record_is_read(keys: list[str]) -> None:
    bodies = {"Records": [in_sqs(s3_notification(*keys)), in_sqs(event_bridge("last"))]}
    assert object_created(bodies) == [*map(arrived, keys), arrived("last")]


def test_a_single_record_is_read() -> None:
    assert object_created(s3_notification("a b")["Records"][0]) == [arrived("a b")]


def test_the_test_event_announces_nothing() -> None:
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}
    for envelope in (test_event, in_sqs(test_event), in_sqs(in_sns(test_event))):
        assert object_created(envelope) == []


def removed() -> dict[str, Any]:
    message = s3_notification("a")
    message["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    return message


def unversioned() -> dict[str, Any]:
    message = s3_notification("a")
    del message["Records"][0]["s3"]["object"]["versionId"]
    return message


def not_utf8() -> dict[str, Any]:
    message = s3_notification("a")
    message["Records"][0]["s3"]["object"]["key"] = "%FF"
    return message


def nested(depth: int) -> dict[str, Any]:
    message = s3_notification("a")
    for _ in range(depth):
        message = in_sqs(message)
    return message


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"Records": []},
        {"Records": "x"},
        {"Records": [{}]},
        {"body": "not json"},
        {"body": "[]"},
        {"body": None},
        {"source": "aws.s3", "detail-type": "Object Deleted", "detail": event_bridge("a")["detail"]},
        {**event_bridge("a"), "detail": {}},
        {**event_bridge("a"), "source": "mine"},
        removed(),
        unversioned(),
        not_utf8(),
        nested(9),
        s3_notification(""),
    ],
)
def test_anything_else_is_an_error(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the type is the contract, pydantic words the message
        object_created(message)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "body", "Sns", "s3", "detail", "Message", "Type", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["Records", "body", "Sns", "s3", "source", "detail"]), json_like, max_size=4))
def test_nonsense_raises_nothing_but_value_error(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        object_created(message)
