"""A deployed stack, on AWS or on the local AWS: its resources by the names that template.yaml gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from greenlight.stack.deploy import NAME
from greenlight.stack.errors import StackError

StackName = Annotated[
    str | None,
    typer.Option("--stack", envvar="GREENLIGHT_STACK", help="a CloudFormation stack; else the local stack"),
]


@dataclass(frozen=True)
class Resource:
    """What CloudFormation made: its type, and the id that the service knows it by."""

    type: str
    id: str


@dataclass(frozen=True)
class Deployed:
    """One stack. `client` makes boto3 clients for where it is; `local` says that this is MiniStack on this machine."""

    arn: str
    status: str
    client: Callable[[str], Any]
    resources: Mapping[str, Resource]
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    local: bool = False
    api_url: str = ""

    @property
    def name(self) -> str:
        return self.arn.split("/")[1]

    def id(self, logical: str) -> str:
        """What the service calls a resource. Raises StackError when the stack has none of this name."""
        if logical not in self.resources:
            raise StackError(f"the stack {self.name} has no {logical}")
        return self.resources[logical].id

    def resource_arn(self, logical: str) -> str:
        """The ARN of a bucket, a function, a queue, the table, the bus or the state machine."""
        found = self.id(logical)
        match self.resources[logical].type:
            case "AWS::S3::Bucket":
                return f"arn:{self._place[0]}:s3:::{found}"
            case "AWS::SQS::Queue":
                return self._regional("sqs", found.rpartition("/")[2])
            case "AWS::DynamoDB::Table":
                return self._regional("dynamodb", f"table/{found}")
            case "AWS::Events::EventBus":
                return self._regional("events", f"event-bus/{found}")
            case "AWS::Lambda::Function":
                return self._regional("lambda", f"function:{found}")
            case _:
                return found

    @cached_property
    def _place(self) -> tuple[str, str, str]:
        """Partition, region and account."""
        _, partition, _, region, account, _ = self.arn.split(":", 5)
        return partition, region, account

    def _regional(self, service: str, rest: str) -> str:
        partition, region, account = self._place
        return f"arn:{partition}:{service}:{region}:{account}:{rest}"


def aws_client(service: str) -> Any:
    """A client of AWS, with the shell's credentials and region."""
    return boto3.client(service)  # type: ignore[call-overload]


def find(stack: str | None) -> Deployed:
    """A stack by name with the credentials and the region of the shell, or the local one.

    Raises StackError when there is no such stack, or nobody to ask.
    """
    if stack is None:
        from greenlight.stack.stack import Stack

        running = Stack.running()
        return describe(NAME, running.client, api_url=running.api_url, local=True)
    try:
        return describe(stack, aws_client)
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"the stack {stack} cannot be read: {error}") from error


def describe(stack: str, client: Callable[[str], Any], *, api_url: str = "", local: bool = False) -> Deployed:
    """Read a stack through a maker of clients."""
    cloudformation = client("cloudformation")
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    listed = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    return Deployed(
        arn=found["StackId"],
        status=found["StackStatus"],
        client=client,
        resources={
            item["LogicalResourceId"]: Resource(item["ResourceType"], item["PhysicalResourceId"])
            for item in listed.search("StackResourceSummaries[]")
            if item.get("PhysicalResourceId")
        },
        parameters={item["ParameterKey"]: item["ParameterValue"] for item in found.get("Parameters", ())},
        outputs=outputs,
        local=local,
        api_url=api_url or outputs.get("ApiUrl", ""),
    )
