"""Uploaded objects become media and jobs. Fed by the uploads queue; answers with the messages to bring again."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.batch import consume
from moderation.entrypoints.logs import logger
from moderation.models.notification import object_created
from moderation.services.ingest import Arrival


def take(record: SQSRecord) -> None:
    for item in object_created(json.loads(record.body)):
        arrival = compose.ingest().arrived(item)
        # Whoever puts objects there by other ways may have named them after what they show.
        key = None if arrival is Arrival.FOREIGN_KEY else item.key
        logger.info("arrival", key=key, version_id=item.version_id, outcome=arrival)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return consume(EventType.SQS, take, event, context)
