"""`greenlight redrive`: show dead letters with why they died, and give them back to whoever could not take them.

Every consumer may be given the same thing twice, so redriving can be repeated. What is given back depends on what
a queue holds:

* a message that a function gave up goes back to the queue it came from;
* an event that could not be delivered goes to its function again;
* a failure of the table's stream names only positions in the stream, which forgets after a day. What was meant is
  found where it is still written: events in the table, for 14 days; orphaned uploads in their bucket.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight.deployed import Deployed, StackName, find
from greenlight.exits import Exit
from greenlight.stack.errors import StackError
from moderation.aws.media_store import WATCH_INDEX

HIDDEN_SECONDS: Final = 300
"""How long a letter that is looked at is hidden from others who redrive."""

POLL_SECONDS: Final = 1
"""A queue that is asked without waiting may say that it is empty when it is not."""

MARGIN: Final = timedelta(minutes=5)
"""An event is written at a moment that its maker notes, a little before the stream has it."""

BATCH: Final = 100
"""Records a function is given at once; DynamoDB and the event sources take as many."""

_MEDIA = re.compile(r"(?:media/|MEDIA#|media_id\W+)([0-9a-f]{32})")

T = TypeVar("T")


class NotTaken(Exception):
    """The consumer could not take it this time either; the message says why."""


@dataclass(frozen=True)
class Letter:
    """One dead letter. `cause` is empty where nobody wrote down why."""

    queue: str
    message_id: str
    receipt: str
    text: str
    sent: datetime
    about: str
    cause: str

    @property
    def body(self) -> dict[str, Any]:
        """The document in the message; empty when it is none."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True)
class Redriven:
    """A letter and what came of it; `problem` is None when it was given back."""

    letter: Letter
    problem: str | None


@dataclass(frozen=True)
class _Consumer:
    """Who could not take the letters of a queue, and how they get them again."""

    logs: str
    give_back: Callable[[Deployed, Letter], None]


def _to_queue(queue: str) -> Callable[[Deployed, Letter], None]:
    def send(deployed: Deployed, letter: Letter) -> None:
        deployed.client("sqs").send_message(QueueUrl=deployed.id(queue), MessageBody=letter.text)

    return send


def _call(deployed: Deployed, function: str, payload: dict[str, Any]) -> None:
    answer = deployed.client("lambda").invoke(FunctionName=deployed.id(function), Payload=json.dumps(payload).encode())
    told = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        raise NotTaken(f"{function}: {told.get('errorType')} {told.get('errorMessage', '')}".strip())
    if isinstance(told, dict) and told.get("batchItemFailures"):
        raise NotTaken(f"{function}: {len(told['batchItemFailures'])} records failed again")


def _close_job(deployed: Deployed, letter: Letter) -> None:
    """The event itself, or what Lambda wraps around an event that it has given up."""
    _call(deployed, "FailJobFunction", letter.body.get("requestPayload", letter.body))


def _send_events(deployed: Deployed, letter: Letter) -> None:
    for items in _chunks(_events(deployed, letter), BATCH):
        _call(deployed, "OutboxFunction", _records("INSERT", items))


def _sweep(deployed: Deployed, letter: Letter) -> None:
    for keys in _chunks(_orphans(deployed), BATCH):
        _call(deployed, "SweepFunction", _records("REMOVE", keys))


CONSUMERS: Final[Mapping[str, _Consumer]] = {
    "UploadsDeadLetters": _Consumer("IngestLogs", _to_queue("UploadsQueue")),
    "PublishDeadLetters": _Consumer("PublishLogs", _to_queue("PublishQueue")),
    "FailJobDeadLetters": _Consumer("FailJobLogs", _close_job),
    "OutboxDeadLetters": _Consumer("OutboxLogs", _send_events),
    "SweepDeadLetters": _Consumer("SweepLogs", _sweep),
}


def letters(deployed: Deployed, queue: str) -> list[Letter]:
    """All letters of a dead-letter queue, oldest first, hidden from others for `HIDDEN_SECONDS`."""
    sqs = deployed.client("sqs")
    messages: dict[str, dict[str, Any]] = {}
    while received := sqs.receive_message(
        QueueUrl=deployed.id(queue),
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN_SECONDS,
        WaitTimeSeconds=POLL_SECONDS,
        AttributeNames=["SentTimestamp"],
        MessageAttributeNames=["All"],
    ).get("Messages"):
        messages |= {message["MessageId"]: message for message in received}
    if not messages:
        return []
    sent = {key: _moment(message["Attributes"]["SentTimestamp"]) for key, message in messages.items()}
    logged = _logged(deployed, CONSUMERS[queue].logs, min(sent.values()))
    found = [
        Letter(
            queue=queue,
            message_id=key,
            receipt=message["ReceiptHandle"],
            text=message["Body"],
            sent=sent[key],
            about=_about(message["Body"]),
            cause=_cause(message) or logged.get(key, ""),
        )
        for key, message in messages.items()
    ]
    return sorted(found, key=lambda letter: letter.sent)


def give_back(deployed: Deployed, letter: Letter) -> Redriven:
    """Give one letter to its consumer; it leaves the queue only when that has worked."""
    sqs = deployed.client("sqs")
    try:
        CONSUMERS[letter.queue].give_back(deployed, letter)
    except (NotTaken, BotoCoreError, ClientError) as error:
        release(deployed, letter)
        return Redriven(letter, str(error))
    sqs.delete_message(QueueUrl=deployed.id(letter.queue), ReceiptHandle=letter.receipt)
    return Redriven(letter, None)


def release(deployed: Deployed, letter: Letter) -> None:
    """Let others see the letter again."""
    deployed.client("sqs").change_message_visibility(
        QueueUrl=deployed.id(letter.queue), ReceiptHandle=letter.receipt, VisibilityTimeout=0
    )


def redrive(
    queue: Annotated[str | None, typer.Argument(help=f"one of {', '.join(CONSUMERS)}; all when none is given")] = None,
    stack: StackName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show the letters")] = False,
) -> None:
    """Give dead letters back to whoever could not take them. Can be repeated: nothing is done twice.

    Exit codes: 0 nothing is left, 4 some letters are still there, 2 usage.
    """
    err = Console(stderr=True)
    if queue is not None and queue not in CONSUMERS:
        err.print(f"[red]there is no queue {escape(queue)}: {', '.join(CONSUMERS)}[/]")
        raise typer.Exit(Exit.USAGE)
    try:
        deployed = find(stack)
        found = [letter for name in ([queue] if queue else CONSUMERS) for letter in letters(deployed, name)]
        if dry_run:
            for letter in found:
                release(deployed, letter)
        done = {} if dry_run else {letter.message_id: give_back(deployed, letter) for letter in found}
    except (StackError, BotoCoreError, ClientError) as error:
        err.print("[bold red]Error:[/]", escape(str(error)), highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.FAILED) from error
    if not found:
        Console().print("There are no dead letters.")
        return
    Console().print(_table(found, done))
    if not all(done.get(letter.message_id, Redriven(letter, "")).problem is None for letter in found):
        raise typer.Exit(Exit.FAILED)


def _table(found: Iterable[Letter], done: Mapping[str, Redriven]) -> Table:
    table = Table("queue", "since", "about", "cause", "now")
    for letter in found:
        outcome = done.get(letter.message_id)
        now = "" if outcome is None else outcome.problem or "given back"
        cause = letter.cause or "not in the log"
        cells = (letter.queue, f"{letter.sent:%Y-%m-%d %H:%M}", letter.about, cause, now)
        table.add_row(*map(escape, cells), style="red" if outcome and outcome.problem else None)
    return table


def _about(text: str) -> str:
    """The media that a message is about, or the part of the stream."""
    batch = re.search(r'"batchSize":\s*(\d+)', text)
    if batch:
        return f"{batch[1]} records of the stream"
    media = _MEDIA.search(text)
    return f"media {media[1]}" if media else "no media"


def _cause(message: dict[str, Any]) -> str:
    """What the letter itself says: EventBridge writes attributes, Lambda a document around the event."""
    attributes = message.get("MessageAttributes", {})
    if "ERROR_CODE" in attributes:
        return " ".join(
            attributes[name]["StringValue"] for name in ("ERROR_CODE", "ERROR_MESSAGE") if name in attributes
        )
    try:
        body = json.loads(message["Body"])
    except ValueError:
        return "the message is no JSON"
    if not isinstance(body, dict) or "requestContext" not in body:
        return ""
    answer = body.get("responsePayload") or {}
    error = f"{answer.get('errorType', '')} {answer.get('errorMessage', '')}" if isinstance(answer, dict) else ""
    return f"{body['requestContext'].get('condition', '')} {error}".strip()


def _logged(deployed: Deployed, logs: str, since: datetime) -> dict[str, str]:
    """Why records failed, by their id, as the function has logged it."""
    pages = deployed.client("logs").get_paginator("filter_log_events")
    start = int((since - timedelta(days=1)).timestamp() * 1000)  # a message dies after its last attempt
    causes: dict[str, str] = {}
    for page in pages.paginate(logGroupName=deployed.id(logs), startTime=start, filterPattern='"record failed"'):
        for event in page["events"]:
            try:
                line = json.loads(event["message"])
            except ValueError:
                continue
            if line.get("record_id"):
                causes[line["record_id"]] = str(line.get("exception", "")).strip().rpartition("\n")[2]
    return causes


def _events(deployed: Deployed, letter: Letter) -> Iterator[dict[str, Any]]:
    """The outbox items that were written when the lost part of the stream was."""
    batch = letter.body["DDBStreamBatchInfo"]
    first, last = (datetime.fromisoformat(batch[f"approximateArrivalOf{end}Record"]) for end in ("First", "Last"))
    dynamodb, table = deployed.client("dynamodb"), deployed.id("Table")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=WATCH_INDEX,
        KeyConditionExpression="watched = :event AND since BETWEEN :first AND :last",
        ExpressionAttributeValues={
            ":event": {"S": "event"},
            ":first": {"S": _sortable(first - MARGIN)},
            ":last": {"S": _sortable(last + MARGIN)},
        },
    )
    for keys in _chunks(pages.search("Items[].{pk: pk, sk: sk}"), BATCH):
        yield from _items(dynamodb, table, keys)


def _orphans(deployed: Deployed) -> Iterator[dict[str, Any]]:
    """Keys of media that have objects in the uploads bucket and nothing in the table.

    A media is written before anybody may upload for it, and a deleted one leaves its item behind, so these are
    uploads that the table forgot since they never became a media.
    """
    pages = deployed.client("s3").get_paginator("list_object_versions")
    listed = pages.paginate(Bucket=deployed.id("UploadsBucket"), Prefix="media/", Delimiter="/")
    prefixes = listed.search("CommonPrefixes[].Prefix")
    keys = ({"pk": {"S": f"MEDIA#{prefix.split('/')[1]}"}, "sk": {"S": "META"}} for prefix in prefixes if prefix)
    for some in _chunks(keys, BATCH):
        known = {item["pk"]["S"] for item in _items(deployed.client("dynamodb"), deployed.id("Table"), some)}
        yield from (key for key in some if key["pk"]["S"] not in known)


def _items(dynamodb: Any, table: str, keys: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    asked: dict[str, Any] = {table: {"Keys": keys, "ConsistentRead": True}}
    while asked:
        answer = dynamodb.batch_get_item(RequestItems=asked)
        yield from answer["Responses"].get(table, [])
        asked = answer.get("UnprocessedKeys", {})


def _records(name: str, items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What the table's stream would bring to a function."""
    return {
        "Records": [
            {
                "eventID": f"redriven-{number}",
                "eventName": name,
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": {"pk": item["pk"], "sk": item["sk"]},
                    "NewImage": item,
                    "SequenceNumber": str(number),
                },
            }
            for number, item in enumerate(items, start=1)
        ]
    }


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _moment(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _sortable(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
