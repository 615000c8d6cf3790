"""The keys of playback URLs: made here, private halves kept in Secrets Manager, public halves given to the template.

Only public keys are printed, alone on stdout, so that they can be passed on:

    sam deploy --parameter-overrides PlaybackPublicKeyA="$(greenlight keys create)" …
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from moderation.aws.playback_keys import REFRESH, PlaybackKeys, SigningKey, Slot

if TYPE_CHECKING:
    from mypy_boto3_cloudfront import CloudFrontClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

DEFAULT_SECRET = "greenlight/playback-keys"  # noqa: S105 -- its name, not its value
FAILED = 4
PARAMETER = {"A": "PlaybackPublicKeyA", "B": "PlaybackPublicKeyB"}

app = typer.Typer(help="Keys that sign playback URLs.", no_args_is_help=True)
SecretName = Annotated[
    str, typer.Option("--secret", help="Name or ARN of the secret.", envvar="GREENLIGHT_PLAYBACK_KEY_SECRET")
]


class KeysError(Exception):
    """The keys are not in a state for what was asked; the message says what to do first."""


def new_key(slot: Slot) -> SigningKey:
    """A fresh RSA-2048 pair, the kind and size that CloudFront takes."""
    private = generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(
        slot=slot,
        private_key=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        public_key=public.decode(),
    )


def create_keys(secrets: "SecretsManagerClient", secret: str) -> PlaybackKeys:
    """The first pair, in slot A. Raises KeysError when there is one already."""
    keys = PlaybackKeys(active=new_key("A"))
    try:
        secrets.create_secret(Name=secret, SecretString=keys.model_dump_json(), Description="Signs playback URLs")
    except secrets.exceptions.ResourceExistsException as error:
        raise KeysError(f"{secret} exists: `greenlight keys rotate` replaces its key") from error
    return keys


def load_keys(secrets: "SecretsManagerClient", secret: str) -> PlaybackKeys:
    """Raises KeysError when the secret is not there."""
    try:
        return PlaybackKeys.model_validate_json(secrets.get_secret_value(SecretId=secret)["SecretString"])
    except secrets.exceptions.ResourceNotFoundException as error:
        raise KeysError(f"{secret} does not exist: `greenlight keys create` makes it") from error


def rotate_keys(secrets: "SecretsManagerClient", secret: str) -> SigningKey:
    """The next key, made in the free slot unless it is there already; the active one goes on signing."""
    keys = load_keys(secrets, secret)
    if keys.next is not None:
        return keys.next
    following = new_key("B" if keys.active.slot == "A" else "A")
    rotated = keys.model_copy(update={"next": following})
    secrets.put_secret_value(SecretId=secret, SecretString=rotated.model_dump_json())
    return following


def promote_keys(secrets: "SecretsManagerClient", cloudfront: "CloudFrontClient", secret: str) -> SigningKey:
    """Make the next key sign. Raises KeysError when there is none, or when CloudFront does not know it yet."""
    keys = load_keys(secrets, secret)
    if keys.next is None:
        raise KeysError("there is no next key: `greenlight keys rotate` makes one")
    key_pair_id = _key_pair_id(cloudfront, keys.next.public_key)
    if key_pair_id is None:
        raise KeysError(f"CloudFront does not know the next key: deploy it as {PARAMETER[keys.next.slot]} first")
    active = keys.next.model_copy(update={"key_pair_id": key_pair_id})
    secrets.put_secret_value(SecretId=secret, SecretString=PlaybackKeys(active=active).model_dump_json())
    return active


def _key_pair_id(cloudfront: "CloudFrontClient", public_key: str) -> str | None:
    marker: str | None = None
    while True:
        listing = (cloudfront.list_public_keys(Marker=marker) if marker else cloudfront.list_public_keys())[
            "PublicKeyList"
        ]
        for known in listing.get("Items", []):
            if known["EncodedKey"].strip() == public_key.strip():
                return known["Id"]
        marker = listing.get("NextMarker")
        if not marker:
            return None


@app.command()
def create(secret: SecretName = DEFAULT_SECRET) -> None:
    """Make the first key pair and print its public key."""
    with _clear_errors():
        _show(create_keys(boto3.client("secretsmanager"), secret).active)


@app.command()
def rotate(secret: SecretName = DEFAULT_SECRET) -> None:
    """Make the next key pair and print its public key. Deploy it, then promote it."""
    with _clear_errors():
        _show(rotate_keys(boto3.client("secretsmanager"), secret))


@app.command()
def promote(secret: SecretName = DEFAULT_SECRET) -> None:
    """Let the next key sign from now on."""
    with _clear_errors():
        active = promote_keys(boto3.client("secretsmanager"), boto3.client("cloudfront"), secret)
    old = PARAMETER["B" if active.slot == "A" else "A"]
    typer.echo(f"{active.key_pair_id} signs everywhere within {REFRESH}.", err=True)
    typer.echo(f"When the URLs signed before have expired, deploy with {old} empty.", err=True)


@app.command()
def show(secret: SecretName = DEFAULT_SECRET) -> None:
    """Print the public key that signs now."""
    with _clear_errors():
        _show(load_keys(boto3.client("secretsmanager"), secret).active)


def parameter_value(public_key: str) -> str:
    """A PEM public key as the template takes it: its lines, without the first and the last, joined by commas.

    `sam deploy` cuts the value of a parameter at the first blank, and PEM has blanks.
    """
    return ",".join(public_key.strip().splitlines()[1:-1])


def _show(key: SigningKey) -> None:
    typer.echo(f"Deploy this public key as the parameter {PARAMETER[key.slot]}:", err=True)
    typer.echo(parameter_value(key.public_key))


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (KeysError, BotoCoreError, ClientError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from error
