"""What lies in the buckets, the table, the queues and the state machine of the local stack, seen from outside."""

import time
from pathlib import Path
from typing import Any

from greenlight.stack.stack import Stack
from tests.local_stack import Bus


def object_keys(stack: Stack, bucket: str, prefix: str) -> list[str]:
    """Keys of all versions below a prefix; `bucket` as in the outputs: Uploads, Results or Playback."""
    pages = stack.client("s3").get_paginator("list_object_versions")
    found = pages.paginate(Bucket=stack.outputs[f"{bucket}BucketName"], Prefix=prefix)
    return sorted(version["Key"] for page in found for version in page.get("Versions", ()))


def item_kinds(stack: Stack, media_id: str) -> list[str]:
    """The first part of the sort key of every item of a media."""
    pages = stack.client("dynamodb").get_paginator("query")
    found = pages.paginate(
        TableName=stack.outputs["TableName"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"MEDIA#{media_id}"}},
    )
    return sorted(item["sk"]["S"].partition("#")[0] for page in found for item in page["Items"])


def queue_url(stack: Stack, name: str) -> str:
    """A queue by its logical name in the template."""
    (url,) = stack.client("sqs").list_queues(QueueNamePrefix=f"greenlight-{name}-")["QueueUrls"]
    return str(url)


def wait_until_empty(stack: Stack, queue: str, timeout: float = 30.0) -> None:
    """Until a queue has no message left, neither waiting nor being worked on."""
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs, url = stack.client("sqs"), queue_url(stack, queue)
    deadline = time.monotonic() + timeout
    while left := sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]:
        if not any(int(count) for count in left.values()):
            return
        assert time.monotonic() < deadline, f"{queue} still holds {left}"
        time.sleep(0.1)


def wait_until_settled(stack: Stack, bus: Bus, media_id: str, status: str) -> None:
    """Until a media's new status was told, and all that follows from it is done."""
    bus.wait_for(media_id, "Media Status Changed", status=status)
    wait_until_empty(stack, "PublishQueue")


def executions(stack: Stack, media_id: str) -> list[dict[str, Any]]:
    """Every run of the state machine over a media, the newest first."""
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=stack.outputs["StateMachineArn"])
    return [run for page in found for run in page["executions"] if run["name"].startswith(media_id)]


def execution(stack: Stack, job_id: str) -> dict[str, Any]:
    """The ended run of a job. A job ends in its run's last step, so the run may need a moment more."""
    arn = stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{job_id}"
    deadline = time.monotonic() + 30
    while (run := stack.client("stepfunctions").describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{job_id} still runs"
        time.sleep(0.1)
    return dict(run)


def history(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    """What happened in the run of a job, in order."""
    arn = execution(stack, job_id)["executionArn"]
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    return [event for page in pages.paginate(executionArn=arn) for event in page["events"]]


def wait_for_file(path: Path, timeout: float = 30.0) -> None:
    """Until a function of the stack has made a file."""
    deadline = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.05)
