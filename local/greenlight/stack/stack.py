"""The local stack as an object, for the command line and for tests."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
import httpx

from greenlight.paths import CHECKOUT
from greenlight.stack import server
from greenlight.stack.deploy import NAME, deploy
from greenlight.stack.errors import StackError
from greenlight.stack.server import Server

STATE = CHECKOUT / "build" / "stack"
PYTHON = CHECKOUT / ".venv" / "stack" / "bin" / "python"
SCOPES = ("upload", "read", "review", "admin")


def _silent(step: str) -> None:
    del step


class Stack:
    """A local AWS, and Greenlight on it once `deploy` has been called."""

    def __init__(self, running: Server) -> None:
        self._server = running
        self._session = boto3.Session("test", "test", region_name=server.REGION)  # the emulator's root keys
        self._outputs: dict[str, str] | None = None

    @classmethod
    def start(cls, state_dir: Path = STATE, port: int | None = None, *, end_with_us: bool = False) -> Self:
        """Start the local AWS over a state folder, or find the one that runs there.

        port         4566 or, where that is taken, any free one; 0 for any free one; a folder with state keeps its own
        end_with_us  let it end together with this process, however that ends

        Raises StackError.
        """
        return cls(server.start(state_dir, PYTHON, port, end_with_us=end_with_us))

    @classmethod
    def running(cls, state_dir: Path = STATE) -> Self:
        """The stack that runs over a state folder. Raises StackError when there is none."""
        found = server.find(state_dir)
        if found is None:
            raise StackError("the local stack is not running: say `greenlight up`")
        return cls(found)

    def deploy(self, root: Path = CHECKOUT, say: Callable[[str], None] = _silent) -> Self:
        """Bring `root/template.yaml` up, or up to date; `say` hears of each step. Raises StackError."""
        try:
            self._outputs = deploy(self, root, say)
        except StackError as error:
            why = [line for line in self._server.log.read_text(errors="replace").splitlines() if " ERROR " in line]
            raise StackError("\n".join([str(error), *why[-5:]])) from error
        return self

    def stop(self) -> None:
        """End the local AWS in order: everything is there again after the next start."""
        server.stop(self._server)

    @property
    def endpoint(self) -> str:
        """Where every AWS service answers."""
        return self._server.endpoint

    @property
    def state_dir(self) -> Path:
        return self._server.state_dir

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of the template. Raises StackError when it was never deployed."""
        if self._outputs is None:
            stacks = self.client("cloudformation").describe_stacks()["Stacks"]
            found = next((stack for stack in stacks if stack["StackName"] == NAME), None)
            if found is None:
                raise StackError("Greenlight is not deployed: say `greenlight up`")
            self._outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
        return self._outputs

    @property
    def api_url(self) -> str:
        """Address of the HTTP API: by path, since names below `localhost` do not resolve everywhere."""
        api_id = str(urlsplit(self.outputs["ApiUrl"]).hostname).partition(".")[0]
        return f"{self.endpoint}/_aws/execute-api/{api_id}/$default"

    def client(self, service: str) -> Any:
        """A boto3 client for the local AWS, with all rights."""
        return self._session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def token(self, scopes: Iterable[str] = SCOPES) -> str:
        """An access token of the machine client, good for an hour, with exactly these scopes."""
        response = httpx.post(
            f"{self.endpoint}/oauth2/token",
            auth=self._machine,
            data={"grant_type": "client_credentials", "scope": " ".join(f"greenlight/{scope}" for scope in scopes)},
        )
        if not response.is_success:
            raise StackError(f"no token was given: {response.text}")
        return str(response.json()["access_token"])

    def functions(self) -> dict[str, str]:
        """The deployed functions: folder below functions/ → name in the local AWS."""
        found = {}
        for function in self.client("lambda").get_paginator("list_functions").paginate().search("Functions[]"):
            logical = re.fullmatch(rf"{NAME}-(\w+)Function-\w+", function["FunctionName"])
            if logical:
                found[re.sub(r"(?<!^)(?=[A-Z])", "_", logical[1]).lower()] = function["FunctionName"]
        return found

    def logs(self, function: str, since: datetime | None = None) -> list[str]:
        """What a function (folder below functions/) has logged, oldest first. Raises StackError for another name."""
        names = self.functions()
        if function not in names:
            raise StackError(f"there is no function {function!r}: {', '.join(sorted(names))}")
        configuration = self.client("lambda").get_function_configuration(FunctionName=names[function])
        start = int(since.timestamp() * 1000) if since else 0
        pages = self.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=configuration["LoggingConfig"]["LogGroup"], startTime=start)
        return [event["message"].rstrip("\n") for page in found for event in page["events"]]

    @cached_property
    def _machine(self) -> tuple[str, str]:
        described = self.client("cognito-idp").describe_user_pool_client(
            UserPoolId=self.outputs["UserPoolId"], ClientId=self.outputs["ClientId"]
        )["UserPoolClient"]
        return described["ClientId"], described["ClientSecret"]
