"""Every route with every kind of token, on the real handlers with the events of API Gateway."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from moderation.system import RandomIds
from tests.builders import MEDIA_ID, waiting_media
from tests.contract.deployment import Deployment
from tests.contract.test_handlers import BODIES, documented, function_of, http_event
from tests.template.shipped import written

pytestmark = pytest.mark.usefixtures("socket_disabled")

MATRIX: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("authorisation.expected.yaml").read_text())
CLAIMS: dict[str, Any] = MATRIX["claims"]
ROUTES: dict[str, list[str]] = MATRIX["routes"]
SHIPPED = [
    f"{event['Properties']['Method'].upper()} {event['Properties']['Path']}"
    for resource in written()["Resources"].values()
    for event in resource.get("Properties", {}).get("Events", {}).values()
    if event["Type"] == "HttpApi"
]


def test_the_table_says_of_every_route_who_may_call_it() -> None:
    assert sorted(ROUTES) == sorted(SHIPPED)
    for route, allowed in ROUTES.items():
        assert set(allowed) < set(CLAIMS), route
        assert len(set(allowed)) == len(allowed)


def with_claims(route: str, claims: Any) -> dict[str, Any]:
    event = http_event(route, BODIES.get(route), query=f"media_id={MEDIA_ID}")
    token = event["requestContext"]["authorizer"]["jwt"]
    if isinstance(claims, dict):
        token["claims"].pop("scope")
        token["claims"] |= claims
    else:
        token["claims"] = claims
    return event


@pytest.mark.parametrize("route", SHIPPED)
def test_a_route_opens_to_those_in_the_table_and_to_nobody_else(deployment: Deployment, route: str) -> None:
    for name, claims in CLAIMS.items():
        answer = documented(deployment.call(function_of(route), with_claims(route, claims)), route)
        if name in ROUTES[route]:
            assert answer.code != "forbidden_scope", name
            assert answer.status in (200, 201, 202, 404), name
        else:
            assert (answer.status, answer.code) == (403, "forbidden_scope"), name


@pytest.mark.parametrize("authorizer", [None, {}, {"jwt": None}, {"jwt": {}}, {"lambda": {"scope": "admin"}}, "admin"])
@pytest.mark.parametrize("route", SHIPPED)
def test_a_request_that_passed_no_authorizer_is_refused(deployment: Deployment, route: str, authorizer: Any) -> None:
    """If a route ever lost its authorizer, it would close, not open."""
    event = http_event(route, BODIES.get(route))
    event["requestContext"]["authorizer"] = authorizer
    assert deployment.call(function_of(route), event).code == "forbidden_scope"
    del event["requestContext"]["authorizer"]
    assert deployment.call(function_of(route), event).code == "forbidden_scope"


@pytest.mark.parametrize("route", [route for route in SHIPPED if route != "POST /v1/uploads"])
def test_who_may_not_call_learns_nothing_of_what_exists(deployment: Deployment, route: str) -> None:
    def refusal() -> dict[str, Any]:
        body: dict[str, Any] = deployment.call(function_of(route), with_claims(route, {"scope": ""})).body["error"]
        return {name: value for name, value in body.items() if name != "request_id"}

    nobody = refusal()
    deployment.with_job(waiting_media())
    assert refusal() == nobody
    assert MEDIA_ID not in str(nobody)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/v1/media/{MEDIA_ID}"),
        ("POST", f"/v1/media/{MEDIA_ID}/jobs"),
        ("GET", f"/v1/media/{MEDIA_ID}/"),
        ("GET", f"/v1/media/{MEDIA_ID}/jobs"),
        ("GET", f"/v1/jobs/{MEDIA_ID}-1"),
        ("GET", f"//v1/media/{MEDIA_ID}"),
        ("GET", f"/v1/media/{MEDIA_ID}\n"),
    ],
)
def test_the_route_that_answers_is_the_one_whose_scope_was_checked(
    deployment: Deployment, method: str, path: str
) -> None:
    """The gateway decodes paths, so an id with an escaped slash may look like another route."""
    deployment.with_job(waiting_media())
    event = http_event("GET /v1/media/{media_id}")
    event["rawPath"] = path
    event["requestContext"]["http"] |= {"method": method, "path": path}
    assert deployment.call("media", event).code == "not_found"
    assert deployment.store.media(MEDIA_ID).status == "checking"


def test_ids_are_128_bits_that_no_seed_repeats() -> None:
    random.seed(7)
    first = [RandomIds().new() for _ in range(1000)]
    random.seed(7)
    second = [RandomIds().new() for _ in range(1000)]
    assert len({*first, *second}) == 2000
    bits = [sum(int(name, 16) >> bit & 1 for name in first) for bit in range(128)]
    assert all(350 < ones < 650 for ones in bits), "a bit that hardly changes"
