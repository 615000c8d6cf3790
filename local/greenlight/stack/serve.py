"""Run MiniStack in its own environment; started by `server.py` with the Python of `.venv/stack`, never imported.

Argument: the id of a process to end with (tests), or none (the user's stack goes on until `greenlight down`).
"""

import os
import runpy
import signal
import socketserver
import sys
import threading
import time
from collections import defaultdict
from importlib import import_module
from typing import Any


def end_with(parent: int) -> None:
    """Stop in order as soon as the process that wanted this stack is gone, even if it was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def answer_ranges_of_versions() -> None:
    """Asked for a range of a version of an object, MiniStack gives the whole; ffmpeg cannot seek in that."""
    s3: Any = import_module("ministack.services.s3")
    get_whole = s3._get_object

    def get(bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None) -> tuple[Any, ...]:
        status, answered, body = get_whole(bucket, key, headers, query)
        wanted = headers.get("range")
        if status != 200 or not wanted or "versionId" not in (query or {}):
            return status, answered, body
        span = s3._parse_range(wanted, len(body))
        if span is None:
            return 416, {"Content-Range": f"bytes */{len(body)}"}, b""
        start, end = span
        whole_only = {name for name in answered if name.lower().startswith("x-amz-checksum-")}
        kept = {name: value for name, value in answered.items() if name not in whole_only}
        kept["Content-Length"] = str(end + 1 - start)
        kept["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        return 206, kept, body[start : end + 1]

    s3._get_object = get


def wait_for_concurrency() -> None:
    """A call beyond a function's reserved concurrency waits for its turn, instead of being throttled at once.

    On AWS the caller tries again after a pause. Here all functions share one machine, and pauses would be most of
    the time. A function whose concurrency is 0 is switched off, and still throttles.
    """
    functions: Any = import_module("ministack.services.lambda_svc")
    acquire, release = functions._acquire_execution_slot, functions._release_execution_slot
    freed: dict[str, threading.Condition] = defaultdict(threading.Condition)

    def acquire_in_turn(func: dict[str, Any], config: dict[str, Any]) -> tuple[str | None, str | None]:
        freed_here = freed[functions._inflight_key(config)]
        with freed_here:
            while (answer := acquire(func, config)) == (None, "function"):
                if not functions._reserved_concurrency(func, config):
                    break
                freed_here.wait(1)
        taken: tuple[str | None, str | None] = answer
        return taken

    def release_and_tell(key: str) -> None:
        release(key)
        if key is not None:
            with freed[key]:
                freed[key].notify()

    functions._acquire_execution_slot = acquire_in_turn
    functions._release_execution_slot = release_and_tell


def read_streams_from_their_start() -> None:
    """MiniStack keeps how far a stream was read, but not the stream: restarted, it would pass over as many records."""
    functions: Any = import_module("ministack.services.lambda_svc")
    restore = functions._restore_esm_positions

    def restore_others(store: Any, positions: Any) -> None:
        if store is not functions._dynamodb_stream_positions:
            restore(store, positions)

    functions._restore_esm_positions = restore_others


if __name__ == "__main__":
    # MiniStack's Lambda Runtime API sends header and body in separate packets; with Nagle's algorithm every warm
    # invocation waits some 40 ms for a delayed acknowledgement.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    answer_ranges_of_versions()
    wait_for_concurrency()
    read_streams_from_their_start()
    if sys.argv[1:]:
        threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")
