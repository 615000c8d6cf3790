"""Delete the objects of uploads that never became a media. Fed by the table's stream when TTL removes their item."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose

logger = Logger()
processor = BatchProcessor(event_type=EventType.DynamoDBStreams)


def sweep(record: DynamoDBRecord) -> None:
    media_id = record.raw_event["dynamodb"]["Keys"]["pk"]["S"].removeprefix("MEDIA#")
    compose.sweeping().forgotten(media_id)
    logger.info("swept", media_id=media_id)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return dict(process_partial_response(event, sweep, processor, context))
