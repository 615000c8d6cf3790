"""Who may call what: every route over HTTP, with the tokens of the stack's own authorizer."""

import httpx
import pytest

from greenlight.stack.stack import SCOPES, Stack
from moderation.entrypoints.http import SCOPES as SCOPE_OF

NOBODY = "0" * 32


@pytest.mark.parametrize("scope", SCOPES)
def test_a_route_opens_to_its_scope_and_to_no_other(stack: Stack, scope: str) -> None:
    # GIVEN a token with one scope, and one with all the others
    right = {"Authorization": f"Bearer {stack.token([scope])}"}
    wrong = {"Authorization": f"Bearer {stack.token([other for other in SCOPES if other != scope])}"}
    routes = [route for route, needed in SCOPE_OF.items() if needed == scope]
    assert routes

    for route in routes:
        # WHEN each calls a route that asks for this scope
        method, _, path = route.partition(" ")
        url = stack.api_url + path.format(media_id=NOBODY, job_id=f"{NOBODY}-1")
        opened = httpx.request(method, url, headers=right, json={} if method == "POST" else None)
        closed = httpx.request(method, url, headers=wrong, json={} if method == "POST" else None)

        # THEN the first gets as far as its request, the other does not
        assert opened.status_code in (200, 400, 404), route
        assert closed.status_code == 403, route
        assert closed.json()["error"]["code"] == "forbidden_scope"


@pytest.mark.parametrize("spoil", ["", "Bearer", "Bearer not.a.token", "swap the signature", "swap the claims"])
def test_without_a_whole_token_nothing_opens(stack: Stack, spoil: str) -> None:
    head, claims, signature = stack.token(["upload"]).split(".")
    other_claims, other_signature = stack.token(["admin"]).split(".")[1:]
    header = {
        "swap the signature": f"Bearer {head}.{claims}.{other_signature}",
        "swap the claims": f"Bearer {head}.{other_claims}.{signature}",
    }.get(spoil, spoil)

    answer = httpx.post(f"{stack.api_url}/v1/uploads", json={}, headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
