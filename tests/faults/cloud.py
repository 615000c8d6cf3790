"""All functions but the API's in one process: real handlers and use cases over the ports in memory, in virtual time.

What lies between the functions is played as `template.yaml` and `functions/moderation.asl.yaml` have it: the retries
of the state machine, of queues, of the stream and of asynchronous calls, the schedule, dead letters, time-outs.
"""

import io
import json
import os
import shutil
import tempfile
import wave
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

import pytest
from PIL import Image

from greenlight.paths import CHECKOUT
from greenlight.stack.template import read as template
from moderation.detectors.base import FrameResult
from moderation.entrypoints import compose
from moderation.media.ffmpeg import MediaRefused
from moderation.media.frames import Extracted
from moderation.media.sound import RATE, Sound
from moderation.memory.clock import CountingIds, FixedClock
from moderation.memory.event_bus import MemoryEventBus
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.publisher import MemoryPublisher
from moderation.memory.uploads import LocalUploads
from moderation.memory.workflow import MemoryWorkflow
from moderation.models.event import Event, MediaStatusChanged
from moderation.models.job import JobState
from moderation.models.media import cover_key, source_key
from moderation.models.observation import Observation
from moderation.models.plan import FrameEntry, FrameReason, Plan, RefusalCode, SegmentFrames
from moderation.models.reading import Text, TextFinding
from moderation.models.sound import TrackHearing, Utterance
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion
from moderation.ports import Run
from moderation.services import extract, hear, plan, read, scan
from moderation.services.upload import CoverRequest, SignUpload
from moderation.settings import settings
from tests.builders import NOON, silent_plan, sounding
from tests.faults.faults import Fault, Injector, Killed, Means
from tests.faults.machine import Ended, Machine, StepError
from tests.world import EXPIRY

P = ParamSpec("P")
T = TypeVar("T")

SOUND = 1
"""The track of it."""
SAID = "hello"
SEGMENTS = 2
FRAMES = 2
PACKETS = 4
EVERY = timedelta(minutes=5)
"""How often jobs that should have ended are looked for."""
_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112 -- a disk would take most of the time
HORIZON = timedelta(days=3)
"""Nothing may take longer, whatever went wrong."""


class _Templates:
    """The port `Templates`: any name, with rules for frames and covers, for sounds, and for what is said and titles."""

    def get(self, name: str) -> Template:
        explicit = Rule(
            label="porn", sub_label="explicit", forms=frozenset({Form.IMAGE, Form.COVER}), review=60, block=90, single=0
        )
        moan = Rule(label="porn", sub_label="moan", forms=frozenset({Form.VOICE}), review=60)
        speech = Rule(label="abuse", sub_label="speech", forms=frozenset({Form.ASR}), review=60)
        title = Rule(label="abuse", sub_label="text", forms=frozenset({Form.TITLE}), review=60)
        return Template(name=name, revision=1, auto_block=True, rules=(explicit, moan, speech, title))


@cache
def _template() -> dict[str, Any]:
    return template(CHECKOUT / "template.yaml")


@cache
def _machine() -> dict[str, Any]:
    return template(CHECKOUT / "functions" / "moderation.asl.yaml")


def _properties(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = _template()["Resources"][name]["Properties"]
    return properties


@cache
def _timeout(function: str) -> timedelta:
    default = _template()["Globals"]["Function"]["Timeout"]
    return timedelta(
        seconds=_properties(f"{''.join(map(str.title, function.split('_')))}Function").get("Timeout", default)
    )


@cache
def _handler(function: str) -> Callable[[Any, Any], Any]:
    # A module of its own: what it takes from the environment when it is loaded stays with these tests.
    spec = spec_from_file_location(f"{__name__}.{function}", CHECKOUT / "functions" / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[Any, Any], Any] = module.handler
    return handler


@cache
def _cover() -> bytes:
    stored = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).save(stored, "JPEG")
    return stored.getvalue()


@dataclass(frozen=True)
class Clip:
    """What is uploaded: whether there is something to find in it, and whether it is a video at all."""

    violation: bool = False
    refused: bool = False


@dataclass
class _Message:
    body: str
    due: datetime
    received: int = 0


@dataclass
class Queue:
    """A queue with its consumer and its dead letters."""

    name: str
    function: str
    waiting: list[_Message] = field(default_factory=list)
    dead: list[_Message] = field(default_factory=list)


@dataclass
class _Late:
    """An asynchronous call of a function, or a record of the stream, that may have to be tried again."""

    event: dict[str, Any]
    due: datetime
    tried: int = 0


class _AtOnce(Executor):
    """Runs what it is given then and there."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Cloud:
    """One deployment with one media in it. Make it within `deployed`, which wires the functions to it."""

    def __init__(self, folder: Path, clip: Clip, procedure: str, fault: Fault | None = None) -> None:
        (folder / "uploads").mkdir()
        (folder / "results").mkdir()
        self.clip = clip
        self.clock = FixedClock(NOON)
        self.store = MemoryMediaStore()
        self.uploads = LocalUploads(folder / "uploads")
        self.objects = FolderObjects(folder / "results")
        self.workflow = MemoryWorkflow()
        self.publisher = MemoryPublisher(self.uploads)
        self.bus = MemoryEventBus()
        means = Means(self._pass_time, self._seconds_left, self.purge, self._keys, self._stored, self._store)
        self.injector = Injector(means, fault)
        self.broken: str | None = None
        """A step that fails whenever it is called."""
        self.cut_off: str | None = None
        """How the run ends before its first frames are looked at, once: ABORTED or TIMED_OUT."""
        self.queues = {
            name: Queue(name, name.removesuffix("Queue").lower().replace("uploads", "ingest"))
            for name in ("UploadsQueue", "PublishQueue")
        }
        self.runs: dict[str, Ended] = {}
        self.stream: list[_Late] = []
        self.later: list[_Late] = []
        self.dead: list[_Late] = []
        self._followed = self._forwarded = 0
        self._ends = self.clock.now()
        self._looked_after = self.clock.now()
        self.ids = CountingIds()
        self._enter()
        request = SignUpload(
            file_name="clip.mp4",
            content_type="video/mp4",
            size=1000,
            title="a title",
            procedure=procedure,
            covers=(CoverRequest(content_type="image/jpeg", size=100),),
        )
        self.media_id = compose.upload_signing().sign(request).media_id

    def _enter(self) -> None:
        """Let the functions be wired to this world."""
        for member in vars(compose).values():
            if hasattr(member, "cache_clear"):
                member.cache_clear()
        wrapped = self.injector.wrap
        _here.ports = {
            "_store": wrapped("store", self.store),
            "_objects": wrapped("objects", self.objects),
            "_uploads": wrapped("uploads", self.uploads),
            "_workflow": wrapped("workflow", self.workflow),
            "event_bus": wrapped("bus", self.bus),
            "_templates": wrapped("templates", _Templates()),
            "S3Publisher": wrapped("publisher", self.publisher),
            "publish_messages": self,
            "SystemClock": self.clock,
            "RandomIds": self.ids,
        }
        _here.cloud = self

    # ── what happens to the media ──

    def bring(self, key: str, body: bytes) -> None:
        """An object is uploaded, and S3 tells of it."""
        identity = self.uploads.receive(key, body)
        stored = {"key": key, "versionId": identity.version_id, "size": identity.size, "eTag": "", "sequencer": "0"}
        s3 = {"bucket": {"name": identity.bucket}, "object": stored}
        self._send("UploadsQueue", {"Records": [{"eventName": "ObjectCreated:Post", "s3": s3}]})

    def upload(self) -> None:
        """The cover and the video are uploaded."""
        self.bring(cover_key(self.media_id, 0), _cover())
        self.bring(source_key(self.media_id), b"a video")

    def moderated(self) -> None:
        """The video is uploaded, and everything that follows has happened."""
        self.upload()
        self.settle()

    def ask(self, function: str, do: Callable[[], T]) -> T:
        """Somebody calls the API, again when there is no answer or a bad one, until there is a good one."""
        for _ in range(4):
            try:
                return self._within(function, do)
            except StepError:
                self._pass_time(30)
        self.injector.mend()
        return self._within(function, do)

    def purge(self) -> None:
        """The owner deletes the media, and all of it is purged at once."""
        function, self.injector.function = self.injector.function, ""
        compose.library().delete(self.media_id)
        compose.publishing().reconcile(self.media_id)
        self.injector.function = function

    # ── the passing of time ──

    def settle(self) -> None:
        """Until nothing moves any more. Raises AssertionError when that takes for ever."""
        end = self.clock.now() + HORIZON
        while self.clock.now() < end:
            self._tick()
            started = [job_id for job_id in self.workflow.started if job_id not in self.runs]
            for job_id in started:
                self._run(job_id)
            if started:
                continue
            due = [late.due for late in (*self.stream[:1], *self.later)]  # the stream waits for its first record
            due += [message.due for queue in self.queues.values() for message in queue.waiting]
            if self.open_jobs():
                due.append(self._looked_after + EVERY)
            if not due:
                return
            self._pass_time(max(0.0, (min(due) - self.clock.now()).total_seconds()))
        raise AssertionError("it never settles")

    def open_jobs(self) -> list[str]:
        return [
            job.job_id for job in self.store.jobs(self.media_id) if job.state not in (JobState.FINISH, JobState.ABORTED)
        ]

    def dead_letters(self) -> int:
        return len(self.dead) + sum(len(queue.dead) for queue in self.queues.values())

    def redrive(self) -> None:
        """Somebody has seen the alarms, mended what was wrong, and brings back what was given up."""
        self.injector.mend()
        for queue in self.queues.values():
            queue.waiting += [_Message(message.body, self.clock.now()) for message in queue.dead]
            queue.dead.clear()
        self.later += [_Late(late.event, self.clock.now()) for late in self.dead]
        self.dead.clear()

    def _pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def _seconds_left(self) -> float:
        return (self._ends - self.clock.now()).total_seconds()

    # ── what lies between the functions ──

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Call a function as Lambda does. Raises StepError."""
        event = json.loads(json.dumps(event))
        context = SimpleNamespace(
            aws_request_id="request",
            function_name=function,
            get_remaining_time_in_millis=lambda: int(1000 * self._seconds_left()),
        )
        answer = self._within(function, lambda: _handler(function)(event, context))
        return json.loads(json.dumps(answer))

    def _within(self, function: str, do: Callable[[], T]) -> T:
        self._ends = self.clock.now() + _timeout(function)
        self.injector.function = function
        try:
            return do()
        except Killed as end:
            raise StepError(end.error, "the process is gone") from None
        except Exception as error:
            raise StepError(type(error).__name__, json.dumps({"errorMessage": str(error)})) from error
        finally:
            self.injector.function = ""
            self._nothing_unchecked_plays()

    def _nothing_unchecked_plays(self) -> None:
        media = self.store.media(self.media_id)
        if not media.playable or media.procedure.mode == "post" or media.decided_by is not None:
            return
        verdicts = [job.verdict for job in self.store.jobs(self.media_id) if job.verdict is not None]
        assert any(v.suggestion is Suggestion.PASS and v.coverage.complete for v in verdicts), "unchecked media plays"

    def _run(self, job_id: str) -> None:
        given = {"media_id": self.workflow.started[job_id], "job_id": job_id}
        machine = Machine(_machine(), self._step, self.clock)
        try:
            ended = machine.run(given)
        except _CutOff as end:
            ended = Ended(str(end))
        self.runs[job_id] = ended
        self.workflow.ended[job_id] = Run(ended.status, ended.cause)
        if ended.status != "SUCCEEDED":
            detail = {"input": json.dumps(given), "status": ended.status, "cause": ended.cause}
            self.later.append(_Late({"detail": detail}, self.clock.now()))

    def _step(self, logical: str, payload: dict[str, Any]) -> Any:
        function = _folder(logical)
        self._tick()
        if function == "scan_frames" and self.cut_off:
            how, self.cut_off = self.cut_off, None
            raise _CutOff(how)
        if function == self.broken:
            raise StepError("Unforeseen", "there is a mistake")
        return self.invoke(function, payload)

    def _tick(self) -> None:
        """Everything happens that is due by now, but for runs of the state machine."""
        progress = True
        while progress:
            progress = self._follow() | self._deliver() | self._call_later()
        if self.clock.now() - self._looked_after >= EVERY:
            self._looked_after = self.clock.now()
            with suppress(StepError):
                self.invoke("watch", {"time": self.clock.now().isoformat()})

    def _follow(self) -> bool:
        """The stream brings new events to the outbox, in order; the bus forwards what it gets."""
        for event in self.store.outbox[self._followed :]:
            self.stream.append(_Late(_record(event), self.clock.now()))
        self._followed = len(self.store.outbox)
        source = _properties("OutboxSource")
        moved = False
        while self.stream and self.stream[0].due <= self.clock.now():
            moved = True
            late = self.stream[0]
            if self._try("outbox", late):
                self.stream.pop(0)
            elif late.tried > source["MaximumRetryAttempts"]:
                self.dead.append(self.stream.pop(0))
            else:
                late.due = self.clock.now() + timedelta(seconds=min(60, 2**late.tried))
        for sent in self.bus.sent[self._forwarded :]:
            if isinstance(sent, MediaStatusChanged):
                self._send("PublishQueue", {"detail": sent.model_dump(mode="json")})
        self._forwarded = len(self.bus.sent)
        return moved

    def _call_later(self) -> bool:
        attempts = 1 + _properties("FailJobFunction")["EventInvokeConfig"]["MaximumRetryAttempts"]
        due = [late for late in self.later if late.due <= self.clock.now()]
        for late in due:
            self.later.remove(late)
            if self._try("outbox" if "Records" in late.event else "fail_job", late):
                continue
            if late.tried >= attempts:
                self.dead.append(late)
            else:
                self.later.append(_Late(late.event, self.clock.now() + timedelta(minutes=late.tried), late.tried))
        return bool(due)

    def _try(self, function: str, late: _Late) -> bool:
        late.tried += 1
        try:
            answer = self.invoke(function, late.event)
        except StepError:
            return False
        return not answer.get("batchItemFailures")

    def _deliver(self) -> bool:
        moved = False
        for queue in self.queues.values():
            properties = _properties(queue.name)
            for message in [message for message in queue.waiting if message.due <= self.clock.now()]:
                moved = True
                self._received = message
                if message.received == properties["RedrivePolicy"]["maxReceiveCount"]:
                    queue.waiting.remove(message)
                    queue.dead.append(message)
                    continue
                message.received += 1
                message.due = self.clock.now() + timedelta(seconds=properties["VisibilityTimeout"])
                with suppress(StepError):
                    if not self.invoke(queue.function, _delivery(message))["batchItemFailures"]:
                        queue.waiting.remove(message)
        return moved

    def hide(self, receipt: str, seconds: int) -> None:
        """Let the message that was received last come again in so many seconds."""
        self._received.due = self.clock.now() + timedelta(seconds=seconds)

    def _send(self, queue: str, body: object) -> None:
        self.queues[queue].waiting.append(_Message(json.dumps(body), self.clock.now()))

    def forget(self) -> None:
        """The table forgets an upload that never came to anything, and its stream tells of it until it is swept."""
        keys = {"pk": {"S": f"MEDIA#{self.media_id}"}, "sk": {"S": "META"}}
        record = {"eventID": "removed", "dynamodb": {"SequenceNumber": "1", "Keys": keys}}
        late = _Late({"Records": [record]}, self.clock.now())
        while not self._try("sweep", late):
            if late.tried > _properties("SweepSource")["MaximumRetryAttempts"]:
                self.dead.append(late)
                return

    # ── the results bucket, behind the back of its port ──

    def _keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects.content_types() if key.startswith(prefix))

    def _stored(self, key: str) -> bytes | None:
        return self.objects.get(key) if key in self.objects.content_types() else None

    def _store(self, key: str, body: bytes | None) -> None:
        if body is not None:
            self.objects.put(key, body, "application/octet-stream")
        elif key in self.objects.content_types():
            self.objects.delete_prefix(key)

    # ── what ffmpeg and the models would do ──

    def make_plan(self, *_: object) -> Plan:
        if self.clip.refused:
            raise MediaRefused(RefusalCode.NOT_A_VIDEO, "this is no video")
        return sounding(silent_plan(segments=SEGMENTS, seconds=float(FRAMES), packets=PACKETS), SOUND)

    def extract_segment(self, index: int, folder: Path) -> Extracted:
        frames = SegmentFrames(
            index=index,
            start=float(index * FRAMES),
            end=float((index + 1) * FRAMES),
            planned=FRAMES,
            expected=PACKETS,
            decoded=PACKETS,
            errors=0,
            reduced=False,
            capped=False,
            frames=tuple(
                FrameEntry(
                    ordinal=number,
                    track=0,
                    time=float(index * FRAMES + number),
                    reason=FrameReason.INTERVAL,
                    pictures={"detail": f"detail/{number:06d}.jpg"},
                )
                for number in range(FRAMES)
            ),
        )
        archive = folder / "frames.zip"
        with zipfile.ZipFile(archive, "w") as stored:
            stored.writestr("index.json", frames.model_dump_json())
            for frame in frames.frames:
                found = self.clip.violation and (index, frame.ordinal) == (SEGMENTS - 1, 0)
                stored.writestr(frame.pictures["detail"], b"violation" if found else b"a clean picture")
        if index >= SEGMENTS:
            return Extracted(archive, frames, ())
        sound = Sound(SOUND, folder / "sound.wav", frames.start)
        with wave.open(str(sound.path), "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(RATE)
            written.writeframes(bytes(2 * RATE * FRAMES))
        return Extracted(archive, frames, (sound,))


class _CutOff(Exception):
    """The run has ended in the middle of it all."""


class _Eyes:
    """Stands in for all detectors: sees by the bytes of a picture what is in it."""

    followers = ()

    def __init__(self, *_: object) -> None:
        pass

    def look(self, pictures: Mapping[str, bytes], *, form: Form = Form.IMAGE) -> FrameResult:
        found = _here.cloud.clip.violation if form is Form.COVER else b"violation" in pictures.values()
        seen = Observation(detector="explicit", form=form, label="porn", sub_label="explicit", score=0.97)
        return FrameResult((seen,) if found else (), {}, None, None)


class _Ears:
    """Stand in for all detectors of sound: in every segment somebody says the same."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def hear(self, track: TrackHearing, specs: object, start: float, heard: float) -> TrackHearing:
        said = Utterance(start=start + 0.5, end=start + 1.5, text=SAID, language="en", score=0.9)
        return track.model_copy(update={"heard": heard, "speech": 1.0, "utterances": (said,)})


class _Mind:
    """Stands in for all that judges texts, and finds nothing in them."""

    def find(self, texts: Sequence[Text]) -> list[list[TextFinding]]:
        return [[] for _ in texts]


def _folder(logical: str) -> str:
    folder: str = _properties(logical)["CodeUri"]
    return folder.removeprefix("functions/")


def _record(event: Event) -> dict[str, Any]:
    image = {"doc": {"S": event.model_dump_json()}}
    return {"Records": [{"eventID": event.event_id, "dynamodb": {"SequenceNumber": "1", "NewImage": image}}]}


def _delivery(message: _Message) -> dict[str, Any]:
    record = {
        "messageId": "message",
        "receiptHandle": "receipt",
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.received)},
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


@dataclass
class _Here:
    """What the functions are wired to just now."""

    ports: dict[str, Any] = field(default_factory=dict)
    cloud: Cloud = None  # type: ignore[assignment]  # nothing runs before there is one


_here = _Here()


@contextmanager
def deployed() -> Iterator[Callable[..., Cloud]]:
    """Makes clouds, one after the other: each takes the place of the one before."""
    ffmpeg: dict[str, Callable[..., Any]] = {
        "make_plan": lambda *given, **more: _here.cloud.make_plan(),
        "extract_segment": lambda source, plan, index, **more: _here.cloud.extract_segment(index, more["folder"]),
    }

    def called(method: str) -> Callable[..., Any]:
        return lambda *given, **more: _here.cloud.injector.call(
            "ffmpeg", method, lambda *_: ffmpeg[method](*given, **more), given
        )

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="faults-", dir=_MEMORY) as root:
        patch.setattr(tempfile, "tempdir", root)  # of the functions
        patch.setenv("GREENLIGHT_UPLOAD_EXPIRY", f"PT{int(EXPIRY.total_seconds())}S")
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Greenlight")
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        settings.cache_clear()
        ports = ("_store", "_objects", "_templates", "_uploads", "_workflow", "event_bus", "publish_messages")
        for name in (*ports, "SystemClock", "RandomIds"):
            patch.setattr(compose, name, lambda name=name: _here.ports[name])
        patch.setattr(compose, "S3Publisher", lambda *_, **__: _here.ports["S3Publisher"])
        patch.setattr(compose, "_client", lambda service: None)
        patch.setattr(compose, "ThreadPoolExecutor", lambda workers: _AtOnce())
        patch.setattr(plan, "make_plan", called("make_plan"))
        patch.setattr(extract, "extract_segment", called("extract_segment"))
        patch.setattr(scan, "Scanner", _Eyes)
        patch.setattr(scan, "load", lambda path: None)
        patch.setattr(hear, "_Ear", _Ears)
        patch.setattr(read, "make", lambda *_: _Mind())
        count = 0

        def make(clip: Clip, procedure: str, fault: Fault | None = None) -> Cloud:
            nonlocal count
            shutil.rmtree(Path(root) / str(count), ignore_errors=True)
            count += 1
            folder = Path(root) / str(count)
            folder.mkdir()
            return Cloud(folder, clip, procedure, fault)

        try:
            yield make
        finally:
            settings.cache_clear()
            patch.undo()
            for member in vars(compose).values():
                if hasattr(member, "cache_clear"):
                    member.cache_clear()
