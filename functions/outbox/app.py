"""Send the events written beside status changes. Fed by the table's stream; answers with where to go on."""

from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.aws.media_store import outbox_event
from moderation.entrypoints import compose
from moderation.entrypoints.batch import consume


def send(record: DynamoDBRecord) -> None:
    compose.event_bus().send([outbox_event(record.raw_event["dynamodb"]["NewImage"])])


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return consume(EventType.DynamoDBStreams, send, event, context)
