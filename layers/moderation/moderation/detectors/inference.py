"""ONNX sessions: one per file and process, loaded when first used, shared by all threads."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from platform import machine
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]

_sessions: dict[Path, Any] = {}
_running: defaultdict[Path, Lock] = defaultdict(Lock)
_loading = Lock()


@cache
def _overflows() -> bool:
    """Whether sums of two products of a network in eight bits overflow, and scores with them, unless one takes longer.

    They do on Intel's and AMD's processors without the instructions for such sums (VNNI).
    """
    flags = Path("/proc/cpuinfo")
    return machine() in {"x86_64", "AMD64"} and not (flags.is_file() and "_vnni" in flags.read_text(errors="replace"))


def load(path: Path) -> Any:
    """The onnxruntime session over a file, made once."""
    with _loading:
        if path not in _sessions:
            options = ort.SessionOptions()
            # Frames run in parallel instead: threads inside one model only wait for each other on two cores.
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            if _overflows():
                options.add_session_config_entry("session.x64quantprecision", "1")
            # An arena keeps the most that any shape of input ever needed; without one, looking takes no longer.
            options.enable_cpu_mem_arena = False
            options.log_severity_level = 3
            _sessions[path] = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return _sessions[path]


def release() -> None:
    """Forget all sessions, for a process that goes on without them."""
    with _loading:
        _sessions.clear()


class Network:
    """One file of ONNX Runtime: `.onnx`, or `.ort` by its `suffix`."""

    def __init__(self, weights: Path, name: str, suffix: str = ".onnx") -> None:
        self.path = weights / f"{name}{suffix}"

    def run(self, outputs: Sequence[str], inputs: Floats | Levels | Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
        """The named outputs for the inputs by name, or for what its one input is given.

        Raises FileNotFoundError without the weights, ArithmeticError when the result is not finite.
        """
        if not self.path.is_file():
            raise FileNotFoundError(f"no weights {self.path.name}")
        session = load(self.path)
        # One run at a time: a session keeps memory for as many runs as ever met in it. While one thread is in this
        # model, another is in the next one.
        with _running[self.path]:
            named = inputs if isinstance(inputs, Mapping) else {session.get_inputs()[0].name: inputs}
            results: list[Floats] = session.run(list(outputs), named)
        if not all(np.isfinite(result).all() for result in results):
            raise ArithmeticError(f"{self.path.name} gave no number")
        return results
