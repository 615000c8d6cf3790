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


def end_with(parent: int) -> None:
    """Stop in order as soon as the process that wanted this stack is gone, even if it was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    # MiniStack's Lambda Runtime API sends header and body in separate packets; with Nagle's algorithm every warm
    # invocation waits some 40 ms for a delayed acknowledgement.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    if sys.argv[1:]:
        threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")
