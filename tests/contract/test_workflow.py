"""The port `Workflow`."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest

from moderation.aws.workflow import StepFunctionsWorkflow
from moderation.memory.workflow import MemoryWorkflow
from moderation.ports import Run, Workflow
from tests.contract.conftest import REGION
from tests.contract.documents import MEDIA_ID, job

DEFINITION = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@dataclass
class Side:
    workflow: Workflow
    started: Callable[[], dict[str, str]]
    """Media id of every run, by its name."""


@pytest.fixture(params=["memory", "aws"])
def side(request: pytest.FixtureRequest) -> Side:
    if request.param == "memory":
        memory = MemoryWorkflow()
        return Side(memory, lambda: memory.started)
    request.getfixturevalue("aws")
    client = boto3.client("stepfunctions", region_name=REGION)
    arn = client.create_state_machine(
        name="moderation", definition=json.dumps(DEFINITION), roleArn="arn:aws:iam::123456789012:role/states"
    )["stateMachineArn"]

    def started() -> dict[str, str]:
        runs = client.list_executions(stateMachineArn=arn)["executions"]
        inputs = {run["name"]: client.describe_execution(executionArn=run["executionArn"])["input"] for run in runs}
        assert all(json.loads(text)["job_id"] == name for name, text in inputs.items())
        return {name: json.loads(text)["media_id"] for name, text in inputs.items()}

    return Side(StepFunctionsWorkflow(client, arn), started)


def test_a_job_is_started_once(side: Side) -> None:
    # WHEN the same job is started twice, and another one once
    for number in (1, 1, 2):
        side.workflow.start(MEDIA_ID, job(number).job_id)
    # THEN there are two runs, named after their jobs
    assert side.started() == {job(1).job_id: MEDIA_ID, job(2).job_id: MEDIA_ID}


def test_only_what_was_started_has_a_run(side: Side) -> None:
    side.workflow.start(MEDIA_ID, job(1).job_id)
    assert side.workflow.run(job(1).job_id) == Run("RUNNING")
    assert side.workflow.run(job(3).job_id) is None
