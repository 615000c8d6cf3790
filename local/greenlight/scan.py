"""Moderate a local file with the very use cases of the functions, over ports in memory. Needs no stack."""

import mimetypes
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.uploads import LocalUploads
from moderation.models.errors import Permanent, Transient
from moderation.models.job import UPLOAD_TRIGGER, Job
from moderation.models.media import MAX_SIZE, Media, MediaStatus, Procedure
from moderation.models.template import Template
from moderation.models.verdict import Verdict
from moderation.services.admit import Admission
from moderation.services.aggregate import Aggregation
from moderation.services.extract import Extraction
from moderation.services.fail import Failure
from moderation.services.ingest import new_job
from moderation.services.plan import Planning
from moderation.services.scan import Scanning
from moderation.services.settle import Settlement
from moderation.system import RandomIds, SystemClock

STEP_SECONDS = 900.0
"""The longest a step may take, as in Lambda."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many of it, and of how many."""


@dataclass(frozen=True)
class Scanned:
    """How a scan ended: the finished job, and its whole verdict unless the file was refused or the job failed."""

    job: Job
    verdict: Verdict | None


def scan(
    path: Path,
    template: Template,
    *,
    weights: Path,
    progress: Progress = lambda what, done, total: None,
    pictures: Path | None = None,
) -> Scanned:
    """Moderate `path`; segments run side by side. Evidence pictures are copied into `pictures` when given."""
    clock = SystemClock()
    cores = os.cpu_count()
    with (
        tempfile.TemporaryDirectory(prefix="greenlight-") as folder,
        ThreadPoolExecutor(cores) as segments,
        ThreadPoolExecutor(cores) as looking,
    ):
        objects = FolderObjects(Path(folder))
        store = MemoryMediaStore()
        uploads = LocalUploads(Path(folder))
        settlement = Settlement(store, clock)
        job = _job_over(path, template, uploads, store, clock)
        failure = Failure(store, settlement)
        scanning = Scanning(store, objects, weights, looking)
        try:
            progress("plan", 0, 1)
            planned = Planning(store, uploads, objects, settlement, Admission(store, clock)).run(
                job.job_id, STEP_SECONDS
            )
            progress("plan", 1, 1)
            if planned.refused:
                return Scanned(store.job(job.job_id), None)
            extraction = Extraction(store, uploads, objects)

            def one(index: int) -> None:
                try:
                    extraction.run(job.job_id, index, STEP_SECONDS)
                    scanning.segment(job.job_id, index)
                except (Permanent, Transient):
                    return  # as in the state machine: the verdict sees that the segment is missing

            running = [segments.submit(one, index) for index in planned.segments]
            for done, future in enumerate(as_completed(running), start=1):
                future.result()
                progress("segments", done, len(running))
            verdict = Aggregation(store, objects, settlement, clock).run(job.job_id)
        except (Permanent, Transient) as error:
            failure.run(job.job_id, type(error).__name__, str(error))
            return Scanned(store.job(job.job_id), None)
        return Scanned(store.job(job.job_id), _with_pictures(verdict, objects, pictures))


def _job_over(
    path: Path, template: Template, uploads: LocalUploads, store: MemoryMediaStore, clock: SystemClock
) -> Job:
    media_id = RandomIds().new()
    guessed = mimetypes.guess_type(path.name)[0] or ""
    now = clock.now()
    media = Media(
        media_id=media_id,
        status=MediaStatus.CHECKING,
        file_name=path.name[:255],
        content_type=guessed if guessed.startswith(("video/", "audio/")) else "video/mp4",
        size=min(max(1, path.stat().st_size), MAX_SIZE),  # what is beyond is for the plan to refuse
        procedure=Procedure(name=f"{template.name}_pre", template=template.name, mode="pre"),
        created_at=now,
        updated_at=now,
    )
    identity = uploads.receive_file(media.source_key, path)
    job = new_job(media, identity, template, UPLOAD_TRIGGER, clock)
    store.add_media(media)
    store.save(media.model_copy(update={"identity": identity, "latest_job": job.job_id}), new_job=job)
    return job


def _with_pictures(verdict: Verdict, objects: FolderObjects, pictures: Path | None) -> Verdict:
    """The verdict naming its pictures where they were copied to, or none: what the scan kept ends with it."""
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    shown = []
    for segment in verdict.segments:
        target = None
        if segment.picture is not None and pictures is not None:
            target = pictures / Path(segment.picture).name
            objects.fetch(segment.picture, target)
        shown.append(segment.model_copy(update={"picture": str(target) if target else None}))
    return verdict.model_copy(update={"segments": tuple(shown)})
