"""Starting runs."""

import json

import pytest
from botocore.exceptions import ClientError

from moderation.aws.workflow import StepFunctionsWorkflow
from moderation.models.errors import Transient
from moderation.ports import Run
from tests.unit.aws.conftest import MakeStub

ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:moderation"


def test_the_run_is_named_after_the_job(stub: MakeStub) -> None:
    client, answers = stub("stepfunctions")
    answers.add_response(
        "start_execution",
        {"executionArn": f"{ARN}:job-1", "startDate": 0},
        {"stateMachineArn": ARN, "name": "job-1", "input": json.dumps({"media_id": "m", "job_id": "job-1"})},
    )
    StepFunctionsWorkflow(client, ARN).start("m", "job-1")


def test_a_run_that_exists_is_a_success(stub: MakeStub) -> None:
    client, answers = stub("stepfunctions")
    answers.add_client_error("start_execution", "ExecutionAlreadyExists", http_status_code=400)
    StepFunctionsWorkflow(client, ARN).start("m", "job-1")


@pytest.mark.parametrize(
    ("code", "expected"), [("ThrottlingException", Transient), ("StateMachineDoesNotExist", ClientError)]
)
def test_other_errors_are_told_apart(stub: MakeStub, code: str, expected: type[Exception]) -> None:
    client, answers = stub("stepfunctions")
    answers.add_client_error("start_execution", code, http_status_code=400)
    with pytest.raises(expected):
        StepFunctionsWorkflow(client, ARN).start("m", "job-1")


def test_a_run_tells_how_it_ended_and_why(stub: MakeStub) -> None:
    client, answers = stub("stepfunctions")
    run_arn = "arn:aws:states:eu-west-1:123456789012:execution:moderation:job-1"
    ended = {
        "executionArn": run_arn,
        "stateMachineArn": ARN,
        "startDate": 0,
        "status": "TIMED_OUT",
        "cause": "too slow",
    }
    answers.add_response("describe_execution", ended, {"executionArn": run_arn})
    answers.add_client_error("describe_execution", "ExecutionDoesNotExist", http_status_code=400)
    answers.add_client_error("describe_execution", "ThrottlingException", http_status_code=400)
    workflow = StepFunctionsWorkflow(client, ARN)
    assert workflow.run("job-1") == Run("TIMED_OUT", "too slow")
    assert workflow.run("job-1") is None
    with pytest.raises(Transient):
        workflow.run("job-1")
