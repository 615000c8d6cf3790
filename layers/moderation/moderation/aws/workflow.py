"""The state machine."""

import json
from typing import TYPE_CHECKING

from moderation.aws.errors import port_errors
from moderation.ports import Run

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsWorkflow:
    """The port `Workflow` over one state machine."""

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, media_id: str, job_id: str) -> None:
        with port_errors():
            try:
                self._client.start_execution(
                    stateMachineArn=self._arn,
                    name=job_id,
                    input=json.dumps({"media_id": media_id, "job_id": job_id}),
                )
            except self._client.exceptions.ExecutionAlreadyExists:
                return

    def run(self, job_id: str) -> Run | None:
        with port_errors():
            try:
                found = self._client.describe_execution(
                    executionArn=f"{self._arn.replace(':stateMachine:', ':execution:')}:{job_id}"
                )
            except self._client.exceptions.ExecutionDoesNotExist:
                return None
        return Run(found["status"], found.get("cause", ""))
