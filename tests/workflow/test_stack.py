"""The local stack itself: where it listens, what it enforces, what survives a restart."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from greenlight.api import Api
from greenlight.stack import server
from greenlight.stack.errors import StackError
from greenlight.stack.stack import PYTHON, Stack
from tests import clips
from tests.local_stack import Bus, faulty


def test_it_listens_on_loopback_only(stack: Stack) -> None:
    record = json.loads((stack.state_dir / "stack.json").read_text())

    listening = [c.laddr for c in psutil.Process(record["pid"]).net_connections("inet") if c.status == "LISTEN"]

    assert ("127.0.0.1", record["port"]) in listening
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_a_range_of_a_version_is_that_range(stack: Stack) -> None:
    # GIVEN two versions of an object
    s3, place = stack.client("s3"), {"Bucket": stack.outputs["ResultsBucketName"], "Key": "work/ranges"}
    first = s3.put_object(**place, Body=b"0123456789")["VersionId"]
    s3.put_object(**place, Body=b"another")

    # WHEN ranges of the first one are asked for
    whole = s3.get_object(**place, VersionId=first)
    part = s3.get_object(**place, VersionId=first, Range="bytes=2-4")
    rest = s3.get_object(**place, VersionId=first, Range="bytes=7-")

    # THEN they come as S3 gives them
    assert whole["Body"].read() == b"0123456789"
    assert (part["Body"].read(), part["ContentRange"]) == (b"234", "bytes 2-4/10")
    assert (rest["Body"].read(), rest["ResponseMetadata"]["HTTPStatusCode"]) == (b"789", 206)
    with pytest.raises(ClientError, match="416"):
        s3.get_object(**place, VersionId=first, Range="bytes=10-")


def test_functions_have_the_rights_of_their_role_and_no_more(stack: Stack) -> None:
    # GIVEN the role of the playback function, which may read items of the table
    function = stack.client("lambda").get_function_configuration(FunctionName=stack.functions()["playback"])
    session = stack.client("sts").assume_role(RoleArn=function["Role"], RoleSessionName="test")["Credentials"]
    table = boto3.client(
        "dynamodb",
        endpoint_url=stack.endpoint,
        region_name="us-east-1",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    item = {"pk": {"S": "MEDIA#none"}, "sk": {"S": "META"}}

    # THEN it can read, and cannot write
    assert "Item" not in table.get_item(TableName=stack.outputs["TableName"], Key=item)
    with pytest.raises(ClientError, match="AccessDenied"):
        table.put_item(TableName=stack.outputs["TableName"], Item=item)


def test_deploying_again_without_a_change_does_nothing(stack: Stack) -> None:
    stack.deploy()
    steps: list[str] = []

    stack.deploy(say=steps.append)

    assert steps == []


def test_logs_of_an_unknown_function_name_the_known_ones(stack: Stack) -> None:
    with pytest.raises(StackError, match="scan_frames"):
        stack.logs("no_such_function")


def test_what_is_stored_survives_a_stop_in_order_and_keeps_its_port(tmp_path: Path) -> None:
    # GIVEN a local AWS with a queue and an object
    first = Stack.start(tmp_path, port=0, end_with_us=True)
    url = first.client("sqs").create_queue(QueueName="kept")["QueueUrl"]
    first.client("s3").create_bucket(Bucket="kept")
    first.client("s3").put_object(Bucket="kept", Key="key", Body=b"body")

    # WHEN it is stopped and started again
    first.stop()
    with pytest.raises(StackError, match="not running"):
        Stack.running(tmp_path)
    second = Stack.start(tmp_path, end_with_us=True)

    # THEN both are there, at the same address
    try:
        assert second.endpoint == first.endpoint
        assert second.client("sqs").list_queues()["QueueUrls"] == [url]
        assert second.client("s3").get_object(Bucket="kept", Key="key")["Body"].read() == b"body"
    finally:
        second.stop()


def test_events_are_told_after_a_restart_as_before(tmp_path: Path) -> None:
    # GIVEN a local AWS that has told of an upload
    first = Stack.start(tmp_path, port=0, end_with_us=True).deploy()
    _upload_and_hear_of_it(first)

    # WHEN it is stopped and started again
    first.stop()
    second = Stack.start(tmp_path, end_with_us=True).deploy()

    # THEN it tells of the next one
    try:
        _upload_and_hear_of_it(second)
    finally:
        second.stop()


def _upload_and_hear_of_it(stack: Stack) -> None:
    bus = Bus(stack)
    with Api(stack.api_url, stack.token) as api:
        bus.wait_for(api.upload(clips.text()), "Media Uploaded")


def test_calls_beyond_the_reserved_concurrency_wait_for_their_turn(stack: Stack, tmp_path: Path) -> None:
    # GIVEN a function that may run once at a time, and says when it began and ended
    code = """
import time


def handler(event, context):
    began = time.time()
    time.sleep(0.2)
    return [began, time.time()]
"""
    client, name = stack.client("lambda"), stack.functions()["sweep"]

    def call(_: int) -> list[float]:
        answer = client.invoke(FunctionName=name, Payload="{}")
        times: list[float] = json.loads(answer["Payload"].read())
        return times

    with faulty(stack, "sweep", code, tmp_path), ThreadPoolExecutor(4) as pool:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        try:
            # WHEN it is called four times at once
            calls = sorted(pool.map(call, range(4)))
            # AND once more after it was switched off
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
            with pytest.raises(client.exceptions.TooManyRequestsException):
                call(0)
        finally:
            client.delete_function_concurrency(FunctionName=name)

    # THEN each call began after the one before had ended
    assert all(before[1] <= after[0] for before, after in pairwise(calls))


def test_heavy_functions_are_held_back_to_what_this_machine_bears(stack: Stack) -> None:
    reserved = {
        folder: stack.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for folder, name in stack.functions().items()
    }
    held_back = {folder for folder, most in reserved.items() if most is not None}
    assert held_back == {
        *("plan", "extract", "scan_frames", "scan_audio", "scan_images", "refine", "scan_text", "aggregate")
    }
    assert {reserved[folder] for folder in held_back} == {2 * (os.cpu_count() or 1)}


def test_after_a_kill_it_starts_afresh(tmp_path: Path) -> None:
    first = server.start(tmp_path, PYTHON, 0, end_with_us=True)
    assert first.pid is not None
    psutil.Process(first.pid).kill()

    second = server.start(tmp_path, PYTHON, 0, end_with_us=True)

    assert second.pid != first.pid
    server.stop(second)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(StackError, match=f"port {port} is taken"):
            server.start(tmp_path, PYTHON, port)


def test_without_its_environment_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="make setup"):
        server.start(tmp_path, tmp_path / "no" / "python", 0)


def test_it_ends_with_the_process_that_wanted_it(tmp_path: Path) -> None:
    # GIVEN a process that starts a stack and is killed
    script = (
        "import os, sys; from pathlib import Path; from greenlight.stack import server\n"
        "started = server.start(Path(sys.argv[1]), Path(sys.argv[2]), 0, end_with_us=True)\n"
        "print(started.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    starter = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(PYTHON)], stdout=subprocess.PIPE, check=False
    )
    assert starter.returncode == -9
    pid = int(starter.stdout)

    # THEN the stack goes, too
    deadline = time.monotonic() + 15
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
