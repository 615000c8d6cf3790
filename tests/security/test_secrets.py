"""Secrets are in Secrets Manager and nowhere else, and can be changed while everything runs."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from moto import mock_aws

from greenlight.keys import create_keys, load_keys, promote_keys, rotate_keys
from greenlight.paths import CHECKOUT
from greenlight.stack.stack import Stack
from moderation.aws.playback_keys import REFRESH
from moderation.aws.signers import CloudFrontSigner
from moderation.memory.clock import FixedClock
from tests.template.shipped import written

if TYPE_CHECKING:
    from mypy_boto3_cloudfront import CloudFrontClient

SECRET = "stack/keys"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TTL = timedelta(minutes=10)

FOUND = {
    "an access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*[A-Za-z0-9+/=\\]{40}"),
    "a token": re.compile(r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{40,}"),
    "a token of a service": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[\w-]{20,}|sk_live_\w{20,}|pypi-AgE\w{30,})"
    ),
    "a password in an address": re.compile(r"https?://[^/\s:@{}$]+:[^/\s:@{}$]{8,}@"),
}
FOLDERS = (".ci", "docs", "events", "functions", "layers", "local", "packaging", "requirements", "tests")
TEXT = {".asl", ".cfg", ".in", ".json", ".lock", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}


def secrets_in(text: str) -> list[str]:
    return [name for name, pattern in FOUND.items() if pattern.search(text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("key = AKIAIOSFODNN7EXAMPLX", "an access key of AWS"),
        ("-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkq" * 4, "a private key"),
        ("-----BEGIN RSA PRIVATE KEY-----\\n" + "MIIEvQIBADANBgkq" * 4, "a private key"),
        (f"Bearer eyJ{'a' * 30}.eyJ{'b' * 30}.{'c' * 60}", "a token"),
        (f"ghp_{'a' * 36}", "a token of a service"),
        ("https://user:correcthorse@example.com", "a password in an address"),
    ],
)
def test_a_secret_would_be_found(text: str, name: str) -> None:
    assert secrets_in(text) == [name]


def test_nothing_of_the_project_holds_a_secret() -> None:
    files = [path for path in CHECKOUT.glob("*") if path.is_file()]
    for folder in FOLDERS:
        files += [
            path for path in (CHECKOUT / folder).rglob("*") if path.is_file() and "node_modules" not in path.parts
        ]
    looked_at = [path for path in files if path.suffix in TEXT and path.name != "test_secrets.py"]
    assert len(looked_at) > 200
    found = {str(path): names for path in looked_at if (names := secrets_in(path.read_text(errors="replace")))}
    assert found == {}


# ── the template ──


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield str(name)
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    else:
        yield str(node)


def test_the_template_takes_gives_and_sets_no_secret() -> None:
    template = written()
    # GIVEN that a parameter, an output or a variable is seen by whoever may look at the stack
    assert not [name for name, p in template["Parameters"].items() if "NoEcho" in p], "a secret as a parameter"
    everything = list(texts(template))
    # THEN none of them is one, or leads to one
    assert not [text for text in everything if "{{resolve:" in text or "ClientSecret" in text or "SecretString" in text]
    for name, resource in template["Resources"].items():
        variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        for variable in variables:
            named = re.search("SECRET|PASSWORD|TOKEN|PRIVATE|CREDENTIAL", variable)
            assert not named or variable == "GREENLIGHT_PLAYBACK_KEY_SECRET", f"{name}: {variable}"
    # AND the one variable that says secret is its name
    (playback,) = [
        resource["Properties"]["Environment"]["Variables"]["GREENLIGHT_PLAYBACK_KEY_SECRET"]
        for resource in template["Resources"].values()
        if "GREENLIGHT_PLAYBACK_KEY_SECRET" in str(resource)
    ]
    assert playback == {"Fn::If": ["UseCloudFront", {"Ref": "PlaybackKeySecret"}, ""]}


def test_tokens_are_of_one_issuer_and_for_us() -> None:
    template = written()
    (authorizer,) = template["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"].values()
    configuration = authorizer["JwtConfiguration"]
    condition, cognito, own = configuration["issuer"]["Fn::If"]
    assert (condition, own) == ("UseCognito", {"Ref": "OidcIssuer"})
    assert cognito == {"Fn::Sub": "https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/${UserPool}"}
    assert configuration["audience"] == {"Fn::If": ["UseCognito", [{"Ref": "MachineClient"}], {"Ref": "OidcAudience"}]}
    # AND an issuer that makes tokens for others is not taken without an audience
    rule = template["Rules"]["AnIssuerNeedsItsAudience"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "OidcIssuer"}, ""]}]}
    assert template["Parameters"]["OidcIssuer"]["AllowedPattern"].startswith("^(https://")
    client = template["Resources"]["MachineClient"]["Properties"]
    assert client["AllowedOAuthFlows"] == ["client_credentials"]
    assert (client["AccessTokenValidity"], client["TokenValidityUnits"]["AccessToken"]) == (60, "minutes")
    assert template["Resources"]["UserPool"]["Properties"]["AdminCreateUserConfig"] == {
        "AllowAdminCreateUserOnly": True
    }


# ── what is deployed ──


def test_no_variable_and_no_output_of_a_deployed_stack_is_a_secret(stack: Stack) -> None:
    client = stack.client("cognito-idp").describe_user_pool_client(
        UserPoolId=stack.outputs["UserPoolId"], ClientId=stack.outputs["ClientId"]
    )["UserPoolClient"]
    told = {"outputs": json.dumps(stack.outputs)}
    for function, name in stack.functions().items():
        configuration = stack.client("lambda").get_function_configuration(FunctionName=name)
        told[function] = json.dumps(configuration["Environment"]["Variables"])
    assert len(told) > 14
    for where, text in told.items():
        assert secrets_in(text) == [], where
        assert client["ClientSecret"] not in text, where
        assert not re.search(r"[A-Za-z0-9+/]{64}", text), where


# ── rotation ──


class Edge:
    """CloudFront, as far as it checks signatures: it knows the keys of the key group by their ids."""

    def __init__(self, cloudfront: "CloudFrontClient") -> None:
        self._cloudfront = cloudfront
        self._trusted: dict[str, RSAPublicKey] = {}

    def deploy(self, slot: str, public_key: str) -> str:
        """What `sam deploy` does with the parameter of a slot."""
        made = self._cloudfront.create_public_key(
            PublicKeyConfig={"CallerReference": f"{slot}-{public_key[-40:]}", "Name": slot, "EncodedKey": public_key}
        )["PublicKey"]["Id"]
        loaded = load_pem_public_key(public_key.encode())
        assert isinstance(loaded, RSAPublicKey)
        self._trusted[made] = loaded
        return made

    def withdraw(self, key_pair_id: str) -> None:
        del self._trusted[key_pair_id]

    def plays(self, url: str, now: datetime) -> bool:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key = self._trusted.get(query["Key-Pair-Id"])
        resource = f"{parts.scheme}://{parts.netloc}{parts.path}"
        condition = {"DateLessThan": {"AWS:EpochTime": int(query["Expires"])}}
        policy = json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":"))
        signature = base64.b64decode(query["Signature"].translate(str.maketrans("-_~", "+=/")))
        if key is None or now.timestamp() >= int(query["Expires"]):
            return False
        try:
            key.verify(signature, policy.encode(), PKCS1v15(), SHA1())  # noqa: S303 -- as CloudFront does
        except InvalidSignature:
            return False
        return True


def test_the_key_is_rotated_while_everything_plays(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        secrets, cloudfront = boto3.client("secretsmanager"), boto3.client("cloudfront")
        edge, clock = Edge(cloudfront), FixedClock(NOW)
        # GIVEN a stack whose first key signs
        first = create_keys(secrets, SECRET).active
        first_id = edge.deploy("A", first.public_key)
        signer = CloudFrontSigner(secrets, SECRET, "d.cloudfront.net", clock, first_id)

        def signed() -> str:
            return signer.sign("0f1e/v/1", clock.now() + TTL)

        before = signed()
        assert edge.plays(before, clock.now())
        # WHEN the next is made and deployed, nothing changes
        second = rotate_keys(secrets, SECRET)
        second_id = edge.deploy(second.slot, second.public_key)
        clock.advance(REFRESH)
        assert f"Key-Pair-Id={first_id}" in signed()
        # AND WHEN it is promoted
        promote_keys(secrets, cloudfront, SECRET)
        during = signed()
        assert edge.plays(during, clock.now())  # a function that has not noticed yet
        clock.advance(REFRESH)
        after = signed()
        # THEN the new one signs, and what the old one signed plays until it ends
        assert f"Key-Pair-Id={second_id}" in after
        assert edge.plays(after, clock.now())
        assert edge.plays(during, clock.now())
        # AND WHEN the old one is withdrawn, nothing that it signed plays, whoever kept its private half
        edge.withdraw(first_id)
        assert edge.plays(signed(), clock.now())
        assert not edge.plays(during, clock.now())
        assert first.private_key not in load_keys(secrets, SECRET).model_dump_json()
        assert not edge.plays(after, clock.now() + TTL)
