"""CPU seconds, wall seconds and peak memory of a command with all its children."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Usage:
    """What one command used. Memory is the largest sum of resident sets of the process and its children, in MB."""

    wall: float
    cpu: float
    peak_mb: float
    output: str


def run(command: Sequence[str], *, accept: Sequence[int] = (0,)) -> Usage:
    """Run a command to its end. Raises RuntimeError when it ends with any status but those in `accept`."""
    before = os.times()
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    root = psutil.Process(process.pid)
    while process.poll() is None:
        peak = max(peak, _resident_mb(root))
        time.sleep(SAMPLE_SECONDS)
    wall = time.perf_counter() - began
    output, errors = process.communicate()
    after = os.times()
    if process.returncode not in accept:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors[-500:]}")
    cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return Usage(wall=wall, cpu=cpu, peak_mb=peak, output=output)


def _resident_mb(root: psutil.Process) -> float:
    total = 0
    try:
        program = root.exe()
        total = root.memory_info().rss
        for child in root.children(recursive=True):
            # Until a child has become another program it shows the memory that it shares with its parent.
            total += child.memory_info().rss if child.exe() != program else 0
    except psutil.NoSuchProcess:
        pass
    return total / 1e6
