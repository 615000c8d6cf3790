"""What the consumers of queues and streams share: each record by itself, and those that failed brought again."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.aws.messages import SqsMessages
from moderation.entrypoints.logs import logger
from moderation.models.errors import Unforeseen

MARGIN = 15
"""Seconds for which a message stays hidden after Lambda must have ended the call that has it."""
LONGEST_PAUSE = 5400


def consume(
    kind: EventType, take: Callable[[Any], None], event: dict[str, Any], context: LambdaContext
) -> dict[str, Any]:
    """Give every record to `take`; the answer names those that raised. Raises when all did."""

    def guarded(record: Any) -> None:
        try:
            take(record)
        except Exception as error:
            raw = record.raw_event
            logger.exception("record failed", record_id=raw.get("messageId") or raw.get("eventID"))
            raise Unforeseen(type(error).__name__) from None

    try:
        return dict(process_partial_response(event, guarded, BatchProcessor(kind), context))
    except BatchProcessingError as error:
        # Its own text is the tracebacks of all records, and the runtime logs it.
        raise type(error)("no record could be processed") from None


def patient(
    take: Callable[[SQSRecord], None], messages: SqsMessages, context: LambdaContext
) -> Callable[[SQSRecord], None]:
    """`take`, for a queue whose messages are hidden for long, since Lambda wants that of it.

    A message stays hidden for no longer than this call can last; one that fails comes again after a pause, which grows
    from seconds to hours while an outage lasts.
    """

    def taken(record: SQSRecord) -> None:
        messages.hide(record.receipt_handle, context.get_remaining_time_in_millis() // 1000 + MARGIN)
        try:
            take(record)
        except Exception:
            messages.hide(record.receipt_handle, pause(int(record.attributes.approximate_receive_count)))
            raise

    return taken


def pause(received: int) -> int:
    """Seconds until a message that failed on its `received`-th try comes again: 10, a minute, six, 36, 90 …"""
    return int(min(10 * 6 ** (received - 1), LONGEST_PAUSE))
