"""Signed CloudFront URLs, verified as CloudFront does: with the public key."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.stub import Stubber
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from greenlight.keys import new_key
from moderation.aws.playback_keys import REFRESH, PlaybackKeys, SigningKey
from moderation.aws.signers import CloudFrontSigner, S3Signer
from moderation.memory.clock import FixedClock
from moderation.models.errors import Transient
from tests.unit.aws.conftest import MakeStub

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
EXPIRES = NOW + timedelta(minutes=10, microseconds=5)
KEY = "0123456789abcdef0123456789abcdef/dmVyc2lvbg/3"


@pytest.fixture(scope="module")
def old() -> SigningKey:
    return new_key("A")


@pytest.fixture(scope="module")
def new() -> SigningKey:
    return new_key("B").model_copy(update={"key_pair_id": "KNEW"})


def verified_policy(url: str, key: SigningKey) -> dict[str, Any]:
    """The policy that the URL stands for. Raises InvalidSignature."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, strict_parsing=True)
    resource = f"{parts.scheme}://{parts.netloc}{parts.path}"
    policy = json.dumps(
        {
            "Statement": [
                {"Resource": resource, "Condition": {"DateLessThan": {"AWS:EpochTime": int(query["Expires"][0])}}}
            ]
        },
        separators=(",", ":"),
    )
    signature = base64.b64decode(query["Signature"][0].translate(str.maketrans("-_~", "+=/")))
    public = load_pem_public_key(key.public_key.encode())
    assert isinstance(public, RSAPublicKey)
    public.verify(signature, policy.encode(), PKCS1v15(), SHA1())  # noqa: S303
    statement: dict[str, Any] = json.loads(policy)["Statement"][0]
    return statement


def secret(answers: Stubber, keys: PlaybackKeys) -> None:
    answers.add_response("get_secret_value", {"SecretString": keys.model_dump_json()}, {"SecretId": "keys"})


def test_the_signature_covers_this_object_and_this_end(stub: MakeStub, old: SigningKey) -> None:
    # GIVEN the first key, whose id only the stack knows
    client, answers = stub("secretsmanager")
    secret(answers, PlaybackKeys(active=old))
    signer = CloudFrontSigner(client, "keys", "d111111abcdef8.cloudfront.net", FixedClock(NOW), "KSLOTA")
    # WHEN a URL is signed
    url = signer.sign(KEY, EXPIRES)
    # THEN the key group's public key verifies it, for this object and until this second
    assert verified_policy(url, old) == {
        "Resource": f"https://d111111abcdef8.cloudfront.net/{KEY}",
        "Condition": {"DateLessThan": {"AWS:EpochTime": int((NOW + timedelta(minutes=10)).timestamp())}},
    }
    assert parse_qs(urlsplit(url).query)["Key-Pair-Id"] == ["KSLOTA"]


@pytest.mark.parametrize("forgery", ["path", "expiry", "key"])
def test_a_changed_url_is_worth_nothing(stub: MakeStub, old: SigningKey, new: SigningKey, forgery: str) -> None:
    client, answers = stub("secretsmanager")
    secret(answers, PlaybackKeys(active=old))
    url = CloudFrontSigner(client, "keys", "d.cloudfront.net", FixedClock(NOW), "K").sign(KEY, EXPIRES)
    until = str(int(EXPIRES.timestamp()))
    forged = {"path": url.replace("/3?", "/4?"), "expiry": url.replace(until, until[:-1] + "9"), "key": url}[forgery]
    with pytest.raises(InvalidSignature):
        verified_policy(forged, new if forgery == "key" else old)


def test_odd_characters_are_signed_as_they_are_sent(stub: MakeStub, old: SigningKey) -> None:
    client, answers = stub("secretsmanager")
    secret(answers, PlaybackKeys(active=old))
    url = CloudFrontSigner(client, "keys", "d.cloudfront.net", FixedClock(NOW), "K").sign("m/a b?c&d/3", EXPIRES)
    assert urlsplit(url).path == "/m/a%20b%3Fc%26d/3"
    verified_policy(url, old)


def test_the_secret_is_read_once_until_it_is_stale_and_a_promoted_key_takes_over(
    stub: MakeStub, old: SigningKey, new: SigningKey
) -> None:
    # GIVEN a signer that has read the old key, and a rotation meanwhile
    client, answers = stub("secretsmanager")
    clock = FixedClock(NOW)
    secret(answers, PlaybackKeys(active=old, next=new))
    secret(answers, PlaybackKeys(active=new))
    signer = CloudFrontSigner(client, "keys", "d.cloudfront.net", clock, "KSLOTA")
    # WHEN it signs before and after the refresh (a third read would fail: nothing more is stubbed)
    before = [signer.sign(KEY, EXPIRES), signer.sign(KEY, EXPIRES)]
    clock.advance(REFRESH)
    after = [signer.sign(KEY, EXPIRES), signer.sign(KEY, EXPIRES)]
    # THEN first the old key signs, then the new one under its own id
    for url in before:
        verified_policy(url, old)
    for url in after:
        verified_policy(url, new)
        assert parse_qs(urlsplit(url).query)["Key-Pair-Id"] == ["KNEW"]


def test_a_failed_refresh_keeps_the_key_at_hand(stub: MakeStub, old: SigningKey) -> None:
    client, answers = stub("secretsmanager")
    clock = FixedClock(NOW)
    secret(answers, PlaybackKeys(active=old))
    answers.add_client_error("get_secret_value", "ThrottlingException")
    signer = CloudFrontSigner(client, "keys", "d.cloudfront.net", clock, "K")
    signer.sign(KEY, EXPIRES)
    clock.advance(REFRESH)
    verified_policy(signer.sign(KEY, EXPIRES), old)


def test_without_any_key_the_error_shows(stub: MakeStub) -> None:
    client, answers = stub("secretsmanager")
    answers.add_client_error("get_secret_value", "InternalServiceError", http_status_code=500)
    with pytest.raises(Transient):
        CloudFrontSigner(client, "keys", "d.cloudfront.net", FixedClock(NOW), "K").sign(KEY, EXPIRES)


def test_private_keys_are_not_shown(old: SigningKey) -> None:
    assert "PRIVATE" not in repr(PlaybackKeys(active=old))
    assert "PRIVATE" not in str(old)


def test_the_local_stack_presigns_the_playback_bucket(stub: MakeStub) -> None:
    client, _ = stub("s3")
    url = urlsplit(S3Signer(client, "playback", FixedClock(NOW)).sign(KEY, EXPIRES))
    query = parse_qs(url.query)
    assert url.path.endswith(KEY)
    assert query["X-Amz-Expires"] == ["600"]
    assert "X-Amz-Signature" in query
