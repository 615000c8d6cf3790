"""Moderate a local file with the very use cases of the functions, over ports in memory. Needs no stack."""

import mimetypes
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from greenlight.libraries import Libraries
from greenlight.paths import name_of
from moderation.detectors.inference import release
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.uploads import LocalUploads
from moderation.models.errors import Permanent, Transient
from moderation.models.job import UPLOAD_TRIGGER, Job
from moderation.models.media import MAX_SIZE, Cover, Media, MediaStatus, Procedure, cover_key
from moderation.models.template import Template
from moderation.models.verdict import Verdict
from moderation.ports import Objects
from moderation.services.admit import Admission
from moderation.services.aggregate import Aggregation
from moderation.services.extract import Extraction
from moderation.services.fail import Failure
from moderation.services.hear import Listening
from moderation.services.ingest import new_job
from moderation.services.plan import Planning
from moderation.services.read import TextJudging
from moderation.services.refine import Refining
from moderation.services.scan import CoverScanning, Scanning
from moderation.services.settle import Settlement
from moderation.services.work import Work
from moderation.system import RandomIds, SystemClock

STEP_SECONDS = 900.0
"""The longest a step may take, as in Lambda."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many of it, and of how many."""


Left = Callable[[Objects, Work], None]


@dataclass(frozen=True)
class Scanned:
    """How a scan ended: the finished job, and its whole verdict unless the file was refused or the job failed.

    `transcript` and `texts` are WebVTT, empty where nothing is said, or shown in writing.
    """

    job: Job
    verdict: Verdict | None
    transcript: str = ""
    texts: str = ""


def scan(
    path: Path,
    template: Template,
    *,
    weights: Path,
    title: str = "",
    covers: Sequence[Path] = (),
    progress: Progress = lambda what, done, total: None,
    pictures: Path | None = None,
    libraries: Libraries = MappingProxyType({}),
    once: bool = False,
    left: Left = lambda objects, work: None,
) -> Scanned:
    """Moderate `path`; segments run side by side. Evidence pictures and WebVTT are copied into `pictures` when given.

    `libraries` are the owner's. `left` is called with what the steps have left behind, which ends with the scan.
    `once`: nothing is looked at after this, so models are let go before texts are judged.
    """
    clock = SystemClock()
    cores = os.cpu_count()
    with (
        tempfile.TemporaryDirectory(prefix="greenlight-") as folder,
        ThreadPoolExecutor(cores) as segments,
        ThreadPoolExecutor(cores) as looking,
    ):
        objects = FolderObjects(Path(folder))
        for key, document in libraries.items():
            objects.put(key, document, "application/json")
        store = MemoryMediaStore()
        uploads = LocalUploads(Path(folder))
        settlement = Settlement(store, clock)
        job = job_over(path, template, uploads, store, clock, title, covers)
        failure = Failure(store, settlement)
        scanning = Scanning(store, objects, weights, looking)
        listening = Listening(store, objects, weights)
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
                # As in the state machine: the verdict sees what is missing.
                with suppress(Permanent, Transient):
                    sound = extraction.run(job.job_id, index, STEP_SECONDS)
                    with suppress(Permanent, Transient):
                        scanning.segment(job.job_id, index)
                    if sound:
                        listening.segment(job.job_id, index)

            def each(what: str, indices: Iterable[int]) -> None:
                running = [segments.submit(one, index) for index in indices]
                for done, future in enumerate(as_completed(running), start=1):
                    future.result()
                    progress(what, done, len(running))

            each("segments", planned.segments)
            for index in job.covers:
                with suppress(Permanent, Transient):
                    CoverScanning(store, uploads, objects, weights).cover(job.job_id, index)
                progress("covers", index + 1, len(job.covers))
            with suppress(Permanent, Transient):
                each("windows", Refining(store, objects).run(job.job_id).windows)
            if once:
                release()
            progress("texts", 0, 1)
            with suppress(Permanent, Transient):
                TextJudging(store, objects, weights).run(job.job_id)
            progress("texts", 1, 1)
            verdict = Aggregation(store, objects, settlement, clock).run(job.job_id)
        except (Permanent, Transient) as error:
            failure.run(job.job_id, type(error).__name__, str(error))
            return Scanned(store.job(job.job_id), None)
        left(objects, Work(job.media_id, job.job_id))
        said, shown = (
            objects.get(key).decode() if key else "" for key in (verdict.transcript_file, verdict.texts_file)
        )
        return Scanned(store.job(job.job_id), _with_pictures(verdict, objects, pictures), said, shown)


def job_over(
    path: Path,
    template: Template,
    uploads: LocalUploads,
    store: MemoryMediaStore,
    clock: SystemClock,
    title: str = "",
    covers: Sequence[Path] = (),
) -> Job:
    """A media that has arrived with its covers, and the job over it. Raises ValidationError as `cover_of` does."""
    media_id = RandomIds().new()
    guessed = mimetypes.guess_type(path.name)[0] or ""
    now = clock.now()
    media = Media(
        media_id=media_id,
        status=MediaStatus.CHECKING,
        file_name=name_of(path)[:255],
        title=title,
        covers=tuple(
            cover_of(index, cover).model_copy(
                update={"identity": uploads.receive_file(cover_key(media_id, index), cover)}
            )
            for index, cover in enumerate(covers)
        ),
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


def cover_of(index: int, path: Path) -> Cover:
    """A picture as the `index`-th cover. Raises ValidationError for one too many or too large, as signing does."""
    return Cover(index=index, content_type="image/jpeg", size=path.stat().st_size)


def _with_pictures(verdict: Verdict, objects: FolderObjects, pictures: Path | None) -> Verdict:
    """The verdict naming its files where they were copied to, or none: what the scan kept ends with it."""
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)

    def kept(key: str | None) -> str | None:
        if key is None or pictures is None:
            return None
        objects.fetch(key, pictures / Path(key).name)
        return str(pictures / Path(key).name)

    shown = tuple(segment.model_copy(update={"picture": kept(segment.picture)}) for segment in verdict.segments)
    files = {name: kept(getattr(verdict, name)) for name in ("transcript_file", "texts_file")}
    return verdict.model_copy(update={"segments": shown, **files})
