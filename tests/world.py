"""All use cases over the ports in memory: one small world, whose clock, ids and accidents a test decides."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from moderation.memory.clock import CountingIds, FixedClock
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.publisher import MemoryPublisher, MemorySigner
from moderation.memory.uploads import LocalUploads
from moderation.memory.workflow import MemoryWorkflow
from moderation.models.errors import Transient
from moderation.models.event import Event
from moderation.models.job import Job
from moderation.models.media import Media, ObjectIdentity, source_key
from moderation.models.notification import ArrivedObject
from moderation.models.review import Review
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Coverage, DetectorCoverage, Suggestion, Verdict, Versions
from moderation.ports import Booking, NotFound
from moderation.services.aggregate import Aggregation
from moderation.services.fail import Failure
from moderation.services.feedback import FeedbackBook
from moderation.services.ingest import Ingest
from moderation.services.media import Library
from moderation.services.playback import Playback
from moderation.services.publish import Publishing
from moderation.services.review import Decide, Reviewing
from moderation.services.settle import Settlement
from moderation.services.upload import CoverRequest, SignUpload, UploadSigning
from moderation.services.watch import Watching
from tests.builders import NOON

EXPIRY = timedelta(hours=1)
PLAYBACK_TTL = timedelta(minutes=10)


class ShelfTemplates:
    """The port `Templates`: nearly any name, with one rule for frames and covers alike."""

    def __init__(self, *, auto_block: bool) -> None:
        self._auto_block = auto_block

    def get(self, name: str) -> Template:
        if name in ("", "missing", "nothing"):
            raise NotFound(name)
        rule = Rule(
            label="porn", sub_label="explicit", forms=frozenset({Form.IMAGE, Form.COVER}), review=60, block=90, single=0
        )
        return Template(name=name, revision=1, auto_block=self._auto_block, rules=(rule,))


class MeddledStore(MemoryMediaStore):
    """Somebody else may write just before a save: `before_save` is called, once."""

    before_save: Callable[[], object] | None = None

    def save(
        self,
        media: Media,
        *,
        events: Sequence[Event] = (),
        job: Job | None = None,
        new_job: Job | None = None,
        review: Review | None = None,
        booking: Booking | None = None,
    ) -> Media:
        if self.before_save is not None:
            meddle, self.before_save = self.before_save, None
            meddle()
        return super().save(media, events=events, job=job, new_job=new_job, review=review, booking=booking)


class SlowPublisher(MemoryPublisher):
    """Things may happen while a copy is made: `during_copy` is called, once, when its bytes are there."""

    during_copy: Callable[[], object] | None = None

    def copy(self, identity: ObjectIdentity, key: str, content_type: str) -> None:
        super().copy(identity, key, content_type)
        if self.during_copy is not None:
            meddle, self.during_copy = self.during_copy, None
            meddle()


class ShakyWorkflow(MemoryWorkflow):
    """Starts get lost: the next `losses` ones raise Transient."""

    losses = 0

    def start(self, media_id: str, job_id: str) -> None:
        if self.losses:
            self.losses -= 1
            raise Transient("the state machine is out of reach")
        super().start(media_id, job_id)


class World:
    """Every use case that needs neither ffmpeg nor a model, wired as in AWS."""

    def __init__(self, folder: Path, *, auto_block: bool = False, keep_post_on_failure: bool = False) -> None:
        for name in ("uploads", "results"):
            (folder / name).mkdir()
        self.clock = FixedClock(NOON)
        self.ids = CountingIds()
        self.store = MeddledStore()
        self.uploads = LocalUploads(folder / "uploads")
        self.objects = FolderObjects(folder / "results")
        self.workflow = ShakyWorkflow()
        self.publisher = SlowPublisher(self.uploads)
        self.templates = ShelfTemplates(auto_block=auto_block)
        self.settlement = Settlement(self.store, self.clock, keep_post_on_failure)
        self.signing = UploadSigning(
            self.store, self.uploads, self.templates, self.clock, self.ids, "default_pre", EXPIRY
        )
        self.ingest = Ingest(self.store, self.uploads, self.templates, self.workflow, self.clock)
        self.aggregation = Aggregation(self.store, self.objects, self.settlement, self.clock)
        self.failure = Failure(self.store, self.settlement)
        self.watching = Watching(self.store, self.workflow, self.failure, self.clock)
        self.publishing = Publishing(self.store, self.publisher, self.uploads, self.objects)
        self.playback = Playback(self.store, MemorySigner(), self.clock, PLAYBACK_TTL)
        self.reviewing = Reviewing(self.store, self.clock, self.ids)
        self.library = Library(
            self.store, self.objects, self.templates, self.workflow, self.settlement, self.clock, self.ids
        )
        self.feedback = FeedbackBook(self.store, self.objects, self.clock, self.ids)

    def sign(self, procedure: str = "standard_pre", *, covers: int = 0, size: int = 1000) -> str:
        """The id of a new media that waits for its file."""
        request = SignUpload(
            file_name="clip.mp4",
            content_type="video/mp4",
            size=size,
            title="a title",
            procedure=procedure,
            covers=(CoverRequest(content_type="image/jpeg", size=100),) * covers,
            session_context="order-1",
        )
        return self.signing.sign(request).media_id

    def bring(self, key: str, body: bytes = b"a video") -> ArrivedObject:
        """An object is uploaded; what S3 tells of it."""
        identity = self.uploads.receive(key, body)
        return ArrivedObject(bucket=identity.bucket, key=key, version_id=identity.version_id, size=len(body))

    def checking(self, procedure: str = "standard_pre", *, covers: int = 0) -> Job:
        """The job of a media whose file has arrived; none of its covers has."""
        media_id = self.sign(procedure, covers=covers)
        self.ingest.arrived(self.bring(source_key(media_id)))
        return self.latest_job(media_id)

    def judged(self, suggestion: Suggestion, procedure: str = "standard_pre") -> Job:
        """The job of a media that the plan accepted and that was judged; nothing is published yet."""
        job = self.checking(procedure)
        self.settlement.accepted(job, "video/mp4")
        self.settlement.judged(job, verdict(job, suggestion))
        return self.store.job(job.job_id)

    def playing(self) -> str:
        """The id of a media that plays."""
        media_id = self.judged(Suggestion.PASS).media_id
        self.publishing.reconcile(media_id)
        return media_id

    def decide(self, media_id: str, decision: str, reviewer: str = "ada") -> Review:
        return self.reviewing.decide(Decide.model_validate({"media_id": media_id, "decision": decision}), reviewer)

    def media(self, media_id: str) -> Media:
        return self.store.media(media_id)

    def latest_job(self, media_id: str) -> Job:
        return self.store.job(self.store.media(media_id).latest_job or "")

    def events(self, kind: str) -> list[Event]:
        """What the outbox holds of one type, in the order of writing."""
        return [event for event in self.store.outbox if event.type == kind]


def verdict(job: Job, suggestion: Suggestion, *, segments_planned: int = 1, now: datetime = NOON) -> Verdict:
    """A verdict without segments; whatever is not `pass` is so for a gap."""
    complete = suggestion is Suggestion.PASS
    return Verdict(
        media_id=job.media_id,
        job_id=job.job_id,
        suggestion=suggestion,
        reasons=() if complete else ("detector_failed",),
        coverage=Coverage(
            segments_planned=segments_planned,
            segments_scanned=segments_planned,
            frames_planned=10,
            frames_decoded=10,
            frames_expected=10,
            frames_scored=10,
            duplicates=0,
            covers_planned=0,
            covers_scanned=0,
            sound_seconds=0,
            sound_heard_seconds=0,
            detectors={"explicit": DetectorCoverage(state="ok", version="1", looked=10)},
            reduced=False,
            complete=complete,
        ),
        versions=Versions(template=job.template.id, models="m", sampling="1 s", software="0"),
        created_at=now,
    )
