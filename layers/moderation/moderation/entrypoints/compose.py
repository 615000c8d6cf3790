"""Use cases wired to AWS, once per process. A test replaces what it needs by replacing a function here."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from moderation.aws.clients import s3_config
from moderation.aws.event_bus import EventBridgeBus
from moderation.aws.media_store import DynamoMediaStore
from moderation.aws.messages import SqsMessages
from moderation.aws.objects import S3Objects
from moderation.aws.publisher import S3Publisher
from moderation.aws.uploads import S3Uploads
from moderation.aws.workflow import StepFunctionsWorkflow
from moderation.ports import EventBus, MediaStore, Objects, Templates, Uploads, Workflow
from moderation.services.templates import OwnTemplates
from moderation.settings import settings
from moderation.system import RandomIds, SystemClock

if TYPE_CHECKING:
    from moderation.services.aggregate import Aggregation
    from moderation.services.extract import Extraction
    from moderation.services.fail import Failure
    from moderation.services.feedback import FeedbackBook
    from moderation.services.hear import Listening
    from moderation.services.ingest import Ingest
    from moderation.services.media import Library
    from moderation.services.plan import Planning
    from moderation.services.playback import Playback
    from moderation.services.publish import Publishing
    from moderation.services.read import TextJudging
    from moderation.services.refine import Refining
    from moderation.services.review import Reviewing
    from moderation.services.scan import CoverScanning, Scanning
    from moderation.services.settle import Settlement
    from moderation.services.sweep import Sweeping
    from moderation.services.upload import UploadSigning
    from moderation.services.watch import Watching

# Each use case is imported where it is built: a function loads only what it uses, and `scan` alone has numpy.


@cache
def _client(service: str) -> Any:
    config = Config(
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=30,
    )
    if service == "s3":
        config = config.merge(s3_config())
    return boto3.client(service, config=config)  # type: ignore[call-overload]


@cache
def _store() -> MediaStore:
    return DynamoMediaStore(_client("dynamodb"), settings().table)


@cache
def _objects() -> Objects:
    return S3Objects(_client("s3"), settings().results_bucket)


@cache
def _templates() -> Templates:
    return OwnTemplates(_objects())


@cache
def _uploads() -> Uploads:
    return S3Uploads(_client("s3"), settings().uploads_bucket)


@cache
def _workflow() -> Workflow:
    return StepFunctionsWorkflow(_client("stepfunctions"), settings().state_machine_arn)


@cache
def event_bus() -> EventBus:
    return EventBridgeBus(_client("events"), settings().event_bus)


@cache
def _settlement() -> "Settlement":
    from moderation.services.settle import Settlement

    return Settlement(_store(), SystemClock(), settings().keep_post_on_failure)


@cache
def upload_signing() -> "UploadSigning":
    from moderation.services.upload import UploadSigning

    return UploadSigning(
        _store(),
        _uploads(),
        _templates(),
        SystemClock(),
        RandomIds(),
        settings().default_procedure,
        settings().upload_expiry,
    )


@cache
def ingest() -> "Ingest":
    from moderation.services.ingest import Ingest

    return Ingest(_store(), _uploads(), _templates(), _workflow(), SystemClock())


@cache
def planning() -> "Planning":
    from moderation.services.admit import Admission
    from moderation.services.plan import Planning

    admission = Admission(_store(), SystemClock(), settings().daily_budget)
    return Planning(_store(), _uploads(), _objects(), _settlement(), admission)


@cache
def extraction() -> "Extraction":
    from moderation.services.extract import Extraction

    return Extraction(_store(), _uploads(), _objects())


@cache
def scanning() -> "Scanning":
    from moderation.services.scan import Scanning

    return Scanning(_store(), _objects(), Path(settings().weights), ThreadPoolExecutor(os.cpu_count()))


@cache
def cover_scanning() -> "CoverScanning":
    from moderation.services.scan import CoverScanning

    return CoverScanning(_store(), _uploads(), _objects(), Path(settings().weights))


@cache
def listening() -> "Listening":
    from moderation.services.hear import Listening

    return Listening(_store(), _objects(), Path(settings().weights))


@cache
def refining() -> "Refining":
    from moderation.services.refine import Refining

    return Refining(_store(), _objects())


@cache
def text_judging() -> "TextJudging":
    from moderation.services.read import TextJudging

    return TextJudging(_store(), _objects(), Path(settings().weights))


@cache
def aggregation() -> "Aggregation":
    from moderation.services.aggregate import Aggregation

    return Aggregation(_store(), _objects(), _settlement(), SystemClock())


@cache
def failure() -> "Failure":
    from moderation.services.fail import Failure

    return Failure(_store(), _settlement())


@cache
def publishing() -> "Publishing":
    from moderation.services.publish import Publishing

    distribution = settings().distribution_id
    publisher = S3Publisher(
        _client("s3"),
        settings().playback_bucket,
        cloudfront=_client("cloudfront") if distribution else None,
        distribution_id=distribution,
    )
    return Publishing(_store(), publisher, _uploads(), _objects())


@cache
def publish_messages() -> SqsMessages:
    return SqsMessages(_client("sqs"), settings().publish_queue)


@cache
def sweeping() -> "Sweeping":
    from moderation.services.sweep import Sweeping

    return Sweeping(_uploads())


@cache
def watching() -> "Watching":
    from moderation.services.watch import Watching

    return Watching(_store(), _workflow(), failure(), SystemClock())


@cache
def playback() -> "Playback":
    from moderation.aws.signers import CloudFrontSigner, S3Signer
    from moderation.services.playback import Playback

    chosen = settings()
    signer = (
        S3Signer(_client("s3"), chosen.playback_bucket, SystemClock())
        if chosen.playback_signer == "s3"
        else CloudFrontSigner(
            _client("secretsmanager"),
            chosen.playback_key_secret,
            chosen.playback_domain,
            SystemClock(),
            chosen.playback_key_pair_id,
        )
    )
    return Playback(_store(), signer, SystemClock(), chosen.playback_ttl)


@cache
def reviewing() -> "Reviewing":
    from moderation.services.review import Reviewing

    return Reviewing(_store(), SystemClock(), RandomIds())


@cache
def library() -> "Library":
    from moderation.services.media import Library

    return Library(_store(), _objects(), _templates(), _workflow(), _settlement(), SystemClock(), RandomIds())


@cache
def feedback_book() -> "FeedbackBook":
    from moderation.services.feedback import FeedbackBook

    return FeedbackBook(_store(), _objects(), SystemClock(), RandomIds())
