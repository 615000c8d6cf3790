"""`greenlight doctor`: each thing that it checks is broken here or in tests/e2e/test_operations.py, and is found."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from greenlight import doctor
from greenlight.deployed import Deployed, Resource
from greenlight.doctor import Ill, Skipped, State
from greenlight.keys import create_keys, new_key
from greenlight.stack.errors import StackError
from greenlight.weights.manifest import load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
ARN = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1d2e"


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


def stack(*, parameters: dict[str, str] | None = None, **resources: Resource) -> Deployed:
    return Deployed(ARN, "CREATE_COMPLETE", client, resources, parameters or {}, {})


class Fake:
    """A client that answers what it is told, whatever it is asked with."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> "Callable[..., Any]":
        return lambda **asked: self._answers[operation]


def answering(**answers: Any) -> Any:
    return lambda service: Fake(**answers)


@pytest.fixture
def aws(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


# ───────────────────────────── what a finding is ─────────────────────────────


def denied() -> str:
    raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "arn:… may not"}}, "DescribeTable")


def test_whatever_a_check_raises_is_its_finding() -> None:
    def ill() -> str:
        raise Ill("it is off", "turn it on")

    def skipped() -> str:
        raise Skipped("nothing here")

    def broken() -> str:
        raise KeyError("key")

    found = [doctor.look("name", check) for check in (lambda: "fine", ill, skipped, denied, broken)]
    assert [one.state for one in found] == [State.OK, State.ILL, State.SKIPPED, State.ILL, State.ILL]
    assert (found[1].what, found[1].advice) == ("it is off", "turn it on")
    assert found[3].what == "could not look: DescribeTable: AccessDeniedException"
    assert "right" in found[3].advice
    assert found[4].what == "could not look: KeyError: 'key'"


def test_a_check_that_breaks_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a stack where nothing can be asked
    broken = Deployed(ARN, "CREATE_COMPLETE", answering(), {}, {}, {})
    monkeypatch.setattr(doctor, "MACHINE", {"Python": doctor.python})
    monkeypatch.setattr(doctor, "find", lambda stack: broken)
    # THEN every check has its line, and says what it could not do
    findings = doctor.examine("shop")
    assert [one.check for one in findings] == ["Python", "clock", *doctor.STACK]
    looked_at_nothing = {"Python", "stack", "playback keys", "distribution"}
    assert {one.check for one in findings if one.state is not State.ILL} == looked_at_nothing


# ───────────────────────────── this machine ─────────────────────────────


def test_this_machine_is_well() -> None:
    assert doctor.python()
    assert doctor.disk()
    assert doctor.ffmpeg() == "encodes and reads H.264"
    assert doctor.local_aws() == "installed"


def test_an_old_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 1, "final", 0))
    with pytest.raises(Ill, match=r"3\.10\.1"):
        doctor.python()


def test_a_full_disk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_BYTES", 10**18)
    with pytest.raises(Ill, match="GB left"):
        doctor.disk()


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo no libx264 >&2; exit 1", "no libx264"),
        ('for last; do :; done; [ "$last" = pipe:1 ] || cp /dev/null "$last"', ""),
    ],
)
def test_an_ffmpeg_that_cannot_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, what: str
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(doctor, "executable", lambda: str(program))
    finding = doctor.look("ffmpeg", doctor.ffmpeg)
    assert finding.state is State.ILL
    assert what in finding.what


def test_missing_and_changed_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "weights_folder", lambda: tmp_path)
    with pytest.raises(Ill, match="not built") as missing:
        doctor.weights()
    assert "weights build" in missing.value.advice
    for entry in load_manifest().weights:
        (tmp_path / entry.output.file).write_bytes(b"something else")
    with pytest.raises(Ill) as changed:
        doctor.weights()
    assert all(entry.name in str(changed.value) for entry in load_manifest().weights)


def test_a_missing_local_aws_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PYTHON", tmp_path / "python")
    with pytest.raises(Ill, match="not installed"):
        doctor.local_aws()


# ───────────────────────────── clock and caller ─────────────────────────────


@pytest.mark.parametrize(
    ("aws_says", "finding"),
    [
        ("Mon, 04 May 2026 12:00:02 GMT", "1 s off"),
        ("Mon, 04 May 2026 11:55:10 GMT", "291 s off"),
        ("Mon, 04 May 2026 12:05:03 GMT", "this machine is 302 s behind AWS"),
        ("Mon, 04 May 2026 11:54:00 GMT", "this machine is 361 s ahead of AWS"),
    ],
)
def test_a_wrong_clock_is_found(aws_says: str, finding: str) -> None:
    # GIVEN an answer that took two seconds
    found = doctor.look("clock", lambda: doctor.clock(aws_says, NOON, NOON + timedelta(seconds=2)))
    assert found.what == finding
    assert (found.state is State.ILL) == ("this machine" in finding)


def test_the_clock_is_read_from_the_very_refusal_that_it_caused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        headers = {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}
        answer: Any = {"Error": {"Code": "SignatureDoesNotMatch"}, "ResponseMetadata": {"HTTPHeaders": headers}}
        raise ClientError(answer, "GetCallerIdentity")

    def unreadable(stack: str | None) -> Deployed:
        raise StackError(f"the stack {stack} cannot be read: signature expired")

    class Refusing:
        get_caller_identity = staticmethod(refuse)

    monkeypatch.setattr(doctor, "aws_client", lambda service: Refusing())
    monkeypatch.setattr(doctor, "find", unreadable)
    monkeypatch.setattr(doctor, "MACHINE", {})
    clock, unread = doctor.examine("shop")
    assert "ahead of AWS" in clock.what
    assert (unread.state, unread.what) == (State.ILL, "the stack shop cannot be read: signature expired")


# ───────────────────────────── a stack ─────────────────────────────


def test_a_stack_that_could_not_be_deployed_is_found() -> None:
    assert doctor.status(stack()) == "CREATE_COMPLETE"
    with pytest.raises(Ill, match="ROLLBACK_COMPLETE"):
        doctor.status(replace(stack(), status="ROLLBACK_COMPLETE"))


def test_missing_outputs_are_found_and_those_of_another_variant_are_not_missed() -> None:
    with_cognito = {"PlaybackSigner": "s3", "OidcIssuer": ""}
    names = doctor.shipped()["Outputs"].keys() - {"PlaybackDomain"}
    well = replace(stack(parameters=with_cognito), outputs=dict.fromkeys(names, "x"))
    assert doctor.outputs(well)
    with pytest.raises(Ill, match="TokenUrl"):
        doctor.outputs(replace(well, outputs=dict.fromkeys(names - {"TokenUrl"}, "x")))
    own_issuer = replace(well, parameters=with_cognito | {"OidcIssuer": "https://id.example.com"})
    assert doctor.outputs(
        replace(own_issuer, outputs=dict.fromkeys(names - {"TokenUrl", "UserPoolId", "ClientId"}, "x"))
    )


def deployed_function(**changes: Any) -> dict[str, Any]:
    """What Lambda says of the feedback function when it is as in the template."""
    return {
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 1024,
        "Timeout": 28,
        "Environment": {"Variables": {"GREENLIGHT_TABLE": "t", "GREENLIGHT_RESULTS_BUCKET": "b"}},
        "Layers": [{"Arn": "arn:moderation:2"}],
    } | changes


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, None),
        ({"State": "Failed", "StateReason": "the image is gone"}, "the image is gone"),
        ({"LastUpdateStatus": "Failed"}, "last update Failed"),
        ({"Runtime": "python3.12"}, "Runtime is python3.12, not python3.13"),
        ({"Architectures": ["x86_64"]}, "Architectures"),
        ({"MemorySize": 128}, "MemorySize is 128, not 1024"),
        ({"Timeout": 3}, "Timeout is 3, not 28"),
        ({"Environment": {"Variables": {"GREENLIGHT_TABLE": "t"}}}, "without GREENLIGHT_RESULTS_BUCKET"),
    ],
)
def test_a_function_that_is_not_as_in_the_template_is_found(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], what: str | None
) -> None:
    feedback = dict(doctor._functions())["FeedbackFunction"]
    monkeypatch.setattr(doctor, "_functions", lambda: iter([("FeedbackFunction", feedback)]))
    deployed = replace(
        stack(parameters={"Architecture": "arm64"}, FeedbackFunction=Resource("AWS::Lambda::Function", "f")),
        client=answering(get_function_configuration=deployed_function(**changes)),
    )
    finding = doctor.look("functions", lambda: doctor.functions(deployed))
    assert (finding.state is State.OK) == (what is None)
    assert (what or "1 active") in finding.what


def test_an_old_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a function with last week's package
    feedback = dict(doctor._functions())["FeedbackFunction"]
    monkeypatch.setattr(doctor, "_functions", lambda: iter([("FeedbackFunction", feedback)]))
    layer = Resource("AWS::Lambda::LayerVersion", "arn:moderation:2")
    function = Resource("AWS::Lambda::Function", "f")
    resources = stack(FeedbackFunction=function, ModerationLayer0123456789=layer)
    well = replace(resources, client=answering(get_function_configuration=deployed_function()))
    assert doctor.layers(well)
    old = answering(get_function_configuration=deployed_function(Layers=[{"Arn": "arn:moderation:1"}]))
    with pytest.raises(Ill, match="FeedbackFunction is without this ModerationLayer"):
        doctor.layers(replace(well, client=old))
    with pytest.raises(Skipped):
        doctor.layers(replace(well, local=True))


def described_table(**changes: Any) -> Any:
    table = {
        "TableStatus": "ACTIVE",
        "StreamSpecification": {"StreamEnabled": True},
        "GlobalSecondaryIndexes": [{"IndexName": "watch", "IndexStatus": "ACTIVE"}],
    } | changes
    ttl = {"TimeToLiveStatus": changes.get("ttl", "ENABLED")}
    return answering(describe_table={"Table": table}, describe_time_to_live={"TimeToLiveDescription": ttl})


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, None),
        ({"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}, "INACCESSIBLE"),
        ({"StreamSpecification": {"StreamEnabled": False}}, "no stream"),
        ({"GlobalSecondaryIndexes": []}, "index watch is missing"),
        ({"GlobalSecondaryIndexes": [{"IndexName": "watch", "IndexStatus": "CREATING"}]}, "CREATING"),
        ({"ttl": "DISABLED"}, "TTL is DISABLED"),
    ],
)
def test_a_table_that_lacks_something_is_found(changes: dict[str, Any], what: str | None) -> None:
    table = Resource("AWS::DynamoDB::Table", "shop-table")
    deployed = replace(stack(Table=table), client=described_table(**changes))
    finding = doctor.look("table", lambda: doctor.table(deployed))
    assert (finding.state is State.OK) == (what is None)
    assert (what or "active") in finding.what


def test_a_state_machine_that_is_going_away_is_found() -> None:
    resource = Resource("AWS::StepFunctions::StateMachine", "arn:machine")
    with pytest.raises(Ill, match="DELETING"):
        doctor.machine(
            replace(stack(Moderation=resource), client=answering(describe_state_machine={"status": "DELETING"}))
        )


def test_an_alarm_that_is_on_is_found() -> None:
    resource = Resource("AWS::CloudWatch::Alarm", "shop-JobsStuckAlarm-1")
    said = {"MetricAlarms": [{"AlarmName": resource.id, "StateValue": "ALARM"}]}
    with pytest.raises(Ill, match="JobsStuckAlarm") as on:
        doctor.alarms(replace(stack(JobsStuckAlarm=resource), client=answering(describe_alarms=said)))
    assert "runbook" in on.value.advice


# ───────────────────────────── playback keys ─────────────────────────────


def playback(aws: None, *, deploy_key: str | None = None, trusted: bool = True) -> Deployed:
    """A stack whose key group trusts the key of slot A: the one in the secret, or another."""
    made = create_keys(client("secretsmanager"), "shop/keys").active
    cloudfront = client("cloudfront")
    config = {"CallerReference": "a", "Name": "a", "EncodedKey": deploy_key or made.public_key}
    key_id = cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]
    group = {"Name": "playback", "Items": [key_id] if trusted else ["KOTHER"]}
    group_id = cloudfront.create_key_group(KeyGroupConfig=group)["KeyGroup"]["Id"]
    return stack(
        parameters={"PlaybackSigner": "cloudfront", "PlaybackKeySecret": "shop/keys"},
        PlaybackKeyA=Resource("AWS::CloudFront::PublicKey", key_id),
        PlaybackKeys=Resource("AWS::CloudFront::KeyGroup", group_id),
        Distribution=Resource("AWS::CloudFront::Distribution", "E1"),
    )


def test_a_key_that_signs_and_is_trusted_is_well(aws: None) -> None:
    assert doctor.keys(playback(aws)).endswith("signs and is trusted")


def test_a_public_key_of_another_pair_is_found(aws: None) -> None:
    with pytest.raises(Ill, match="another key") as other:
        doctor.keys(playback(aws, deploy_key=new_key("A").public_key))
    assert "greenlight keys show" in other.value.advice


def test_a_key_that_the_group_does_not_trust_is_found(aws: None) -> None:
    with pytest.raises(Ill, match="does not trust"):
        doctor.keys(playback(aws, trusted=False))


def test_a_missing_secret_is_found(aws: None) -> None:
    deployed = playback(aws)
    client("secretsmanager").delete_secret(SecretId="shop/keys", ForceDeleteWithoutRecovery=True)
    finding = doctor.look("playback keys", lambda: doctor.keys(deployed))
    assert finding.state is State.ILL
    assert "greenlight keys create" in finding.what


@pytest.mark.parametrize(
    ("enabled", "groups", "what"),
    [(True, ["G1"], None), (False, ["G1"], "disabled"), (True, [], "does not ask for signatures")],
)
def test_a_distribution_that_plays_nothing_or_everything_is_found(
    enabled: bool, groups: list[str], what: str | None
) -> None:
    behaviour = {"TrustedKeyGroups": {"Items": groups}}
    said = {
        "Distribution": {
            "Status": "Deployed",
            "DistributionConfig": {"Enabled": enabled, "DefaultCacheBehavior": behaviour},
        }
    }
    deployed = replace(
        stack(
            parameters={"PlaybackSigner": "cloudfront"},
            Distribution=Resource("AWS::CloudFront::Distribution", "E1"),
            PlaybackKeys=Resource("AWS::CloudFront::KeyGroup", "G1"),
        ),
        client=answering(get_distribution=said),
    )
    finding = doctor.look("distribution", lambda: doctor.distribution(deployed))
    assert (finding.state is State.OK) == (what is None)
    assert (what or "deployed") in finding.what


# ───────────────────────────── the command ─────────────────────────────


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(stack: str | None) -> Deployed:
        raise StackError("the local stack is not running: say `greenlight up`")

    monkeypatch.setattr(doctor, "find", nowhere)


def run(*arguments: str) -> Any:
    from greenlight.cli import app

    return CliRunner().invoke(app, ["doctor", *arguments])


def test_without_a_stack_this_machine_is_checked(nothing_runs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MACHINE", {"Python": doctor.python})
    done = run("--json")
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.exit_code == 0
    assert findings["Python"]["state"] == "ok"
    assert {findings[name]["state"] for name in ("clock", *doctor.STACK)} == {"skipped"}
    assert "greenlight up" in findings["queues"]["what"]


def test_something_ill_shows_in_the_table_and_in_the_exit_code(
    nothing_runs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ill() -> str:
        raise Ill("no room [at all]", "make room")

    monkeypatch.setattr(doctor, "MACHINE", {"Python": doctor.python, "disk": ill})
    done = run()
    assert done.exit_code == 4
    lines = {line.split()[1]: line for line in done.stdout.splitlines()[1:] if line.split()[0] in "✓✗–"}
    assert lines["Python"].split()[0] == "✓"
    assert lines["disk"].split()[0] == "✗"
    assert "no room [at all]" in lines["disk"]
    assert lines["queues"].split()[0] == "–"
