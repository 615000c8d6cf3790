"""The whole application over the ports in memory, in which any call can be stopped before it uses a port.

The use cases are the product's. Only ffmpeg and the models are played, on files whose first word says what is in
them.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest.mock import patch

from moderation.detectors.base import FrameResult
from moderation.detectors.catalog import DetectorSpec
from moderation.detectors.covers import Cover, CoverPicture, CoverRefused
from moderation.media.ffmpeg import MediaRefused, SourceUnavailable
from moderation.media.frames import Extracted
from moderation.models.event import Event
from moderation.models.job import Job
from moderation.models.media import Media, ObjectIdentity
from moderation.models.observation import Box, Observation
from moderation.models.plan import FrameEntry, FrameReason, Plan, RefusalCode, SegmentFrames
from moderation.models.review import Review
from moderation.models.template import Form, Rule, Template
from moderation.ports import MediaStore, NotFound, Objects, Publisher, Run, Uploads, Workflow
from moderation.services.admit import Admission
from moderation.services.extract import Extraction
from moderation.services.ingest import Ingest
from moderation.services.plan import Planning
from moderation.services.scan import EVIDENCE_SIZE, CoverScanning, Scanning
from moderation.services.sweep import Sweeping
from moderation.services.work import Work
from tests.builders import silent_plan
from tests.property.turns import interruptible
from tests.world import SlowPublisher, World

SECONDS = 60.0
"""What a step may take; nothing here takes any time."""


class Content(StrEnum):
    """What is in a file: what the played models see."""

    CLEAN = "clean"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    NOTHING = "nothing"
    """It is neither a video nor a picture."""


SCORES = {Content.CLEAN: 0.0, Content.DOUBTFUL: 0.7, Content.BAD: 0.95}


def content_of(body: bytes) -> Content:
    return Content(body.split()[0].decode())


class Templates:
    """The port `Templates`: `lax` lets doubtful things pass."""

    def __init__(self, *, auto_block: bool) -> None:
        self._auto_block = auto_block

    def get(self, name: str) -> Template:
        review, block = (80, None) if name == "lax" else (60, 90)
        forms = frozenset({Form.IMAGE, Form.COVER})
        rule = Rule(label="porn", sub_label="explicit", forms=forms, review=review, block=block)
        return Template(name=name, revision=1, auto_block=self._auto_block, rules=(rule,))


class PartwisePublisher(SlowPublisher):
    """Copies the first half of an object, and some time later the second; `bodies` are what then lies there."""

    def __init__(self, uploads: Uploads) -> None:
        super().__init__(uploads)
        self.bodies: dict[str, bytes] = {}

    def copy(self, identity: ObjectIdentity, key: str, content_type: str) -> None:
        first = self._uploads.get(identity)[: identity.size // 2]
        second = self._uploads.get(identity)[identity.size // 2 :]
        super().copy(identity, key, content_type)
        self.bodies[key] = first + second

    def delete(self, key: str) -> None:
        super().delete(key)
        self.bodies.pop(key, None)


@dataclass(frozen=True)
class Write:
    """One write of a media, with what was written together with it."""

    before: Media
    after: Media
    events: Sequence[Event] = ()
    job: Job | None = None
    new_job: Job | None = None
    review: Review | None = None
    booking: object = None


class Stage(World):
    """A world that keeps a history of its writes, with the steps that the state machine calls."""

    def __init__(self, folder: Path, *, auto_block: bool, keep_post_on_failure: bool, daily: timedelta) -> None:
        super().__init__(folder, auto_block=auto_block, keep_post_on_failure=keep_post_on_failure)
        templates = Templates(auto_block=auto_block)
        self.history: list[Write] = []
        self.looked_at: set[bytes] = set()
        self.publisher: PartwisePublisher = PartwisePublisher(self.uploads)
        self.publishing = replace(self.publishing, publisher=self.publisher)
        self.ingest: Ingest = replace(self.ingest, templates=templates)
        self.library = replace(self.library, templates=templates)
        admission = Admission(self.store, self.clock, daily)
        self.planning = Planning(self.store, self.uploads, self.objects, self.settlement, admission)
        self.extraction = Extraction(self.store, self.uploads, self.objects)
        self.pool = ThreadPoolExecutor(1)
        self.scanning = Scanning(self.store, self.objects, folder, self.pool)
        self.cover_scanning = CoverScanning(self.store, self.uploads, self.objects, folder)
        self.sweeping = Sweeping(self.uploads)
        setattr(self.store, "save", self._witnessed(self.store.save, self.store.media))  # noqa: B010
        ports: tuple[tuple[object, type], ...] = (
            (self.store, MediaStore),
            (self.uploads, Uploads),
            (self.objects, Objects),
            (self.workflow, Workflow),
            (self.publisher, Publisher),
        )
        for port, protocol in ports:
            interruptible(port, protocol)

    def _witnessed(self, save: Callable[..., Media], read: Callable[[str], Media]) -> Callable[..., Media]:
        def witness(media: Media, **together: Any) -> Media:
            before = None
            with suppress(NotFound):
                before = read(media.media_id)
            after = save(media, **together)
            assert before is not None, "a media that is gone was written"
            self.history.append(Write(before, after, **together))
            return after

        return witness

    @contextmanager
    def played(self) -> Iterator[None]:
        """Inside, nothing runs ffmpeg or a model."""
        with ExitStack() as patches:
            for name, stand_in in {
                "plan.make_plan": self._plan,
                "extract.extract_segment": self._extract,
                "scan.Scanner": self._scanner,
                "scan.open_cover": self._open_cover,
                "scan.load": lambda path: None,
                "upload.SINGLE_POST_LIMIT": 1000,
            }.items():
                patches.enter_context(patch(f"moderation.services.{name}", stand_in))
            patches.callback(self.pool.shutdown)
            yield

    def _read(self, source: Path) -> bytes:
        try:
            body = source.read_bytes()
        except FileNotFoundError as error:
            raise SourceUnavailable("it is gone") from error
        self.looked_at.add(body)
        return body

    def _plan(self, source: Path, **_: object) -> Plan:
        if content_of(self._read(source)) is Content.NOTHING:
            raise MediaRefused(RefusalCode.NOT_A_VIDEO, "there is nothing in it")
        return silent_plan(segments=2)

    def _extract(self, source: Path, plan: Plan, index: int, *, folder: Path, **_: object) -> Extracted:
        frame = FrameEntry(
            ordinal=0, track=0, time=0.0, reason=FrameReason.FIRST, pictures={EVIDENCE_SIZE: "picture.jpg"}
        )
        (track,) = plan.segments[index].tracks
        frames = SegmentFrames(
            index=index,
            start=0.0,
            end=plan.duration,
            planned=1,
            expected=track.expected,
            decoded=track.expected,
            errors=0,
            reduced=False,
            capped=False,
            frames=(frame,),
        )
        with zipfile.ZipFile(folder / "frames.zip", "w") as archive:
            archive.writestr("index.json", frames.model_dump_json())
            archive.writestr("picture.jpg", self._read(source))
        return Extracted(folder / "frames.zip", frames, ())

    def _open_cover(self, data: bytes) -> Cover:
        self.looked_at.add(data)
        if content_of(data) is Content.NOTHING:
            raise CoverRefused("not_an_image", "there is nothing on it")
        return Cover((CoverPicture({EVIDENCE_SIZE: data}, Box(left=0, top=0, width=1, height=1)),), complete=True)

    def _scanner(self, specs: Sequence[DetectorSpec], weights: Path, owned: object) -> "_Eye":
        (spec,) = specs
        return _Eye(spec.name)


@dataclass(frozen=True)
class _Eye:
    """A scanner that reads what is in a picture."""

    detector: str
    followers: tuple[()] = ()

    def look(self, pictures: Mapping[str, bytes], *, form: Form = Form.IMAGE) -> FrameResult:
        score = SCORES[content_of(pictures[EVIDENCE_SIZE])]
        seen = Observation(detector=self.detector, form=form, label="porn", sub_label="explicit", score=score)
        return FrameResult((seen,), {}, None, None)


@dataclass(frozen=True)
class Step:
    """One task of the state machine; `index` is that of a segment or a cover."""

    name: str
    index: int = 0


@dataclass
class Execution:
    """One run of the state machine, as `moderation.asl.yaml` goes."""

    stage: Stage
    media_id: str
    job_id: str
    due: list[Step] = field(default_factory=lambda: [Step("plan")])
    busy: list[Step] = field(default_factory=list)
    waits_until: datetime | None = None
    error: str = ""
    timed_out: bool = False
    blind: bool = False
    """A segment or a cover was given up without having been looked at."""

    @property
    def over(self) -> bool:
        return not self.due and not self.busy

    @property
    def ready(self) -> bool:
        """There is a step to begin, now."""
        return bool(self.due) and (self.waits_until is None or self.waits_until <= self.stage.clock.now())

    def begin(self, number: int) -> tuple[Step, Callable[[], Any]]:
        """Take one of the steps that are due, and the call that it is."""
        step = self.due.pop(number % len(self.due))
        self.busy.append(step)
        return step, lambda: self._call(step)

    def _call(self, step: Step) -> Any:
        match step.name:
            case "plan":
                planned = self.stage.planning.run(self.job_id, SECONDS)
                self.waits_until = planned.waits_until
                if planned.waits_until:
                    self.due = [step]
                elif not planned.refused:
                    self.due = [Step("extract", i) for i in planned.segments]
                    self.due += [Step("scan_images", i) for i in planned.covers]
            case "extract":
                self.stage.extraction.run(self.job_id, step.index, SECONDS)
                self.due.append(Step("scan_frames", step.index))
            case "scan_frames":
                self.stage.scanning.segment(self.job_id, step.index)
            case "scan_images":
                self.stage.cover_scanning.cover(self.job_id, step.index)
            case "aggregate":
                self.stage.aggregation.run(self.job_id)
            case "fail_job":
                self.stage.failure.run(self.job_id, self.error, "")

    def ended(self, step: Step, error: BaseException | None, *, for_good: bool) -> None:
        """A step is over. One that failed is tried again, unless it failed `for_good`."""
        self.busy.remove(step)
        if self.timed_out:
            self.due = []
            return
        if error is not None and not for_good:
            self.due.append(step)
        elif error is not None:
            self._give_up(step, type(error).__name__)
        if self.over and step.name in ("extract", "scan_frames", "scan_images"):
            self.due = [Step("aggregate")]
        if self.over:
            status = "FAILED" if step.name == "fail_job" else "SUCCEEDED"
            self.stage.workflow.ended.setdefault(self.job_id, Run(status))

    def _give_up(self, step: Step, error: str) -> None:
        if step.name in ("extract", "scan_frames", "scan_images"):
            work = Work(self.media_id, self.job_id)
            scan = work.cover(step.index) if step.name == "scan_images" else work.scan(step.index)
            self.blind |= scan not in self.stage.objects.content_types()
        elif step.name != "fail_job":
            self.error = error
            self.due = [Step("fail_job")]

    def time_out(self) -> None:
        """Step Functions ends the run; steps that are under way are not told."""
        self.due = []
        self.timed_out = True
        self.stage.workflow.ended[self.job_id] = Run("TIMED_OUT")
