"""The MiniStack process: start it on loopback, find it again, stop it in order."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from greenlight.stack.errors import StackError

HOST = "127.0.0.1"
REGION = "us-east-1"
DEFAULT_PORT = 4566
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A MiniStack over a state folder; `stack.json` in the folder says the same."""

    state_dir: Path
    port: int
    pid: int | None
    """None after a stop in order."""

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What MiniStack itself says."""
        return self.state_dir / "ministack.log"

    @property
    def healthy(self) -> bool:
        """True when something like MiniStack answers on the port."""
        try:
            return httpx.get(f"{self.endpoint}/_ministack/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    @property
    def alive(self) -> bool:
        """True while the process exists (a zombie does not)."""
        if self.pid is None:
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return True

    def record(self) -> None:
        """Write down for the next process what runs here."""
        _record(self.state_dir).write_text(json.dumps({"port": self.port, "pid": self.pid}))


def find(state_dir: Path) -> Server | None:
    """The stack that runs over a state folder, or None."""
    known = _known(state_dir)
    # After a reboot the id may belong to another process: only one that answers on the port is ours.
    return known if known and known.alive and known.healthy else None


def start(state_dir: Path, python: Path, port: int | None = None, *, end_with_us: bool = False) -> Server:
    """Start MiniStack over `state_dir` and wait until it answers; a running one is given back as it is.

    Raises StackError when `python` is missing, the port is taken, or it does not come up.
    """
    state_dir = state_dir.resolve()
    known = _known(state_dir)
    if known and known.pid is not None:
        if known.alive and known.healthy:
            return known
        shutil.rmtree(state_dir)  # it was killed: what it held in memory is lost, and the rest is of no use without
        known = None
    if not python.exists():
        raise StackError(f"the local stack is not installed ({python} is missing): say `make setup`")
    port = _port(port, known.port if known else None)
    for folder in ("state", "s3", "tmp"):
        (state_dir / folder).mkdir(parents=True, exist_ok=True)
    command = [str(python), str(Path(__file__).with_name("serve.py"))]
    if end_with_us:
        command.append(str(os.getpid()))
    with (state_dir / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=_environment(state_dir, port),
            cwd=state_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(state_dir, port, process.pid)
    server.record()
    deadline = time.monotonic() + START_SECONDS
    while not server.healthy:
        if not server.alive or time.monotonic() > deadline:
            stop(server)
            tail = "\n".join(server.log.read_text(errors="replace").splitlines()[-10:])
            raise StackError(f"the local stack did not come up; the end of {server.log}:\n{tail}")
        time.sleep(0.05)
    return server


def stop(server: Server) -> None:
    """End the process in order, so that it writes down its state; returns when it is gone."""
    if server.pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while server.alive:
        if time.monotonic() > deadline:  # the record keeps the id: the next start sees that this was no stop in order
            os.killpg(server.pid, signal.SIGKILL)
            return
        time.sleep(0.05)
    replace(server, pid=None).record()


def _record(state_dir: Path) -> Path:
    return state_dir / "stack.json"


def _known(state_dir: Path) -> Server | None:
    try:
        return Server(state_dir, **json.loads(_record(state_dir).read_text()))
    except FileNotFoundError:
        return None


def _port(wanted: int | None, known: int | None) -> int:
    """The port to listen on: where the state is from, since queues are stored by address; else as wanted."""
    if known is not None:
        if wanted not in (None, 0, known):
            raise StackError(f"this stack lives on port {known}; `greenlight down --delete` first, to start afresh")
        wanted = known
    for port in (wanted,) if wanted is not None else (DEFAULT_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise StackError(
        f"port {wanted} is taken by another program: stop that, or start afresh on another port "
        "(`greenlight down --delete`, then `greenlight up --port N`)"
    )


def _environment(state_dir: Path, port: int) -> dict[str, str]:
    """A clean environment: what is set in the user's shell for the real AWS must not reach the functions."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
    return {
        **inherited,
        "LANG": "C.UTF-8",
        "TMPDIR": str(state_dir / "tmp"),
        # MiniStack runs the code it is given: it must never listen on another interface.
        "BIND_HOST": HOST,
        "MINISTACK_HOST": "localhost",
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir / "s3"),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "LOG_LEVEL": "WARNING",
    }
