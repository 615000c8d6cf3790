"""Delete the objects of uploads that never became a media. Fed by the table's stream when TTL removes their item."""

from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.batch import consume
from moderation.entrypoints.logs import logger


def sweep(record: DynamoDBRecord) -> None:
    media_id = record.raw_event["dynamodb"]["Keys"]["pk"]["S"].removeprefix("MEDIA#")
    compose.sweeping().forgotten(media_id)
    logger.info("swept", media_id=media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return consume(EventType.DynamoDBStreams, sweep, event, context)
