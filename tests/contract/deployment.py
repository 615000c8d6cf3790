"""All functions as deployed: the real handlers in the real runtime, on AWS adapters over moto, in this process."""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from greenlight.paths import CHECKOUT
from moderation.aws.media_store import DynamoMediaStore
from moderation.aws.objects import S3Objects
from moderation.aws.uploads import S3Uploads
from moderation.entrypoints import compose
from moderation.models.job import Job
from moderation.models.media import Media, MediaStatus, ObjectIdentity
from moderation.services.ingest import new_job
from moderation.services.templates import load_template
from moderation.settings import settings
from moderation.system import SystemClock
from tests.contract.conftest import REGION
from tests.runtime_api import ACCOUNT, Response

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EVENTS = CHECKOUT / "events"
SECONDS = 60.0
"""What the runtime says is left of a call."""


def event_of(function: str) -> dict[str, Any]:
    """events/<function>.json"""
    event: dict[str, Any] = json.loads((EVENTS / f"{function}.json").read_text())
    return event


class _RuntimeClient:
    """The runtime's connection to Lambda: it keeps the answer. All else of the runtime is real."""

    def __init__(self) -> None:
        self.marshaller = LambdaMarshaller()
        self.answer = Response()

    def post_invocation_result(self, invoke_id: str, result: str, content_type: str, invocation_id: str | None) -> None:
        self.answer = Response(json.loads(result))

    def post_invocation_error(self, invoke_id: str, error: str, xray: str, invocation_id: str | None) -> None:
        told = json.loads(error)
        self.answer = Response(None, told["errorType"], told["errorMessage"])


def invoke(function: str, event: Any) -> Response:
    """Call a function with an event, in this process."""
    client = _RuntimeClient()
    bootstrap.handle_event_request(
        client,
        importlib.import_module(f"functions.{function}.app").handler,
        str(uuid4()),
        json.dumps(event).encode(),
        "application/json",
        "{}",
        "{}",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
        int((time.time() + SECONDS) * 1000),
        None,
        bootstrap.StandardLogSink(),
    )
    return client.answer


@dataclass(frozen=True)
class Answer:
    """What the HTTP API gives its caller."""

    status: int
    body: Any

    @property
    def code(self) -> str | None:
        """The code of an error."""
        return self.body["error"]["code"] if isinstance(self.body, dict) and "error" in self.body else None


@dataclass
class Deployment:
    """The resources that the functions work with."""

    s3: "S3Client"
    table: str
    uploads_bucket: str
    results_bucket: str
    playback_bucket: str
    state_machine: str
    bus: str

    @classmethod
    def make(cls, s3: "S3Client", table: str, new_bucket: Callable[[], str]) -> "Deployment":
        """Make what is missing. Needs moto."""
        bus = f"bus-{uuid4().hex[:8]}"
        boto3.client("events", region_name=REGION).create_event_bus(Name=bus)
        machine = boto3.client("stepfunctions", region_name=REGION).create_state_machine(
            name=f"moderation-{uuid4().hex[:8]}",
            definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/states",
        )
        return cls(s3, table, new_bucket(), new_bucket(), new_bucket(), machine["stateMachineArn"], bus)

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give the functions this deployment's environment, as the template does."""
        environment = {
            "AWS_DEFAULT_REGION": REGION,
            "POWERTOOLS_SERVICE_NAME": "stack-one",
            "POWERTOOLS_METRICS_NAMESPACE": "Greenlight",
            "GREENLIGHT_TABLE": self.table,
            "GREENLIGHT_UPLOADS_BUCKET": self.uploads_bucket,
            "GREENLIGHT_RESULTS_BUCKET": self.results_bucket,
            "GREENLIGHT_PLAYBACK_BUCKET": self.playback_bucket,
            "GREENLIGHT_STATE_MACHINE_ARN": self.state_machine,
            "GREENLIGHT_EVENT_BUS": self.bus,
            "GREENLIGHT_PLAYBACK_SIGNER": "s3",
            "GREENLIGHT_UPLOAD_EXPIRY": "PT900S",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget_composition()

    @cached_property
    def store(self) -> DynamoMediaStore:
        return DynamoMediaStore(boto3.client("dynamodb", region_name=REGION), self.table)

    @cached_property
    def objects(self) -> S3Objects:
        return S3Objects(self.s3, self.results_bucket)

    @cached_property
    def uploads(self) -> S3Uploads:
        return S3Uploads(self.s3, self.uploads_bucket)

    def bring(self, key: str, body: bytes = b"a video") -> ObjectIdentity:
        """An object is uploaded."""
        version = self.s3.put_object(Bucket=self.uploads_bucket, Key=key, Body=body)["VersionId"]
        return self.uploads.identify(key, version)

    def with_job(self, media: Media, **changes: object) -> Job:
        """Store a media that has arrived, with a job; the job's id is that of the events."""
        identity = self.bring(media.source_key)
        job = new_job(media, identity, load_template(media.procedure.template), "upload", SystemClock())
        job = job.model_copy(update={"job_id": event_of("plan")["job_id"]} | changes)
        arrived = media.model_copy(
            update={"identity": identity, "latest_job": job.job_id, "status": MediaStatus.CHECKING}
        )
        self.store.add_media(arrived)
        self.store.save(arrived, new_job=job)
        return job

    def runs(self) -> list[str]:
        """Names of the executions that were started."""
        client = boto3.client("stepfunctions", region_name=REGION)
        return [run["name"] for run in client.list_executions(stateMachineArn=self.state_machine)["executions"]]

    def call(self, function: str, event: dict[str, Any]) -> Answer:
        """Call an API function; fails unless it answers as an HTTP API expects it."""
        response = invoke(function, event)
        assert response.error_type is None, response.error_message
        headers = {name.lower(): value for name, value in response.payload["headers"].items()}
        assert headers["content-type"] == "application/json"
        return Answer(response.payload["statusCode"], json.loads(response.payload["body"]))


def forget_composition() -> None:
    """Let the next call read the environment anew."""
    settings.cache_clear()
    for member in vars(compose).values():
        if hasattr(member, "cache_clear"):
            member.cache_clear()
