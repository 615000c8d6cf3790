"""The scan steps: every distinct frame of a segment, or a cover, before every detector the template needs."""

import base64
import gzip
import json
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from moderation.detectors.base import FrameResult
from moderation.detectors.catalog import DetectorSpec, needed
from moderation.detectors.covers import CoverRefused, open_cover
from moderation.detectors.following import follow
from moderation.detectors.inference import load
from moderation.detectors.scanner import Owned, Scanner
from moderation.models.errors import Permanent
from moderation.models.observation import FrameLook, Scan
from moderation.models.plan import FrameEntry, FrameReason, SegmentFrames
from moderation.models.template import Form, Template
from moderation.ports import MediaStore, NotFound, Objects, Uploads
from moderation.services.work import Work, library

EVIDENCE_SIZE = "detail"
"""The size whose pictures people are shown; the largest there is, else whichever there is."""


@dataclass(frozen=True)
class Scanning:
    """The use case of the scan_frames function.

    Frames are looked at side by side in `pool`, which is kept: the memory of models and pictures stays with a
    thread, so that new threads for each segment would make it grow.
    """

    store: MediaStore
    objects: Objects
    weights: Path
    pool: Executor

    def segment(self, job_id: str, index: int) -> Scan:
        """Look at one segment, leave its scan and its traces."""
        job = self.store.job(job_id)
        work = Work(job.media_id, job.job_id)
        with tempfile.TemporaryDirectory(prefix="scan-") as name:
            archive = Path(name) / "frames.zip"
            self.objects.fetch(work.frames(index), archive)
            with zipfile.ZipFile(archive) as stored:
                segment = SegmentFrames.model_validate_json(stored.read("index.json"))
                specs = [
                    spec
                    for spec in needed(job.template, "frames")
                    if not segment.detectors or spec.name in segment.detectors
                ]
                self._warm(specs)
                scanner = Scanner(specs, self.weights, owned(self.objects, job.template, specs))
                results = self._look(stored, segment, scanner)
        looks = [_look(frame, results.get(frame.ordinal)) for frame in segment.frames]
        scan = Scan(
            index=index,
            looks=follow(scanner.followers, looks, results),
            detectors={spec.name: spec.version for spec in specs},
            planned=segment.planned,
            decoded=segment.decoded,
            expected=segment.expected,
            damaged=segment.errors,
            reduced=segment.reduced,
            capped=segment.capped,
        )
        self.objects.put(work.trace(index), _traces(segment.frames, results), "application/gzip")
        self.objects.put(work.scan(index), scan.model_dump_json().encode(), "application/json")
        return scan

    def _warm(self, specs: Sequence[DetectorSpec]) -> None:
        """Begin to load the models that these detectors need. One that cannot be loaded fails where it is used."""
        for model in sorted({model for spec in specs for model in spec.models}):
            self.pool.submit(load, self.weights / f"{model}.onnx")

    def _look(self, stored: zipfile.ZipFile, segment: SegmentFrames, scanner: Scanner) -> dict[int, FrameResult]:
        distinct = [frame for frame in segment.frames if frame.duplicate_of is None]

        def look(frame: FrameEntry) -> FrameResult:
            return scanner.look({size: stored.read(member) for size, member in frame.pictures.items()})

        return dict(zip((frame.ordinal for frame in distinct), self.pool.map(look, distinct), strict=True))


@dataclass(frozen=True)
class CoverScanning:
    """The use case of the scan_images function."""

    store: MediaStore
    uploads: Uploads
    objects: Objects
    weights: Path

    def cover(self, job_id: str, index: int) -> Scan:
        """Look at one cover. Raises Permanent when it is no picture, or too large a one."""
        job = self.store.job(job_id)
        work = Work(job.media_id, job.job_id)
        specs = needed(job.template, "frames")
        try:
            cover = open_cover(self.uploads.get(job.covers[index]))
        except CoverRefused as refusal:
            raise Permanent(refusal.code, refusal.message) from refusal
        scanner = Scanner(specs, self.weights, owned(self.objects, job.template, specs))
        looks = []
        for ordinal, picture in enumerate(cover.pictures):
            result = scanner.look(picture.files, form=Form.COVER)
            observations = tuple(map(picture.placed, result.observations))
            looks.append(FrameLook(ordinal=ordinal, time=0.0, observations=observations, failed=result.failed))
        scan = Scan(
            index=index,
            looks=tuple(looks),
            detectors={spec.name: spec.version for spec in specs},
            planned=len(looks),
            decoded=len(looks),
            expected=len(looks),
            capped=not cover.complete,
        )
        self.objects.put(work.cover_picture(index), cover.pictures[0].files[EVIDENCE_SIZE], "image/jpeg")
        self.objects.put(work.cover(index), scan.model_dump_json().encode(), "application/json")
        return scan


def owned(objects: Objects, template: Template, specs: Sequence[DetectorSpec]) -> Owned:
    """The owner's documents that these detectors are made with. One that is not there fails its detector, later on."""
    documents: dict[str, dict[str, bytes | None]] = {}
    for kind in {spec.owned for spec in specs if spec.owned}:
        documents[kind] = {}
        for name in getattr(template, kind):
            try:
                documents[kind][name] = objects.get(library(kind, name))
            except NotFound:
                documents[kind][name] = None
    return documents


def _look(frame: FrameEntry, result: FrameResult | None) -> FrameLook:
    """A frame as judged; of a near-duplicate (no result) only its place, its scores being carried over later."""
    picture = frame.pictures.get(EVIDENCE_SIZE) or next(iter(frame.pictures.values()), None)
    return FrameLook(
        ordinal=frame.ordinal,
        track=frame.track,
        time=frame.time,
        cut=frame.reason is FrameReason.SCENE,
        duplicate_of=frame.duplicate_of,
        observations=result.observations if result else (),
        failed=result.failed if result else {},
        picture=picture,
    )


def _traces(frames: Sequence[FrameEntry], results: dict[int, FrameResult]) -> bytes:
    """One JSON line per looked-at frame: its scores, hash and embedding, for re-judging without decoding."""
    lines = []
    for frame in frames:
        result = results.get(frame.ordinal)
        trace: dict[str, object] = {
            "ordinal": frame.ordinal,
            "track": frame.track,
            "time": frame.time,
            "reason": frame.reason,
            "duplicate_of": frame.duplicate_of,
        }
        if result is not None:
            embedding = result.embedding
            trace |= {
                "observations": [o.model_dump(mode="json", exclude_none=True) for o in result.observations],
                "failed": result.failed,
                "pdq": result.pdq,
                "embedding": None if embedding is None else base64.b64encode(embedding.tobytes()).decode(),
                "pictures": frame.pictures,
            }
        lines.append(json.dumps(trace))
    return gzip.compress("\n".join(lines).encode(), mtime=0)
