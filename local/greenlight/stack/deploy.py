"""Bring the shipped template up on the local AWS, or up to date."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from greenlight.stack.errors import StackError
from greenlight.stack.package import package
from greenlight.stack.template import Template, functions, localise, read

NAME = "greenlight"
ARTIFACTS = "greenlight-local-artifacts"
TAG = "greenlight:deployed"
"""Its value is the hash of what was deployed last, so that an unchanged template is left alone."""
WORKING = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
PARAMETERS = {"PlaybackSigner": "s3"}
"""Signed URLs of CloudFront are not modelled there, so playback URLs are the bucket's; the rest is as shipped."""

CALLS_PER_CORE = 2
"""Of a heavy function: a call waits for the local AWS about half of its time."""

Say = Callable[[str], None]


class Clients(Protocol):
    """Makes clients for the local AWS."""

    @property
    def endpoint(self) -> str: ...

    def client(self, service: str) -> Any: ...


def deploy(aws: Clients, root: Path, say: Say) -> dict[str, str]:
    """Create or update the stack from `root/template.yaml`; does nothing when nothing changed. Gives its outputs.

    Raises StackError when the template cannot be deployed.
    """
    template = read(root / "template.yaml")
    packages = {function.name: package(function, root) for function in functions(template, root)}
    keys = {name: f"{name}/{hashlib.sha256(content).hexdigest()}" for name, content in packages.items()}
    uris = {name: {"Bucket": ARTIFACTS, "Key": key} for name, key in keys.items()}
    body = json.dumps(localise(template, root, uris, parallel=os.cpu_count() or 1), sort_keys=True)
    tag = hashlib.sha256(body.encode()).hexdigest()
    cloudformation = aws.client("cloudformation")
    stack = _describe(cloudformation)
    if stack is not None and stack["StackStatus"] not in WORKING:
        cloudformation.delete_stack(StackName=NAME)
        _settled(cloudformation)
        stack = None
    if stack is not None and _tag(stack) == tag:
        return _outputs(stack)

    say("uploading functions")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS)
    for name, content in packages.items():
        s3.put_object(Bucket=ARTIFACTS, Key=keys[name], Body=content)
    s3.put_object(Bucket=ARTIFACTS, Key="template.json", Body=body.encode())
    say("creating the stack" if stack is None else "updating the stack")
    change = cloudformation.create_stack if stack is None else cloudformation.update_stack
    try:
        change(
            StackName=NAME,
            TemplateURL=f"{aws.endpoint}/{ARTIFACTS}/template.json",  # as text it is longer than CloudFormation takes
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()],
            Tags=[{"Key": TAG, "Value": tag}],
        )
    except ClientError as error:
        raise StackError(f"the template was refused: {error.response['Error']['Message'][:1000]}") from error
    deployed = _settled(cloudformation)
    if deployed is None or deployed["StackStatus"] not in WORKING or _tag(deployed) != tag:
        status = deployed["StackStatus"] if deployed else "gone"
        raise StackError(f"the template could not be deployed ({status})")
    _hold_back(aws, template)
    return _outputs(deployed)


def _hold_back(aws: Clients, template: Template) -> None:
    """Reserve concurrency as this machine can bear it, for the functions for which the template reserves some.

    MiniStack's CloudFormation leaves it out; every concurrent call is a process of its own here.
    """
    cloudformation, functions_of_aws = aws.client("cloudformation"), aws.client("lambda")
    for name, resource in template["Resources"].items():
        if "ReservedConcurrentExecutions" in resource.get("Properties", {}):
            found = cloudformation.describe_stack_resource(StackName=NAME, LogicalResourceId=name)
            functions_of_aws.put_function_concurrency(
                FunctionName=found["StackResourceDetail"]["PhysicalResourceId"],
                ReservedConcurrentExecutions=CALLS_PER_CORE * (os.cpu_count() or 1),
            )


def _settled(cloudformation: Any) -> dict[str, Any] | None:
    while (stack := _describe(cloudformation)) is not None and stack["StackStatus"].endswith("IN_PROGRESS"):
        time.sleep(0.1)
    return stack


def _describe(cloudformation: Any) -> dict[str, Any] | None:
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
    except ClientError:
        return None
    return stack


def _tag(stack: dict[str, Any]) -> str | None:
    return next((tag["Value"] for tag in stack.get("Tags", ()) if tag["Key"] == TAG), None)


def _outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
