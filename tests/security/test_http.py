"""Bodies, headers and texts that nobody sends by accident."""

import json
from typing import Any

import pytest

from moderation.entrypoints.http import MAX_BODY, SCOPES
from moderation.models.media import MediaStatus
from tests.builders import MEDIA_ID, probed_media, waiting_media
from tests.contract.deployment import Deployment, event_of, invoke
from tests.contract.test_handlers import BODIES, DOCUMENT, documented, function_of, http_event
from tests.template.shipped import written

pytestmark = pytest.mark.usefixtures("socket_disabled")

SIGN = "POST /v1/uploads"
GOOD: dict[str, Any] = {"file_name": "a.mp4", "content_type": "video/mp4", "size": 1000}


def sent(deployment: Deployment, body: object, route: str = SIGN, **headers: str) -> Any:
    event = http_event(route, body)
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    return documented(deployment.call(function_of(route), event), route)


# ── bodies ──


@pytest.mark.parametrize(
    "body",
    [
        "x" * (MAX_BODY + 1),
        json.dumps({**GOOD, "title": "a" * MAX_BODY}),
        '{"size": ' + "9" * 5000 + "}",
        '{"size": 1e999}',
        '{"size": NaN}',
        '{"size": -1e5}',
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 40_000 + "1" + "}" * 40_000,
        '{"covers": ' + "[" * 50_000,
        "\ufeff" + json.dumps(GOOD),
        '{"file_name": "a.mp4", "content_type": "video/mp4", "size": 1000, "title": "\\ud800"}',
        '{"file_name": "\\udfff.mp4", "content_type": "video/mp4", "size": 1000}',
        '{"file_name": "a.mp4", "content_type": "video/mp4", "size": 1000, "session_context": "\\ud800"}',
        json.dumps({**GOOD, "status": "normal"}),
        json.dumps({**GOOD, "media_id": MEDIA_ID}),
        json.dumps({**GOOD, "covers": [{"content_type": "image/jpeg", "size": 1, "identity": None}]}),
        json.dumps({**GOOD, "size": True}),
        json.dumps({**GOOD, "size": 1.5}),
        json.dumps({**GOOD, "covers": [{"content_type": "image/jpeg", "size": 1}] * 6}),
        json.dumps({**GOOD, "content_type": "text/html"}),
        json.dumps({**GOOD, "content_type": "video/mp4\r\nx-amz-acl: public-read"}),
    ],
    ids=lambda body: f"{len(body)}:{body[:40]!r}",
)
def test_a_body_to_be_refused_is_the_senders_fault(deployment: Deployment, body: str) -> None:
    answer = sent(deployment, body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert len(answer.body["error"]["message"]) < 1000


def test_a_body_may_be_as_long_as_the_longest_request(deployment: Deployment) -> None:
    etags = {"parts": [{"number": number, "etag": "e" * 128} for number in range(1, 1001)]}
    assert len(json.dumps(etags)) < MAX_BODY
    answer = sent(deployment, etags, "POST /v1/uploads/{media_id}/complete")
    assert answer.code == "upload_not_found"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
        "*/*",
    ],
)
def test_only_json_is_understood(deployment: Deployment, content_type: str) -> None:
    """So no form of a web page can call the API, whatever it makes its reader's browser send along."""
    answer = sent(deployment, GOOD, content_type=content_type)
    assert (answer.status, answer.code) == (400, "invalid_request")


def test_json_may_say_its_charset(deployment: Deployment) -> None:
    assert sent(deployment, GOOD, content_type="application/json; charset=utf-8").status == 201


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", '"Infinity"', "1e400", "-1"])
def test_times_are_numbers(deployment: Deployment, number: str) -> None:
    deployment.with_job(waiting_media())
    body = f'{{"media_id": "{MEDIA_ID}", "kind": "correct", "start": {number}}}'
    answer = sent(deployment, body, "POST /v1/feedback")
    assert (answer.status, answer.code) == (400, "invalid_request")


# ── texts ──

CONTROL = ["\x00", "\x1b[2J", "line\nbreak", "\r\nSet-Cookie: a=b", "\x7f", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("text", CONTROL, ids=ascii)
def test_what_is_shown_in_one_line_holds_nothing_that_moves_the_cursor(deployment: Deployment, text: str) -> None:
    deployment.with_job(probed_media())
    decision = {"media_id": MEDIA_ID, "decision": "normal", "reason": text}
    for route, body in ((SIGN, {**GOOD, "title": text}), (SIGN, {**GOOD, "file_name": text})):
        assert sent(deployment, body, route).code == "invalid_request"
    assert sent(deployment, decision, "POST /v1/reviews").code == "invalid_request"
    assert deployment.store.media(MEDIA_ID).status is MediaStatus.CHECKING


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "\u202egpj.exe",
        "e\u0301 ﬁ Ａ \U0001f600 \u200b",
        '"; DROP TABLE media; --',
        "${jndi:ldap://x}",
        "{{7*7}}",
        "../../etc/passwd",
        "%s%s%n",
        "é" * 64,
    ],
    ids=ascii,
)
def test_a_text_is_kept_and_shown_as_it_was_sent(deployment: Deployment, text: str) -> None:
    """It is data: whoever shows it escapes it."""
    signed = sent(deployment, {**GOOD, "title": text, "file_name": text})
    assert signed.status == 201
    media_id = signed.body["media_id"]
    route = "GET /v1/media/{media_id}"
    event = json.loads(json.dumps(http_event(route)).replace(MEDIA_ID, media_id))
    shown = deployment.call("media", event).body["media"]
    assert (shown["title"], shown["file_name"]) == (text, text)
    # and names no object and no header
    assert text not in json.dumps(signed.body, ensure_ascii=False)


def test_a_title_one_byte_too_long_is_refused(deployment: Deployment) -> None:
    assert sent(deployment, {**GOOD, "title": "é" * 64 + "a"}).code == "invalid_request"


# ── answers ──


@pytest.mark.parametrize("route", SCOPES)
def test_answers_are_not_kept_by_caches_nor_guessed_at(deployment: Deployment, route: str) -> None:
    deployment.with_job(waiting_media())
    query = f"media_id={MEDIA_ID}"
    answers = [
        http_event(route, BODIES.get(route), query=query),
        http_event(route, BODIES.get(route), query=query, scope=""),
        http_event(route, "{" if route in BODIES else None, query=query),
        http_event(route, BODIES.get(route), query=query) | {"routeKey": "$default"},
    ]
    for event in answers:
        headers = {k.lower(): v for k, v in invoke(function_of(route), event).payload["headers"].items()}
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert not any(name.startswith("access-control-") for name in headers)


def test_an_error_of_ours_is_not_kept_either(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.entrypoints.http._answer", lambda *_: 1 / 0)
    payload = invoke("media", event_of("media")).payload
    assert payload["statusCode"] == 500
    assert payload["headers"]["cache-control"] == "no-store"


def test_pages_of_others_may_call_only_where_the_owner_says_so() -> None:
    template = written()
    condition, when_asked, otherwise = template["Resources"]["Api"]["Properties"]["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("HasCors", {"Ref": "AWS::NoValue"})
    assert when_asked["AllowOrigins"] == {"Ref": "CorsOrigins"}
    assert "AllowCredentials" not in when_asked
    assert template["Parameters"]["CorsOrigins"]["Default"] == ""
    assert "*" not in template["Parameters"]["CorsOrigins"]["AllowedPattern"].replace("(https?", "").split("[")[0]


def test_every_error_of_the_document_is_json(deployment: Deployment) -> None:
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            assert set(operation["responses"]["default"]["content"]) == {"application/json"}
