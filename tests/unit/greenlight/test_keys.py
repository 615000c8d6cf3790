"""`greenlight keys`: make, rotate, promote."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from moto import mock_aws
from typer.testing import CliRunner

from greenlight.keys import KeysError, app, create_keys, load_keys, new_key, promote_keys, rotate_keys

if TYPE_CHECKING:
    from mypy_boto3_cloudfront import CloudFrontClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

SECRET = "stack/keys"


@pytest.fixture
def aws(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


@pytest.fixture
def secrets(aws: None) -> "SecretsManagerClient":
    return boto3.client("secretsmanager")


@pytest.fixture
def cloudfront(aws: None) -> "CloudFrontClient":
    return boto3.client("cloudfront")


def deploy(cloudfront: "CloudFrontClient", public_key: str) -> str:
    """What the template does with a public key."""
    config = {"CallerReference": public_key[-60:], "Name": "key", "EncodedKey": public_key}
    return cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]  # type: ignore[arg-type]


def test_a_key_is_a_pair_of_the_kind_that_cloudfront_takes() -> None:
    key = new_key("A")
    private = load_pem_private_key(key.private_key.encode(), password=None)
    public = load_pem_public_key(key.public_key.encode())
    assert isinstance(private, RSAPrivateKey)
    assert isinstance(public, RSAPublicKey)
    assert private.key_size == 2048
    assert private.public_key().public_numbers() == public.public_numbers()


def test_keys_are_made_once(secrets: "SecretsManagerClient") -> None:
    made = create_keys(secrets, SECRET)
    assert load_keys(secrets, SECRET) == made
    with pytest.raises(KeysError, match="rotate"):
        create_keys(secrets, SECRET)
    assert load_keys(secrets, SECRET) == made


def test_a_rotation_goes_from_slot_to_slot(secrets: "SecretsManagerClient", cloudfront: "CloudFrontClient") -> None:
    # GIVEN the first key, deployed
    first = create_keys(secrets, SECRET).active
    deploy(cloudfront, first.public_key)
    # WHEN the next one is made, twice
    following = rotate_keys(secrets, SECRET)
    assert rotate_keys(secrets, SECRET) == following
    # THEN the first still signs, and the next has the other slot
    assert load_keys(secrets, SECRET).active == first
    assert (first.slot, following.slot) == ("A", "B")
    # AND it cannot be promoted before CloudFront trusts it
    with pytest.raises(KeysError, match="PlaybackPublicKeyB"):
        promote_keys(secrets, cloudfront, SECRET)
    assert load_keys(secrets, SECRET).active == first
    # WHEN it is deployed and promoted
    key_pair_id = deploy(cloudfront, following.public_key)
    promoted = promote_keys(secrets, cloudfront, SECRET)
    # THEN it signs under its own id, and the old private key is gone
    assert promoted == following.model_copy(update={"key_pair_id": key_pair_id})
    assert load_keys(secrets, SECRET).active == promoted
    assert load_keys(secrets, SECRET).next is None
    # AND the rotation after that goes back to slot A
    assert rotate_keys(secrets, SECRET).slot == "A"


def test_nothing_to_promote(secrets: "SecretsManagerClient", cloudfront: "CloudFrontClient") -> None:
    create_keys(secrets, SECRET)
    with pytest.raises(KeysError, match="rotate"):
        promote_keys(secrets, cloudfront, SECRET)


def test_stdout_is_the_public_key_alone(aws: None) -> None:
    # WHEN the commands run as a user runs them
    runner = CliRunner()
    created = runner.invoke(app, ["create", "--secret", SECRET])
    shown = runner.invoke(app, ["show", "--secret", SECRET])
    again = runner.invoke(app, ["create", "--secret", SECRET])
    # THEN stdout can be given to `sam deploy` as it is, and says nothing of the private key
    assert created.exit_code == 0
    assert created.stdout == shown.stdout
    lines = created.stdout.strip().split(",")
    load_pem_public_key("\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----"]).encode())
    assert not set(" \"'\n") & set(created.stdout.strip())
    assert "PlaybackPublicKeyA" in created.stderr
    assert "PRIVATE" not in created.output
    # AND what cannot be done is said in one sentence
    assert again.exit_code == 4
    assert again.stderr == f"{SECRET} exists: `greenlight keys rotate` replaces its key\n"
