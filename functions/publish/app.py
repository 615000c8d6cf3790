"""Copy to the playback bucket, remove from it, or purge, as a status change asks. Fed by a queue behind the bus."""

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints import compose
from moderation.entrypoints.batch import consume, patient
from moderation.entrypoints.logs import logger


def follow(record: SQSRecord) -> None:
    media_id = json.loads(record.body)["detail"]["media_id"]
    logger.info("reconciled", media_id=media_id, outcome=compose.publishing().reconcile(media_id))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return consume(EventType.SQS, patient(follow, compose.publish_messages(), context), event, context)
