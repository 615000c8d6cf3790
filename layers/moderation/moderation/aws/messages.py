"""Messages that wait in a queue until they have been dealt with."""

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsMessages:
    """The received messages of one queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def hide(self, receipt: str, seconds: int) -> None:
        """Let a message come again in so many seconds from now, unless it is dealt with.

        Where that fails it comes again when the queue's own time is over: late, but it does.
        """
        with suppress(ClientError, BotoCoreError):
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )
