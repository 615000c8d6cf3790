"""A Lambda Runtime API on loopback that drives functions/<name>/app.py through the real awslambdaric."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
INIT_SECONDS = 30.0
ACCOUNT, REGION = "123456789012", "us-east-1"


@dataclass(frozen=True)
class Response:
    """What Lambda would give its caller: a payload, or the type and message of an error."""

    payload: Any = None
    error_type: str | None = None
    error_message: str | None = None


class LambdaProcess:
    """One execution environment of a function: started at the first call, reused, started anew after it died.

    function  a folder below functions/, or the path of any folder with an app.py
    env       what the template would put into the environment, on top of what Lambda itself sets
    timeout   seconds that one call may take; then the process is killed, as Lambda does
    """

    def __init__(self, function: str | Path, env: Mapping[str, str] | None = None, timeout: float = 30.0) -> None:
        self._folder = function if isinstance(function, Path) else ROOT / "functions" / function
        self._env = dict(env or {})
        self._timeout = timeout
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the object
        self._environment: _Environment | None = None

    def invoke(self, event: Any) -> Response:
        """Call the handler with an event that can be written as JSON, and wait for its answer."""
        if self._environment is None or self._environment.ended:
            self._stop()
            self._environment = _Environment(self._folder, self._env, self._log.fileno())
        response = self._environment.invoke(event, self._timeout)
        if response.error_type in _FATAL:
            self._stop()
        return response

    @property
    def log(self) -> str:
        """All that the function has written to its standard output and error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End the process."""
        self._stop()
        self._log.close()

    def _stop(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_FATAL = frozenset({"Sandbox.Timedout", "Runtime.ExitError", "Runtime.InitTimedout"})


class _Environment:
    """One process with the API that it talks to. The pair ends together, so no late answer meets a later call."""

    def __init__(self, folder: Path, env: Mapping[str, str], log: int) -> None:
        self._calls: SimpleQueue[tuple[str, bytes, float] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[str, Response]] = SimpleQueue()
        self._ready = Event()
        self._init_error: Response | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "app.handler"],
            env={**_lambda_environment(folder, self._server.server_port), **env},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def invoke(self, event: Any, timeout: float) -> Response:
        # As in Lambda, loading the function does not count against the time of the call.
        if not self._ready.wait(0) and not self._wait_ready():
            return Response(None, "Runtime.InitTimedout", f"no call was asked for within {INIT_SECONDS:.0f} s")
        if self._init_error is not None:
            return self._init_error
        call_id = str(uuid4())
        deadline = time.time() + timeout
        self._calls.put((call_id, json.dumps(event).encode(), deadline))
        while (left := deadline - time.time()) > 0:
            try:
                answered, response = self._answers.get(timeout=min(left, 0.1))
            except Empty:
                if self.ended and self._answers.empty():
                    return self._exited()
            else:
                if answered == call_id:
                    return response
        return Response(None, "Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._calls.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _wait_ready(self) -> bool:
        deadline = time.monotonic() + INIT_SECONDS
        while time.monotonic() < deadline:
            if self._ready.wait(0.05):
                return True
            if self.ended:
                self._init_error = self._init_error or self._exited()
                return True
        return False

    def _exited(self) -> Response:
        return Response(None, "Runtime.ExitError", f"Runtime exited with code {self._process.poll()}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        environment = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Together these keep a call below a millisecond: otherwise Nagle and the delayed acknowledgement
            # of the other side cost some 40 ms each time.
            disable_nagle_algorithm = True
            wbufsize = 65536

            def log_request(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                environment._ready.set()
                call = environment._calls.get()
                if call is None:
                    self.close_connection = True
                    return
                call_id, event, deadline = call
                self._answer(
                    200,
                    event,
                    {
                        "Lambda-Runtime-Aws-Request-Id": call_id,
                        "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                        "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:local",
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                match self.path.split("/")[3:]:
                    case ["invocation", call_id, "response"]:
                        environment._answers.put((call_id, Response(json.loads(body))))
                    case ["invocation", call_id, "error"]:
                        environment._answers.put((call_id, _error(body)))
                    case _:
                        environment._init_error = _error(body)
                        environment._ready.set()
                self._answer(202, b"{}", {})

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                # Without a content type the runtime's native client crashes.
                for name, value in {
                    **headers,
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler


def _error(body: bytes) -> Response:
    told = json.loads(body)
    return Response(None, told.get("errorType"), told.get("errorMessage"))


def _lambda_environment(folder: Path, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "layers" / "moderation")]),
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": folder.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{folder.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "_HANDLER": "app.handler",
    }
