"""What looking costs: every detector of pictures, beside NudeNet as its users run it, measured in the same run."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import clips
from tests.bench.measure import Usage, run
from tests.bench.peers import environment, python_of
from tests.bench.templates import seen

SECONDS = 60
TIMES = 10
"""How often the clip is shown to `fast`: of one alone most is the start of the process."""
TURNS = 2
NUDENET = ("nudenet==3.4.2", "opencv-python-headless==4.12.0.88", "onnxruntime==1.22.1", "numpy==2.2.6")
"""Under the AGPL: it is installed here only, in an environment of its own, and is no part of anything."""
_PEER = """
import sys, cv2
from nudenet import NudeDetector
detector, video, frames = NudeDetector(), cv2.VideoCapture(sys.argv[1]), 0
every = round(video.get(cv2.CAP_PROP_FPS))
while True:
    read, picture = video.read()
    if not read:
        break
    if frames % every == 0:
        detector.detect(picture)
    frames += 1
print(frames)
"""

Row = tuple[str, float, str, float | None, float | None]


def figures(console: Console) -> Iterator[Row]:
    """(name, value, unit, limit, target) rows."""
    clip, long = clips.motion(720, SECONDS), clips.long(720, TIMES)
    everything, default, fast = (seen(name) for name in ("strict", "default", "fast"))
    with console.status("NudeNet, and every detector of pictures"):
        python = str(python_of(environment("nudenet", NUDENET)))
        peers, alls, defaults, fasts = [], [], [], []
        for _ in range(TURNS):
            peers.append(run([python, "-c", _PEER, str(clip)]))
            alls.append(_scan(clip, everything))
            defaults.append(_scan(clip, default))
            fasts.append(_scan(long, fast))
        workers = [_stage("workers", str(clip), everything, str(count))["wall"] for count in (1, 2)]
        parts = _stage("detectors", str(clip), everything)
        worker = run([sys.executable, "-m", "tests.bench.stage", "detectors", str(clip), everything])
    peer = min(one.cpu for one in peers)
    yield ("720p NudeNet with OpenCV", min(one.wall for one in peers), "s", None, None)
    yield ("720p NudeNet with OpenCV, CPU", peer, "CPU s", None, None)
    for name, usages, share, speed in (
        ("all vision detectors", alls, 2.0, 5),
        ("default without texts", defaults, 1.2, 8),
    ):
        cpu = min(one.cpu for one in usages)
        yield (f"720p {name}", min(one.wall for one in usages), "s", None, SECONDS / speed)
        yield (f"720p {name}, CPU", cpu, "CPU s", peer, share * peer)
    wall, cpu = (min(getattr(one, kind) for one in fasts) for kind in ("wall", "cpu"))
    yield (f"720p fast without texts, {TIMES} minutes", wall, "s", None, TIMES * 60 / 40)
    yield (f"720p fast without texts, {TIMES} minutes, CPU", cpu, "CPU s", TIMES * peer, None)
    for name, cpu in parts["detectors"].items():
        yield (f"720p detector {name}, a minute of video", cpu * 60 / SECONDS, "CPU s", None, None)
    bare = parts["sessions"] + parts["pictures"]
    yield ("720p looking, CPU", parts["cpu"], "CPU s", bare, 1.25 * bare)
    yield ("720p all vision detectors, two workers", workers[1], "s", workers[0], 0.65 * workers[0])
    yield ("720p looking, one worker, peak memory", worker.peak_mb, "MB", None, 600)


def _scan(clip: Path, template: str) -> Usage:
    greenlight = str(Path(sys.executable).with_name("greenlight"))
    return run([greenlight, "scan", str(clip), "--template", template, "--json"], accept=(0, 10, 20))


def _stage(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run([sys.executable, "-m", "tests.bench.stage", *arguments]).output)
    return answer
