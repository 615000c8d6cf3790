"""`greenlight doctor`: is this machine, and a deployed or the local stack, as template.yaml wants it? Reads only.

Each check is a function that gives a line about what it found, raises `Ill` with what to do about it, or `Skipped`
where there is nothing to look at. Whatever else it raises is a failed check as well: what could not be looked at is
not well. No check keeps another from being made.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight.deployed import Deployed, StackName, aws_client, find
from greenlight.exits import Exit
from greenlight.keys import load_keys
from greenlight.paths import CHECKOUT, cache_folder
from greenlight.redrive import CONSUMERS
from greenlight.stack.deploy import WORKING
from greenlight.stack.errors import StackError
from greenlight.stack.stack import PYTHON
from greenlight.stack.template import Template, read
from greenlight.weights.errors import WeightsError
from greenlight.weights.manifest import load_manifest
from greenlight.weights.store import check as check_weights
from greenlight.weights.store import weights_folder
from moderation.aws.media_store import WATCH_INDEX
from moderation.media.ffmpeg import executable
from moderation.media.plan import make_plan

SKEW: Final = timedelta(minutes=5)
"""AWS refuses signatures, and with them presigned URLs, from clocks that are further off."""
FREE_BYTES: Final = 2 * 10**9
OLDEST_PYTHON: Final = (3, 11)
BUCKETS: Final = ("UploadsBucket", "ResultsBucket", "PlaybackBucket")
QUEUES: Final = {"UploadsQueue": "UploadsDeadLetters", "PublishQueue": "PublishDeadLetters"}
MARKS: Final = {"ok": "[green]✓[/]", "ill": "[bold red]✗[/]", "skipped": "[dim]–[/]"}


class Ill(Exception):
    """Something is not as it should be; `advice` says what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


class Skipped(Exception):
    """There is nothing to look at here; the message says why."""


class State(StrEnum):
    """What a check came to."""

    OK = "ok"
    ILL = "ill"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the answer."""

    check: str
    state: State
    what: str
    advice: str = ""


# ───────────────────────────── this machine ─────────────────────────────


def python() -> str:
    """The command line and the local stack run on this Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise Ill(f"this is Python {version}", "say `make PYTHON=python3.13 setup`")
    return version


def disk() -> str:
    """Weights, environments and the local stack's state are written here."""
    folders = (cache_folder(), CHECKOUT, Path(tempfile.gettempdir()))
    free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
    folder, least = min(free.items(), key=lambda item: item[1])
    if least < FREE_BYTES:
        raise Ill(f"{folder} has {least / 1e9:.1f} GB left", f"make room: {FREE_BYTES / 1e9:.0f} GB at least")
    return f"{least / 1e9:.1f} GB free"


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def ffmpeg() -> str:
    """Make a second of video and look at it as the plan step does."""
    advice = "say `make setup`; GREENLIGHT_FFMPEG, if set, must name an ffmpeg with libx264"
    with tempfile.TemporaryDirectory(prefix="greenlight-doctor-") as folder:
        clip = Path(folder) / "clip.mp4"
        source = ("-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25:duration=1", "-c:v", "libx264")
        command = [executable(), "-nostdin", "-v", "error", "-y", *source, "-pix_fmt", "yuv420p", str(clip)]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if made.returncode != 0:
            raise Ill(f"ffmpeg cannot encode: {made.stderr.strip()[:200]}", advice)
        plan = make_plan(clip, interval=1.0, key_frames_only=False, deadline=time.monotonic() + 60)
    (track,) = plan.video
    if (track.codec, track.frames) != ("h264", 25):
        raise Ill(f"25 frames of H.264 were read as {track.frames} of {track.codec}", advice)
    return "encodes and reads H.264"


def weights() -> str:
    """Every file of the manifest, with its hash."""
    folder, ill = weights_folder(), []
    entries = load_manifest().weights
    for entry in entries:
        try:
            check_weights(entry, folder)
        except WeightsError as error:
            ill.append(str(error))
    if ill:
        raise Ill("; ".join(ill), "say `greenlight weights build`")
    return f"{len(entries)} files as in the manifest"


def local_aws() -> str:
    """MiniStack has an environment of its own."""
    if not PYTHON.exists():
        raise Ill("the local AWS is not installed", "say `make setup`")
    return "installed"


MACHINE: Final[dict[str, Callable[[], str]]] = {
    "Python": python,
    "disk": disk,
    "ffmpeg": ffmpeg,
    "weights": weights,
    "local AWS": local_aws,
}


# ───────────────────────────── a stack ─────────────────────────────


@cache
def shipped() -> Template:
    """The template of this checkout: what the stack should be."""
    return read(CHECKOUT / "template.yaml")


def clock(date: str, asked: datetime, answered: datetime) -> str:
    """Compare this machine's clock with the Date header that AWS answered between two moments of ours."""
    off = parsedate_to_datetime(date) - (asked + (answered - asked) / 2)
    if abs(off) > SKEW:
        direction = "behind" if off > timedelta() else "ahead of"
        raise Ill(f"this machine is {abs(off).total_seconds():.0f} s {direction} AWS", "set the clock: use NTP")
    return f"{abs(off).total_seconds():.0f} s off"


def caller(deployed: Deployed) -> str:
    """Who asks. Each check that may not look says which right is missing."""
    return str(deployed.client("sts").get_caller_identity()["Arn"])


def status(deployed: Deployed) -> str:
    """CloudFormation's own word."""
    if deployed.status not in WORKING:
        raise Ill(f"the stack is {deployed.status}", "deploy again; the stack's events say what failed")
    return deployed.status


def outputs(deployed: Deployed) -> str:
    """What callers read of the stack."""
    wanted = {name for name, item in shipped()["Outputs"].items() if _holds(deployed, item.get("Condition"))}
    if missing := wanted - deployed.outputs.keys():
        raise Ill(f"missing: {', '.join(sorted(missing))}", "deploy the template of this checkout")
    return f"{len(wanted)} there"


def functions(deployed: Deployed) -> str:
    """Each function runs, as it was configured."""
    ill = []
    for name, wanted in _functions():
        found = deployed.client("lambda").get_function_configuration(FunctionName=deployed.id(name))
        ill += [f"{name}: {problem}" for problem in _differences(deployed, wanted, found)]
    if ill:
        raise Ill("; ".join(ill), "deploy the template of this checkout; an inactive function says why in its console")
    return f"{sum(1 for _ in _functions())} active, as in the template"


def _differences(deployed: Deployed, wanted: Template, found: dict[str, Any]) -> Iterator[str]:
    if found.get("State", "Active") != "Active" or found.get("LastUpdateStatus", "Successful") != "Successful":
        yield f"{found.get('State')}, last update {found.get('LastUpdateStatus')}: {found.get('StateReason', '')}"
    expected = {name: wanted[name] for name in ("MemorySize", "Timeout")}
    if not deployed.local:  # there functions run on this machine, over the checkout
        expected |= {"Runtime": wanted["Runtime"], "Architectures": [deployed.parameters["Architecture"]]}
    for name, value in expected.items():
        if found.get(name) != value:
            yield f"{name} is {found.get(name)}, not {value}"
    missing = wanted["Environment"]["Variables"].keys() - found.get("Environment", {}).get("Variables", {}).keys()
    if missing:
        yield f"without {', '.join(sorted(missing))}"


def layers(deployed: Deployed) -> str:
    """The weights, ffmpeg and the package are layers; hashes were checked when they were built."""
    if deployed.local:
        raise Skipped("functions run over the checkout")
    common = shipped()["Globals"]["Function"]["Layers"]
    ill = []
    for name, wanted in _functions():
        found = deployed.client("lambda").get_function_configuration(FunctionName=deployed.id(name))
        arns = [layer["Arn"] for layer in found.get("Layers", [])]
        refs = [layer["Ref"] for layer in [*common, *wanted.get("Layers", [])]]
        ill += [f"{name} is without this {ref}" for ref in dict.fromkeys(refs) if _layer(deployed, ref) not in arns]
    if ill:
        raise Ill("; ".join(ill), "build and deploy again, both with the same Architecture")
    return "attached in their current versions"


def _layer(deployed: Deployed, ref: str) -> str:
    """SAM gives a layer's resource a name of its own for each content: the layer's name and ten digits of a hash."""
    return next(
        (
            item.id
            for name, item in deployed.resources.items()
            if item.type == "AWS::Lambda::LayerVersion" and name.startswith(ref)
        ),
        ref,
    )


def rights(deployed: Deployed) -> str:
    """Each function's role may do what the template says; IAM itself is asked, nothing is done."""
    iam, ill, asked = deployed.client("iam"), [], 0
    for name, wanted in _functions():
        role = iam.get_role(RoleName=deployed.id(f"{name}Role"))["Role"]["Arn"]
        for statement, resource in _granted(deployed, wanted):
            answer = iam.simulate_principal_policy(
                PolicySourceArn=role,
                ActionNames=_list(statement["Action"]),
                ResourceArns=[_sample(deployed, resource)],
                ContextEntries=_context(statement),
            )
            asked += len(answer["EvaluationResults"])
            ill += [
                f"{name} may not {result['EvalActionName']}"
                for result in answer["EvaluationResults"]
                if result["EvalDecision"] != "allowed"
            ]
    if ill:
        raise Ill("; ".join(dict.fromkeys(ill)), "deploy again, or ask for the policy that forbids it")
    return f"{asked} asked for and granted"


def _granted(deployed: Deployed, function: Template) -> Iterator[tuple[Template, Any]]:
    """The statements of a function's policies, with each of their resources."""
    for statement in (statement for policy in function["Policies"] for statement in policy["Statement"]):
        chosen = statement
        if "Fn::If" in statement:
            condition, then, otherwise = statement["Fn::If"]
            chosen = then if _holds(deployed, condition) else otherwise
        if "Action" not in chosen or (deployed.local and "Condition" in chosen):
            continue  # the local AWS leaves the context out
        yield from ((chosen, resource) for resource in _list(chosen["Resource"]))


def _context(statement: Template) -> list[dict[str, Any]]:
    """What a request would say of itself to meet a statement's conditions."""
    return [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [str(value).replace("*", "x")]}
        for condition in statement.get("Condition", {}).values()
        for key, value in condition.items()
    ]


def _sample(deployed: Deployed, resource: Any) -> str:
    """An ARN that a policy's resource is about: a name that matches stands for each wildcard."""
    match resource:
        case {"Ref": name}:
            return deployed.resource_arn(name)
        case {"Fn::GetAtt": ["Table", "StreamArn"]}:
            table = deployed.client("dynamodb").describe_table(TableName=deployed.id("Table"))["Table"]
            return str(table["LatestStreamArn"])
        case {"Fn::GetAtt": [name, _]}:
            return deployed.resource_arn(name)
        case {"Fn::Sub": text}:
            return _filled(deployed, text)
    raise Ill(f"no ARN for {resource}", "report this")


def _filled(deployed: Deployed, text: str) -> str:
    _, partition, _, region, account, _ = deployed.arn.split(":", 5)
    known = {"AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": account, **deployed.parameters}
    for part in text.split("${")[1:]:
        name = part.partition("}")[0]
        logical, _, attribute = name.partition(".")
        if name in known:
            value = known[name]
        elif attribute == "Name":
            value = deployed.id(logical).rpartition(":")[2]
        else:
            value = deployed.resource_arn(logical) if attribute else deployed.id(logical)
        text = text.replace(f"${{{name}}}", value)
    return text.replace("*", "x").replace("?", "x")


def table(deployed: Deployed) -> str:
    """The table answers, streams, forgets, and its index can be asked."""
    dynamodb, name = deployed.client("dynamodb"), deployed.id("Table")
    found = dynamodb.describe_table(TableName=name)["Table"]
    advice = "deploy again; see the table in its console"
    if found["TableStatus"] != "ACTIVE":
        raise Ill(f"it is {found['TableStatus']}", advice)
    if not found.get("StreamSpecification", {}).get("StreamEnabled"):
        raise Ill("it has no stream: no event leaves, nothing is published", advice)
    indexes = {index["IndexName"]: index.get("IndexStatus", "ACTIVE") for index in found["GlobalSecondaryIndexes"]}
    if indexes.get(WATCH_INDEX) != "ACTIVE":
        raise Ill(f"its index {WATCH_INDEX} is {indexes.get(WATCH_INDEX, 'missing')}", advice)
    if not deployed.local:  # not modelled there
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"]
        if ttl not in ("ENABLED", "ENABLING"):
            raise Ill(f"its TTL is {ttl}: uploads that never came stay", advice)
    return "active, with stream and index"


def buckets(deployed: Deployed) -> str:
    """Versioned, since a version is what is moderated; encrypted; closed to the public."""
    s3, ill = deployed.client("s3"), []
    for logical in BUCKETS:
        bucket = deployed.id(logical)
        if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            ill.append(f"{logical} is not versioned")
        if not _told(partial(s3.get_bucket_encryption, Bucket=bucket)):
            ill.append(f"{logical} is not encrypted")
        public = _told(partial(s3.get_public_access_block, Bucket=bucket))
        if not all(public.get("PublicAccessBlockConfiguration", {"": False}).values()):
            ill.append(f"{logical} does not block public access")
    if ill:
        raise Ill("; ".join(ill), "deploy again, and find out who changed it: CloudTrail")
    return "versioned, encrypted, private"


def _told(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What S3 says; nothing when such a configuration does not exist."""
    try:
        return ask()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == httpx.codes.NOT_FOUND:
            return {}
        raise


def notifications(deployed: Deployed) -> str:
    """Every uploaded object is told to the uploads queue."""
    found = deployed.client("s3").get_bucket_notification_configuration(Bucket=deployed.id("UploadsBucket"))
    queue = deployed.resource_arn("UploadsQueue")
    for one in found.get("QueueConfigurations", []):
        filters = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        only = {rule["Name"].lower(): rule["Value"] for rule in filters}
        if (one["QueueArn"], one["Events"], only) == (queue, ["s3:ObjectCreated:*"], {"prefix": "media/"}):
            return "uploads are told to the queue"
    raise Ill("the uploads bucket tells the uploads queue nothing", "deploy again")


def queues(deployed: Deployed) -> str:
    """Both queues answer, and hand what fails to their dead letters."""
    depths = []
    for logical, dead in QUEUES.items():
        found = _queue(deployed, logical)
        target = json.loads(found.get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
        if target != deployed.resource_arn(dead):
            raise Ill(f"{logical} hands what fails to {target or 'nobody'}", "deploy again")
        depths.append(f"{logical} {found['ApproximateNumberOfMessages']}")
    return f"waiting: {', '.join(depths)}"


def dead_letters(deployed: Deployed) -> str:
    """Nothing was given up."""
    depths = {name: int(_queue(deployed, name)["ApproximateNumberOfMessages"]) for name in CONSUMERS}
    if found := {name: depth for name, depth in depths.items() if depth}:
        told = ", ".join(f"{depth} in {name}" for name, depth in found.items())
        raise Ill(told, "mend the cause (`greenlight redrive --dry-run` shows it), then `greenlight redrive`")
    return "none"


def _queue(deployed: Deployed, logical: str) -> dict[str, str]:
    asked = deployed.client("sqs").get_queue_attributes(QueueUrl=deployed.id(logical), AttributeNames=["All"])
    attributes: dict[str, str] = asked["Attributes"]
    return attributes


def sources(deployed: Deployed) -> str:
    """Queues and stream reach their functions."""
    names = [name for name, item in deployed.resources.items() if item.type == "AWS::Lambda::EventSourceMapping"]
    wanted = _named("AWS::Lambda::EventSourceMapping")
    states = {
        name: deployed.client("lambda").get_event_source_mapping(UUID=deployed.id(name))["State"] for name in names
    }
    ill = [f"{name} is {states.get(name, 'missing')}" for name in wanted if states.get(name) != "Enabled"]
    if ill:
        raise Ill("; ".join(ill), "aws lambda update-event-source-mapping --enabled --uuid … , or deploy again")
    return f"{len(states)} enabled"


def rules(deployed: Deployed) -> str:
    """Status changes reach publish; runs that ended badly are closed; somebody watches."""
    events, ill = deployed.client("events"), []
    buses = {"PublishRule": deployed.id("Bus"), "FailJobFunctionRunEnded": "default"}
    for logical, bus in (buses | {"WatchFunctionEveryFewMinutes": "default"}).items():
        name = deployed.id(logical).rpartition("|")[2]  # CloudFormation calls a rule of another bus <bus>|<rule>
        if events.describe_rule(Name=name, EventBusName=bus)["State"] != "ENABLED":
            ill.append(f"{logical} is disabled")
        if not events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]:
            ill.append(f"{logical} has no target")
    if ill:
        raise Ill("; ".join(ill), "aws events enable-rule --name … , or deploy again")
    return "enabled, with targets"


def machine(deployed: Deployed) -> str:
    """The state machine takes new runs."""
    found = deployed.client("stepfunctions").describe_state_machine(stateMachineArn=deployed.id("Moderation"))
    if found["status"] != "ACTIVE":
        raise Ill(f"it is {found['status']}", "deploy again")
    return "active"


def api(deployed: Deployed) -> str:
    """The API answers, and lets nobody in without a token."""
    answer = httpx.get(f"{deployed.api_url}/v1/media/{'0' * 32}", timeout=15)
    if answer.status_code != httpx.codes.UNAUTHORIZED:
        raise Ill(f"without a token it answers {answer.status_code} instead of 401", "deploy again")
    return "answers, and wants a token"


def keys(deployed: Deployed) -> str:
    """What the private key of the secret signs, a key that CloudFront trusts verifies."""
    if deployed.parameters.get("PlaybackSigner") != "cloudfront":
        raise Skipped("playback URLs are the bucket's")
    active = load_keys(deployed.client("secretsmanager"), deployed.parameters["PlaybackKeySecret"]).active
    cloudfront = deployed.client("cloudfront")
    advice = "greenlight keys show prints the public key that signs: deploy it as the parameter that it names"
    key_id = active.key_pair_id or (deployed.id("PlaybackKeyA") if "PlaybackKeyA" in deployed.resources else "")
    group = cloudfront.get_key_group(Id=deployed.id("PlaybackKeys"))["KeyGroup"]["KeyGroupConfig"]
    if key_id not in group["Items"]:
        raise Ill(f"the key group does not trust the key {key_id or 'of the secret'}", advice)
    encoded = cloudfront.get_public_key(Id=key_id)["PublicKey"]["PublicKeyConfig"]["EncodedKey"]
    private, public = load_pem_private_key(active.private_key.encode(), None), load_pem_public_key(encoded.encode())
    if not isinstance(private, RSAPrivateKey) or not isinstance(public, RSAPublicKey):
        raise Ill("the keys are no RSA keys", "greenlight keys rotate")
    try:
        # CloudFront verifies nothing but this.
        public.verify(private.sign(b"a URL", PKCS1v15(), SHA1()), b"a URL", PKCS1v15(), SHA1())  # noqa: S303 # nosec B303
    except InvalidSignature as error:
        raise Ill(f"CloudFront knows another key by the id {key_id}: no playback URL works", advice) from error
    return f"{key_id} signs and is trusted"


def distribution(deployed: Deployed) -> str:
    """CloudFront plays, and only what is signed."""
    if deployed.parameters.get("PlaybackSigner") != "cloudfront":
        raise Skipped("there is none")
    found = deployed.client("cloudfront").get_distribution(Id=deployed.id("Distribution"))["Distribution"]
    configuration = found["DistributionConfig"]
    if not configuration["Enabled"]:
        raise Ill("it is disabled", "enable it in its console")
    if deployed.id("PlaybackKeys") not in configuration["DefaultCacheBehavior"]["TrustedKeyGroups"].get("Items", []):
        raise Ill("it does not ask for signatures of the key group", "deploy again, at once: anything plays")
    return str(found["Status"]).lower()


def alarms(deployed: Deployed) -> str:
    """None is on. The local AWS has no metrics."""
    if deployed.local:
        raise Skipped("the local AWS has no metrics")
    names = [item.id for item in deployed.resources.values() if item.type == "AWS::CloudWatch::Alarm"]
    found = deployed.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    on = [alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"]
    if on:
        raise Ill(", ".join(on), "docs/runbook.md has a section for each")
    return f"{len(found)}, none on"


STACK: Final[dict[str, Callable[[Deployed], str]]] = {
    "caller": caller,
    "stack": status,
    "outputs": outputs,
    "functions": functions,
    "layers": layers,
    "rights": rights,
    "table": table,
    "buckets": buckets,
    "notifications": notifications,
    "queues": queues,
    "dead letters": dead_letters,
    "event sources": sources,
    "rules": rules,
    "state machine": machine,
    "API": api,
    "playback keys": keys,
    "distribution": distribution,
    "alarms": alarms,
}


# ───────────────────────────── the command ─────────────────────────────


def examine(stack: str | None) -> list[Finding]:
    """All findings about this machine and, where there is one, a stack."""
    findings = [look(name, check) for name, check in MACHINE.items()]
    try:
        deployed = find(stack)
    except StackError as error:
        if stack is None:
            reason = str(error)
            return [*findings, *(Finding(name, State.SKIPPED, reason) for name in ("clock", *STACK))]
        advice = "give its name, region and profile: --stack NAME, AWS_REGION, AWS_PROFILE"
        return [*findings, look("clock", lambda: _clock(aws_client)), Finding("stack", State.ILL, str(error), advice)]
    findings.append(look("clock", lambda: _clock(deployed.client)))
    return [*findings, *(look(name, partial(check, deployed)) for name, check in STACK.items())]


def look(name: str, check: Callable[[], str]) -> Finding:
    """Make one check; whatever it raises is its finding."""
    try:
        return Finding(name, State.OK, check())
    except Ill as ill:
        return Finding(name, State.ILL, str(ill), ill.advice)
    except Skipped as skipped:
        return Finding(name, State.SKIPPED, str(skipped))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        advice = "ask for this right, or use other credentials" if "Denied" in code or "Unauthorized" in code else ""
        return Finding(name, State.ILL, f"could not look: {error.operation_name}: {code}", advice)
    except Exception as error:  # a check that breaks is no reason to leave out the others
        return Finding(name, State.ILL, f"could not look: {type(error).__name__}: {error}")


def _clock(client: Callable[[str], Any]) -> str:
    """The Date header of whatever AWS answers: an error has one, too, above all the one about a wrong clock."""
    asked = datetime.now(UTC)
    try:
        answer = client("sts").get_caller_identity()
    except ClientError as error:
        answer = error.response
    except BotoCoreError as error:
        raise Ill(f"AWS cannot be asked: {error}", "give a region and credentials: AWS_REGION, AWS_PROFILE") from error
    return clock(answer["ResponseMetadata"]["HTTPHeaders"]["date"], asked, datetime.now(UTC))


def doctor(
    stack: StackName = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON and nothing else")] = False,
) -> None:
    """Check this machine and a stack: tools, weights, clock, functions, rights, queues, buckets, keys. Reads only.

    Exit codes: 0 all is well, 4 something is not, 2 usage.
    """
    with Console(stderr=True).status("looking"):
        findings = examine(stack)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        Console().print(_shown(findings))
    if any(finding.state is State.ILL for finding in findings):
        raise typer.Exit(Exit.FAILED)


def _shown(findings: list[Finding]) -> Table:
    shown = Table("", "what", "found", "what to do", box=None)
    for finding in findings:
        row = (MARKS[finding.state], finding.check, escape(finding.what), escape(finding.advice))
        shown.add_row(*row, style="dim" if finding.state is State.SKIPPED else None)
    return shown


def _functions() -> Iterator[tuple[str, Template]]:
    """Every function of the shipped template by logical name, with what it does not say itself from Globals."""
    template = shipped()
    common = {name: value for name, value in template["Globals"]["Function"].items() if name != "Layers"}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            yield name, {**common, **resource["Properties"]}


def _named(kind: str) -> list[str]:
    return [name for name, resource in shipped()["Resources"].items() if resource["Type"] == kind]


def _holds(deployed: Deployed, condition: str | None) -> bool:
    """Whether a condition of the template holds; those that outputs and policies ask for."""
    match condition:
        case None:
            return True
        case "UseCloudFront":
            return deployed.parameters.get("PlaybackSigner") == "cloudfront"
        case "UseCognito":
            return not deployed.parameters.get("OidcIssuer")
    raise Ill(f"the condition {condition} is not known to greenlight doctor", "report this")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
