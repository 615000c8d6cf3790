"""Nothing of what people send, and nothing that opens a door, is in any log line, error or trace."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_log_utils import LogFormat
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import BaseModel

from greenlight.paths import CHECKOUT
from moderation.aws.media_store import DynamoMediaStore
from moderation.entrypoints.http import SCOPES
from moderation.entrypoints.logs import logger, told
from moderation.models.base import Model
from moderation.models.errors import ErrorCode, ModerationError, Permanent, Transient
from tests.builders import MEDIA_ID, waiting_media
from tests.contract import deployment as runtime
from tests.contract.deployment import Deployment, event_of, invoke
from tests.contract.test_handlers import function_of, http_event

pytestmark = pytest.mark.usefixtures("socket_disabled")

FUNCTIONS = sorted(path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py"))
TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXRva2Vu.c2lnbmVk"
MARKS = {
    "title": "Grandmother's ninetieth",
    "file_name": "surgery-of-mrs-jones.mp4",
    "session_context": "session-of-anna-1977",
    "source_context": "source-of-bert-1978",
    "reason": "known-from-tv-show",
    "comment": "she asked us to take it down",
    "token": TOKEN,
    "signature": "X-Amz-Signature=0badc0ffee0ddf00d",
}
PAYLOAD = json.dumps(MARKS)
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/uploads": {
        **{name: MARKS[name] for name in ("title", "file_name", "session_context", "source_context")},
        "content_type": "video/mp4",
        "size": 1000,
        "covers": [{"content_type": "image/jpeg", "size": 10}],
    },
    "POST /v1/uploads/{media_id}/complete": {"parts": [{"number": 1, "etag": "e"}]},
    "POST /v1/media/{media_id}/jobs": {},
    "POST /v1/reviews": {
        "media_id": MEDIA_ID,
        "decision": "normal",
        "reason": MARKS["reason"],
        "comment": MARKS["comment"],
    },
    "POST /v1/feedback": {"media_id": MEDIA_ID, "kind": "correct", "comment": MARKS["comment"]},
}


class Leaky(Model):
    """Refuses what is in `size`, and would quote it."""

    size: int


class ForeignLeaky(BaseModel):
    size: int


def chained() -> Exception:
    """Text in the error, in its cause, in the cause's context and in a note."""
    try:
        try:
            try:
                raise KeyError(PAYLOAD)
            except KeyError:
                raise ValueError(PAYLOAD)  # noqa: B904 -- the context is what is tested
        except ValueError as error:
            raise RuntimeError(PAYLOAD) from error
    except RuntimeError as error:
        error.add_note(PAYLOAD)
        return error


def invalid(model: type[BaseModel]) -> Exception:
    try:
        model.model_validate({"size": PAYLOAD})
    except ValueError as error:
        return error
    raise AssertionError


def of_aws(code: str, status: int) -> Exception:
    answer = {"Error": {"Code": code, "Message": PAYLOAD}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


FAULTS: dict[str, Callable[[], Exception]] = {
    "unforeseen": chained,
    "invalid": lambda: invalid(Leaky),
    "invalid elsewhere": lambda: invalid(ForeignLeaky),
    "denied": lambda: of_aws("AccessDenied", 403),
    "busy": lambda: of_aws("SlowDown", 503),
    "missing": lambda: of_aws("NoSuchKey", 404),
    "cancelled": lambda: of_aws("TransactionCanceledException", 400),
    "unreachable": lambda: EndpointConnectionError(endpoint_url=f"https://s3/?{MARKS['signature']}&t={TOKEN}"),
    "memory": lambda: MemoryError(PAYLOAD),
    "file": lambda: OSError(2, "No such file", MARKS["file_name"]),
}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """All that leaves a function but its answer: logs of every logger at INFO, standard streams, errors, traces."""
    kept: list[str] = []

    def read() -> str:
        kept.extend(capsys.readouterr())
        return "".join(kept)

    (own,) = {handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)}
    now = SimpleNamespace(write=lambda text: sys.stdout.write(text), flush=lambda: None)  # pytest changes it
    monkeypatch.setattr(own, "stream", now)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    # As in Lambda: everybody else's records go through the runtime's own handler.
    bootstrap._setup_logging(LogFormat.JSON, "INFO", bootstrap.StandardLogSink())
    failed = runtime._RuntimeClient.post_invocation_error

    def failing(client: Any, invoke_id: str, error: str, xray: str, invocation_id: str | None) -> None:
        kept.append(error + xray)
        failed(client, invoke_id, error, xray, invocation_id)

    monkeypatch.setattr(runtime._RuntimeClient, "post_invocation_error", failing)
    yield read
    root.setLevel(level)
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)


def assert_clean(text: str) -> None:
    for name, mark in MARKS.items():
        assert mark not in text, f"{name} leaked: {text[max(0, text.index(mark) - 300) :][:700]}"
    for word in ("Bearer ", "X-Amz-", "x-amz-signature", "policy=", "Signature="):
        assert word not in text, f"{word} in {text[:2000]}"


def marked(route: str, query: str = "") -> dict[str, Any]:
    """A good request with a mark wherever its sender may write."""
    event = http_event(route, BODIES.get(route), query=query or f"media_id={MEDIA_ID}")
    event["headers"] |= {"authorization": f"Bearer {TOKEN}", "user-agent": MARKS["file_name"]}
    return event


def marked_event(function: str) -> dict[str, Any]:
    """A function's own event, with the marks where they travel."""
    text = json.dumps(event_of(function))
    for shown, mark in (("order-4711", "session_context"), ("app-ios", "source_context")):
        text = text.replace(shown, MARKS[mark])
    event: dict[str, Any] = json.loads(text)
    return event


def marked_media() -> Any:
    named = {name: MARKS[name] for name in ("title", "file_name", "session_context", "source_context")}
    return waiting_media().model_copy(update=named)


# ── what runs well ──


@pytest.mark.parametrize("route", SCOPES)
def test_a_request_leaves_nothing_in_the_logs(deployment: Deployment, lines: Callable[[], str], route: str) -> None:
    deployment.with_job(marked_media())
    answer = deployment.call(function_of(route), marked(route))
    assert answer.status != 500
    assert_clean(lines())


def test_an_upload_that_arrives_leaves_only_its_key(deployment: Deployment, lines: Callable[[], str]) -> None:
    deployment.store.add_media(marked_media())
    deployment.bring(marked_media().source_key)
    deployment.bring(f"media/{MARKS['file_name']}")
    event = event_of("ingest")
    by_hand = {**event["Records"][0], "messageId": "2"}
    by_hand["body"] = by_hand["body"].replace(f"media/{MEDIA_ID}/source", f"media/{MARKS['file_name']}")
    event["Records"].append(by_hand)
    assert invoke("ingest", event).payload == {"batchItemFailures": []}
    told_lines = [json.loads(line) for line in lines().splitlines()]
    assert {(line["outcome"], line.get("key")) for line in told_lines} == {
        ("started", marked_media().source_key),
        ("foreign_key", None),
    }
    assert_clean(lines())


def test_a_request_that_is_not_understood_leaves_nothing(deployment: Deployment, lines: Callable[[], str]) -> None:
    for route in BODIES:
        for body in (f'{{"title": "{MARKS["title"]}"', PAYLOAD, json.dumps([PAYLOAD])):
            event = marked(route)
            event["body"] = body
            assert deployment.call(function_of(route), event).status == 400
    assert_clean(lines())


# ── what goes wrong ──


def events_of(function: str) -> list[dict[str, Any]]:
    return [marked(route) for route in SCOPES if function_of(route) == function] or [marked_event(function)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_failure_leaves_nothing_of_its_text(
    deployment: Deployment, lines: Callable[[], str], monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    for name, fault in FAULTS.items():
        # GIVEN that AWS, or what is between, fails with an error that quotes everything
        def fail(*args: object, make: Callable[[], Exception] = fault) -> None:
            raise make()

        monkeypatch.setattr(BaseClient, "_make_api_call", fail)
        before = len(lines())
        # WHEN a function meets it
        for event in events_of(function):
            invoke(function, event)
        # THEN that is in the log, and nothing of it; what is not there is an answer, not a failure
        assert len(lines()) > before or name == "missing", name
        assert_clean(lines())


def test_a_document_that_cannot_be_read_leaves_nothing(
    deployment: Deployment, lines: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a table that holds what no version of ours has written
    monkeypatch.setattr(DynamoMediaStore, "_doc", lambda *_: PAYLOAD)
    for function in FUNCTIONS:
        for event in events_of(function):
            invoke(function, event)
    assert "ValidationError" in lines()
    assert_clean(lines())


# ── the record ──


def test_a_failure_says_where_and_of_which_kind(lines: Callable[[], str]) -> None:
    try:
        raise chained()
    except RuntimeError:
        logger.exception("step failed")
    line = json.loads(lines().splitlines()[-1])
    assert line["exception_name"] == "RuntimeError"
    assert [kind in line["exception"] for kind in ("KeyError", "ValueError", "RuntimeError")] == [True] * 3
    assert "test_logs.py" in line["exception"]
    assert_clean(lines())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Permanent("malformed", PAYLOAD), ": malformed"),
        (ModerationError(ErrorCode.UNKNOWN_TEMPLATE, PAYLOAD), ": unknown_template"),
        (Transient("SlowDown of https://bucket/key?X-Amz-Signature=1"), ": SlowDown of https://bucket/key?…"),
        (of_aws("AccessDenied", 403), ": Operation AccessDenied, request None"),
        (OSError(28, PAYLOAD), ": ENOSPC"),
        (OSError(PAYLOAD), ": unknown"),
        (invalid(Leaky), ": Leaky, int_parsing"),
        (ValueError(PAYLOAD), "ValueError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_words_of_ours_are_told(error: Exception, said: str) -> None:
    assert told(error).endswith(said)


def test_libraries_are_heard_without_what_they_fill_in(lines: Callable[[], str]) -> None:
    other = logging.getLogger("somebody.else")
    other.warning("retrying %s after %r", MARKS["title"], PAYLOAD)
    other.warning("sent to https://bucket.s3/key?%s", MARKS["signature"])
    other.warning(f"sent to https://bucket.s3/key?{MARKS['signature']}&x=1")
    try:
        raise chained()
    except RuntimeError:
        other.exception("failed with %s", PAYLOAD)
    assert "retrying" in lines()
    assert_clean(lines())


def test_a_loop_of_causes_ends() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert told(one).count("KeyError") == 1


def test_nobody_has_another_logger_or_another_way_out() -> None:
    """One place decides what may be in a log, so there is one logger; no metric or trace carries values either."""
    forbidden = ("import logging", "Logger(", "print(", "Tracer(", "put_annotation", "put_metadata", "xray_recorder")
    for folder in ("functions", "layers/moderation/moderation"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            if path.name == "logs.py":
                continue
            found = [word for word in forbidden if f" {word}" in f" {path.read_text()}".replace("\n", " ")]
            assert not found, f"{path}: {found}"


# ── what AWS itself writes ──


def test_the_access_log_holds_neither_token_nor_query() -> None:
    from tests.template.shipped import written

    text = written()["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"]
    shown = {word.split('"')[0] for word in text.split("$context.")[1:]}
    assert shown == {
        "requestTime",
        "requestId",
        "identity.sourceIp",
        "routeKey",
        "status",
        "responseLength",
        "responseLatency",
        "authorizer.claims.sub",
        "authorizer.error",
        "integrationErrorMessage",
    }
