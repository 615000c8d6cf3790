"""Every port, twice: in memory and on AWS (moto, in this process)."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

import boto3
import pytest
from botocore.model import OperationModel
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from moderation.aws.clients import s3_config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

REGION: Final = "eu-west-1"


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    """What is mocked in this process needs no socket; anything else is a mistake."""


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(scope="module")
def s3(aws: None) -> "S3Client":
    return boto3.client("s3", region_name=REGION, config=s3_config())


@pytest.fixture(scope="module")
def dynamodb(aws: None) -> "DynamoDBClient":
    return boto3.client("dynamodb", region_name=REGION)


@pytest.fixture
def new_bucket(s3: "S3Client") -> Callable[[], str]:
    def create() -> str:
        name = f"bucket-{uuid4().hex[:12]}"
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    return create


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> str:
    name = f"table-{uuid4().hex[:12]}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "watched", "since")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "watch",
                "KeySchema": [
                    {"AttributeName": "watched", "KeyType": "HASH"},
                    {"AttributeName": "since", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    return name


@pytest.fixture
def short_pages(s3: "S3Client") -> Iterator[None]:
    """Listings of S3 show three entries a page, so that a handful of them needs several."""
    limits = {"ListObjectVersions": {"MaxKeys": 3}, "ListParts": {"MaxParts": 3}}

    # botocore's stubs know no handler that answers, and this one gives the parameters back.
    def shorten(params: dict[str, object], model: OperationModel, **_: object) -> dict[str, object]:
        return {**params, **limits[model.name]}

    for operation in limits:
        s3.meta.events.register(f"provide-client-params.s3.{operation}", cast("Callable[..., None]", shorten))
    yield
    for operation in limits:
        s3.meta.events.unregister(f"provide-client-params.s3.{operation}", cast("Callable[..., None]", shorten))


def fill(bucket: str, keys: list[str]) -> None:
    """Put many small objects behind the client's back, which takes a tenth of the time."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for key in keys:
        backend.put_object(bucket, key, b"x")
