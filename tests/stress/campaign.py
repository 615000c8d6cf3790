"""Sign and post many media at once, bring their events twice and in disorder, wait, and count everything."""

import json
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from greenlight.api import Api, ApiError
from greenlight.stack.stack import Stack
from moderation.aws.media_store import outbox_event
from moderation.models.job import Job, JobState
from moderation.models.media import Media, MediaStatus, source_key
from moderation.models.verdict import Suggestion
from moderation.services.upload import PostForm, SignedUpload, SignUpload
from tests.clips import padded
from tests.local_stack import Bus
from tests.stored import object_keys, queue_url
from tests.stress.accidents import Accidents

QUEUES = ("UploadsQueue", "PublishQueue")
DEAD_LETTERS = (
    "UploadsDeadLetters",
    "PublishDeadLetters",
    "OutboxDeadLetters",
    "FailJobDeadLetters",
    "SweepDeadLetters",
)
UPLOADERS = 8
POLL_SECONDS = 2.0

Told = Callable[[str, int, int], None]
"""Called with what is counted, how many of it are done, and of how many."""


@dataclass(frozen=True)
class Upload:
    """One upload that was made, and when it was complete."""

    media_id: str
    size: int
    sent_at: datetime


@dataclass
class Report:
    """What a run has shown; `problems` is empty when nothing was lost and nothing doubled."""

    uploads: int
    seconds: float = 0.0
    uploading_seconds: float = 0.0
    verdicts: dict[str, int] = field(default_factory=dict)
    p50: float = 0.0
    p95: float = 0.0
    duplicates: int = 0
    overwrites: int = 0
    accidents: dict[str, int] = field(default_factory=dict)
    deepest: dict[str, int] = field(default_factory=dict)
    depth: list[dict[str, float]] = field(default_factory=list)
    dead_letters: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def per_minute(self) -> float:
        """Media from upload to the end of all that follows from it, a minute."""
        return 60 * self.uploads / self.seconds if self.seconds else 0.0

    def json(self) -> str:
        return json.dumps({**asdict(self), "per_minute": round(self.per_minute, 1)}, indent=2) + "\n"


class Campaign:
    """One run over a stack."""

    def __init__(self, stack: Stack, clip: Path, *, seed: int, procedure: str = "standard_pre") -> None:
        self._stack = stack
        self._clip = clip
        self._procedure = procedure
        self._dice = random.Random(seed)
        self._sqs = stack.client("sqs")
        self._urls = {name: queue_url(stack, name) for name in (*QUEUES, *DEAD_LETTERS)}
        self._bus = Bus(stack)
        self._done = threading.Event()

    def run(self, number: int, happening: Accidents, told: Told, timeout: float) -> Report:
        """Upload `number` media and wait until all is over, for at most `timeout` seconds."""
        report = Report(number)
        before = self._dead()
        watching = threading.Thread(target=self._watch, args=(report,), daemon=True)
        began = time.monotonic()
        watching.start()
        try:
            uploads = self._upload(number, report, told)
            report.uploading_seconds = round(time.monotonic() - began, 1)
            if not self._over(uploads, told, began + timeout):
                report.problems.append(f"not over after {timeout:.0f} s; in the queues: {self._depth()}")
            report.seconds = round(time.monotonic() - began, 1)
        finally:
            self._done.set()
            watching.join()
        report.accidents = happening.count()
        report.dead_letters = {name: count - before[name] for name, count in self._dead().items()}
        self._check(uploads, happening, report)
        return report

    # ── what comes in ──

    def _upload(self, number: int, report: Report, told: Told) -> list[Upload]:
        """Each media has a size of its own, so that no two can be taken for one another."""
        base = self._clip.stat().st_size + 8
        plans = [(base + i, self._dice.randrange(4), self._dice.random() < 0.05) for i in range(number)]
        report.duplicates = sum(copies for _, copies, _ in plans)
        report.overwrites = sum(again for _, _, again in plans)
        uploads: list[Upload] = []
        lock = threading.Lock()
        with Api(self._stack.api_url, self._stack.token, timeout=120) as api, ThreadPoolExecutor(UPLOADERS) as pool:

            def one(plan: tuple[int, int, bool]) -> None:
                upload = self._one(api, *plan)
                with lock:
                    uploads.append(upload)
                    told("uploads", len(uploads), number)

            for done in [pool.submit(one, plan) for plan in plans]:
                done.result()
        return uploads

    def _one(self, api: Api, size: int, copies: int, again: bool) -> Upload:
        file = padded(self._clip, size)
        signed = _signed(
            api, SignUpload(file_name="clip.mp4", content_type="video/mp4", size=size, procedure=self._procedure)
        )
        assert isinstance(signed.upload, PostForm)
        api.post(signed.upload.url, signed.upload.fields, file)
        sent_at = datetime.now(UTC)
        if again:  # a later version under the same form: recorded, never moderated
            api.post(signed.upload.url, signed.upload.fields, file)
        self._repeat(signed.media_id, size, copies)
        return Upload(signed.media_id, size, sent_at)

    def _repeat(self, media_id: str, size: int, copies: int) -> None:
        """The events of a media once more, the last version's first, each within ten seconds."""
        if not copies:
            return
        key, bucket = source_key(media_id), self._stack.outputs["UploadsBucketName"]
        for version in self._stack.client("s3").list_object_versions(Bucket=bucket, Prefix=key)["Versions"]:
            s3 = {"bucket": {"name": bucket}, "object": {"key": key, "size": size, "versionId": version["VersionId"]}}
            record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Post", "s3": s3}
            body = json.dumps({"Records": [record]})
            for copy in range(copies):
                delay = random.Random(f"{media_id} {copy}").randrange(10)
                self._sqs.send_message(QueueUrl=self._urls["UploadsQueue"], MessageBody=body, DelaySeconds=delay)

    # ── until it is over ──

    def _over(self, uploads: list[Upload], told: Told, deadline: float) -> bool:
        """Wait until every job has told its end, each decision is carried out, each event sent, each queue empty."""
        ids = {upload.media_id for upload in uploads}
        while time.monotonic() < deadline:
            ended = {media_id for media_id, kind, _ in self._told() if kind == "Moderation Completed"} & ids
            told("verdicts", len(ended), len(ids))
            if ended == ids:
                items = self._items()
                followed = sum(settled(items.media[media_id]) for media_id in ids)
                told("followed", followed, len(ids))
                written = set().union(*(items.events[media_id] for media_id in ids))
                sent = {event_id for _, _, event_id in self._told()}
                if followed == len(ids) and written <= sent and not any(self._depth().values()):
                    return True
            time.sleep(POLL_SECONDS)
        return False

    def _told(self) -> set[tuple[str, str, str]]:
        """Media, type and id of every event that has come out."""
        return {
            (event["detail"]["media_id"], event["detail-type"], event["detail"]["event_id"])
            for event in self._bus.all()
        }

    def _watch(self, report: Report) -> None:
        began = time.monotonic()
        while not self._done.wait(POLL_SECONDS):
            depth = self._depth()
            report.depth.append({"at": round(time.monotonic() - began, 1), **depth})
            report.deepest = {name: max(report.deepest.get(name, 0), count) for name, count in depth.items()}

    def _depth(self) -> dict[str, int]:
        return {name: self._messages(name, "", "NotVisible", "Delayed") for name in QUEUES}

    def _dead(self) -> dict[str, int]:
        return {name: self._messages(name, "") for name in DEAD_LETTERS}

    def _messages(self, queue: str, *kinds: str) -> int:
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        counts = self._sqs.get_queue_attributes(QueueUrl=self._urls[queue], AttributeNames=names)["Attributes"]
        return sum(int(counts[name]) for name in names)

    # ── what must be so ──

    def _check(self, uploads: list[Upload], happening: Accidents, report: Report) -> None:
        items = self._items()
        sent: dict[str, set[str]] = defaultdict(set)
        for media_id, _, event_id in self._told():
            sent[media_id].add(event_id)
        copies: dict[str, set[str]] = defaultdict(set)
        for key in object_keys(self._stack, "Playback", ""):
            copies[key.partition("/")[0]].add(key)
        unseen = happening.unseen()
        verdicts: Counter[str] = Counter()
        waits = []
        for upload in uploads:
            media, jobs = items.media[upload.media_id], items.jobs.get(upload.media_id, [])
            expected = Suggestion.REVIEW if any(job.job_id in unseen for job in jobs) else Suggestion.PASS
            problem = wrong(upload, media, jobs, expected) or astray(
                media, jobs[0], items.events[upload.media_id], sent[upload.media_id], copies[upload.media_id]
            )
            if problem:
                report.problems.append(f"{upload.media_id}: {problem}")
            for job in jobs:
                verdicts[job.verdict.suggestion if job.verdict else str(job.outcome)] += 1
                if job.finished_at:
                    waits.append((job.finished_at - upload.sent_at).total_seconds())
        report.verdicts = dict(verdicts)
        if len(waits) > 1:
            cuts = statistics.quantiles(waits, n=20, method="inclusive")
            report.p50, report.p95 = round(cuts[9], 1), round(cuts[18], 1)
        runs = Counter(run["status"] for run in self._runs({upload.media_id for upload in uploads}))
        if runs != {"SUCCEEDED": len(uploads)}:
            report.problems.append(f"runs of the state machine: {dict(runs)}")
        report.problems += [f"{count} messages in {name}" for name, count in report.dead_letters.items() if count]

    def _runs(self, ids: set[str]) -> list[dict[str, Any]]:
        pages = self._stack.client("stepfunctions").get_paginator("list_executions")
        found = pages.paginate(stateMachineArn=self._stack.outputs["StateMachineArn"])
        return [run for page in found for run in page["executions"] if run["name"].partition("-")[0] in ids]

    def _items(self) -> "Items":
        items = Items()
        pages = self._stack.client("dynamodb").get_paginator("scan")
        for page in pages.paginate(TableName=self._stack.outputs["TableName"], ConsistentRead=True):
            for item in page["Items"]:
                items.add(item)
        return items


def _signed(api: Api, request: SignUpload) -> SignedUpload:
    """As any caller does: what the API cannot answer now is asked again."""
    for pause in (1, 2, 4):
        try:
            return api.sign(request)
        except ApiError as error:
            if error.status < 500:
                raise
        time.sleep(pause)
    return api.sign(request)


def wrong(upload: Upload, media: Media, jobs: list[Job], expected: Suggestion) -> str:
    """What is wrong with a media and its verdict, or nothing."""
    if len(jobs) != 1:
        return f"{len(jobs)} jobs"
    (job,) = jobs
    if job.state is not JobState.FINISH or job.verdict is None or job.verdict.suggestion is not expected:
        reasons = job.verdict.reasons if job.verdict else (job.error,)
        return f"the job is {job.state} with {reasons}, not with a verdict {expected}"
    if media.identity is None or media.identity.size != upload.size:
        return "another file was moderated"
    status = MediaStatus.NORMAL if expected is Suggestion.PASS else MediaStatus.REVIEWING
    return "" if media.status is status else f"the media is {media.status}, not {status}"


def astray(media: Media, job: Job, written: set[str], sent: set[str], copies: set[str]) -> str:
    """Which event or copy of a judged media is missing or too many, or nothing."""
    if copies != ({media.published_key} if media.status is MediaStatus.NORMAL else set()):
        return f"{len(copies)} copies to play"
    ids = {f"uploaded-{job.job_id}", f"completed-{job.job_id}", f"status-{media.media_id}-{media.revision}"}
    return "" if written == sent == ids else f"events {sorted(written)} were written and {sorted(sent)} sent"


def settled(media: Media) -> bool:
    """True when what was decided of a media is carried out."""
    return media.playable if media.status is MediaStatus.NORMAL else media.status is MediaStatus.REVIEWING


class Items:
    """The table, by media."""

    def __init__(self) -> None:
        self.media: dict[str, Media] = {}
        self.jobs: dict[str, list[Job]] = {}
        self.events: dict[str, set[str]] = {}

    def add(self, item: dict[str, Any]) -> None:
        media_id, kind = item["pk"]["S"].partition("#")[2], item["sk"]["S"].partition("#")[0]
        if kind == "META":
            self.media[media_id] = Media.model_validate_json(item["doc"]["S"])
            self.events.setdefault(media_id, set())
        elif kind == "JOB":
            self.jobs.setdefault(media_id, []).append(Job.model_validate_json(item["doc"]["S"]))
        elif kind == "OUTBOX":
            self.events.setdefault(media_id, set()).add(outbox_event(item).event_id)
