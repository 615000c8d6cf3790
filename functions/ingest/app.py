"""Uploaded objects become media and jobs. Fed by the uploads queue; answers with the messages to bring again."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.models.notification import object_created

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS)


def take(record: SQSRecord) -> None:
    for item in object_created(json.loads(record.body)):
        arrival = compose.ingest().arrived(item)
        logger.info("arrival", key=item.key, version_id=item.version_id, outcome=arrival)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return dict(process_partial_response(event, take, processor, context))
