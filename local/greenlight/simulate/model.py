"""The application under a load, step by step. The state machine is the shipped one, walked state by state."""

import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

import simpy

from greenlight.simulate.history import ATTEMPT, RUN, SPAN, STATE, items_of
from greenlight.simulate.load import Load, Video, segments
from greenlight.simulate.parts import Backoff, Bucket, Consumer, Flow, Function, Level, Meter, Pool
from greenlight.simulate.published import Quota, steps
from greenlight.simulate.shipped import FunctionSpec, Shipped
from moderation.models.media import MAX_SIZE, SINGLE_POST_LIMIT
from moderation.refine import MAX_QUESTIONS

MAX_POLLERS = 1250
"""What Lambda starts at most for one queue where nothing bounds it."""
COPY_PART, COPIED_AT_ONCE = 256, 8
"""Megabytes and parts of a copy, as `moderation.aws.publisher` has them."""
API_SECONDS = 0.03
"""What a warm call of the API takes; assumed."""
PLAYED_EVERY = 60.0
"""Seconds from one viewer of a media to the next."""
UNRESERVED = 100
"""Executions of the account that cannot be reserved."""
SHARDS = 4
"""A new table on demand has four partitions, and its stream a shard for each."""


@dataclass
class Upload:
    """One media on its way, and what became of it."""

    video: Video
    arrived: float
    segments: tuple[float, ...]
    megabytes: float
    verdicts: int = 0
    lost: int = 0
    transitions: int = 0
    events: int = RUN
    took: float = 0.0


class Model:
    """Everything that a run of the simulation counts; `run` runs it."""

    def __init__(
        self,
        app: Shipped,
        load: Load,
        quotas: Mapping[str, Quota],
        *,
        known: Mapping[str, Any] | None = None,
        vcpu_speed: float = 1.0,
        lifted: frozenset[str] = frozenset(),
    ) -> None:
        """`known` is what steps.yaml holds, or was measured instead; `lifted` are keys of limits to do without.

        Raises ValueError for reservations that AWS would refuse.
        """
        self.app, self.load, self.quotas = app, load, quotas
        self.known = known or steps()
        self._speed = vcpu_speed
        self._lifted = lifted
        self._random = random.Random(f"{load.seed} retries")
        self.window = 0.0
        self.env = simpy.Environment()
        self.meters: defaultdict[str, Meter] = defaultdict(Meter)
        self.uploads: list[Upload] = []
        self.minutes = 0.0
        self.to_verdict = array("d")
        self.to_play = array("d")
        self.retried = Counter[str]()
        self.open = Level(self.env)
        self.transitions = self._bucket("state_transitions")
        self.starts = self._bucket("start_execution")
        self.account = Pool(self.env, self._limit("lambda_concurrency", quotas["lambda_concurrency"].value))
        self.functions = self._functions()
        self._backoffs = dict(_backoffs(app.machine))
        self.ingest = self._queue("IngestFunction", self._ingest_seconds, self._ingested)
        self.publish = self._queue("PublishFunction", self._publish_seconds, self._published)
        outbox = app.streams["OutboxFunction"]
        self.outbox = [
            Consumer(
                self.env,
                self.functions["OutboxFunction"],
                batch=outbox.batch,
                pollers=1,
                seconds=lambda batch: len(batch) * self._latency("put_events"),
                done=self._sent,
            )
            for _ in range(SHARDS)
        ]

    def run(self, seconds: float, *, drain: bool = True) -> "Model":
        """Let uploads arrive for so many seconds; then, with `drain`, let all that began come to its end."""
        self.window = seconds
        self.env.process(self._arrive(seconds))
        self.env.run(None if drain else seconds)
        return self

    # ── what is there ──

    def _limit(self, key: str, value: float) -> float:
        return float("inf") if key in self._lifted else value

    def _bucket(self, key: str) -> Bucket:
        quota = self.quotas[key]
        return Bucket(self.env, self._limit(key, quota.value), self._limit(key, quota.burst))

    def _functions(self) -> dict[str, Function]:
        """Functions with a reservation have a pool of their own; the others share what is left of the account."""
        inits = self.known["init"]
        made = {}
        for name, spec in self.app.functions.items():
            pool = self.account
            if spec.reserved is not None and f"{name} reserved" not in self._lifted:
                self.account.size -= spec.reserved
                pool = Pool(self.env, spec.reserved)
            made[name] = Function(
                self.env,
                pool,
                timeout=spec.timeout,
                init=inits.get(_step(name), inits["else"]) / self._speed,
                keep_alive=self.known["keep_alive"],
                scaling=self._limit("lambda_scaling", self.quotas["lambda_scaling"].value),
                random_=self._random,
            )
        if self.account.size < min(UNRESERVED, self.quotas["lambda_concurrency"].value):
            raise ValueError(f"{self.account.size:g} executions would be left unreserved; AWS keeps {UNRESERVED}")
        return made

    def _queue(self, name: str, seconds: Callable[[Sequence[Any]], float], done: Callable[[Any], None]) -> Consumer:
        source = self.app.queues[name]
        most = source.concurrency if f"{name} source" not in self._lifted else None
        return Consumer(
            self.env, self.functions[name], batch=source.batch, pollers=most or MAX_POLLERS, seconds=seconds, done=done
        )

    def _latency(self, what: str) -> float:
        return float(self.known["latency"][what])

    def _count(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            self.meters[name].add(self.env.now, amount)

    # ── the way of an upload ──

    def _arrive(self, seconds: float) -> Flow:
        for time, video in self.load.arrivals(seconds):
            yield self.env.timeout(time - self.env.now)
            cuts = segments(video.seconds)
            megabytes = min(video.seconds * self.known["bitrate"][video.height] / 8, MAX_SIZE / 1e6)
            upload = Upload(video, time, cuts, megabytes)
            self.uploads.append(upload)
            self.minutes += video.seconds / 60
            self._signed(upload)
            for _ in range(video.covers):
                self.ingest.put((upload, "cover"))
            self.ingest.put((upload, "source"))

    def _signed(self, upload: Upload) -> None:
        """The uploader's calls. They are counted here, at the time that the file arrives."""
        parts = ceil(upload.megabytes / 16) if upload.megabytes * 1e6 > SINGLE_POST_LIMIT else 1
        calls = 1 if parts == 1 else 2
        self._api("UploadFunction", [self.env.now] * calls, "upload")
        objects = 1 + upload.video.covers
        self._count(uploads_writes=parts + 2 * (parts > 1) + upload.video.covers, queue_requests=objects)

    def _api(self, function: str, times: Sequence[float], task: str | None = None) -> None:
        """Calls of the API, which take a moment, too little to be simulated one by one."""
        called = self.functions[function]
        called.calls += len(times)
        called.seconds += len(times) * API_SECONDS
        for time in times:
            self.meters["api"].add(time)
            if task:
                self._ask(task, time)

    def _ingest_seconds(self, batch: Sequence[Any]) -> float:
        table = 2 * self._latency("table_read") + self._latency("table_write")
        return len(batch) * (table + 2 * self._latency("s3") + self._latency("start_execution"))

    def _ingested(self, message: tuple[Upload, str]) -> None:
        upload, kind = message
        self._count(queue_requests=2 / self.app.queues["IngestFunction"].batch)
        if kind == "cover":
            self._ask("cover")
            return
        self._ask("ingest")
        self._emit(upload, "Media Uploaded")
        self.env.process(self._moderated(upload))

    def _moderated(self, upload: Upload) -> Flow:
        if wait := self.starts.take():
            yield self.env.timeout(wait)
        self.open.add(1)
        yield from self._states(self.app.machine, upload, upload.video.seconds)
        self.open.add(-1)
        upload.took = self.env.now - upload.arrived
        if upload.verdicts:
            self.to_verdict.append(upload.took)
        self._emit(upload, "Moderation Completed")
        self._emit(upload, "Media Status Changed")
        self._polled(upload)

    def _polled(self, upload: Upload) -> None:
        if self.load.poll:
            looks = 1 + int(upload.took / self.load.poll)
            times = [upload.arrived + self.load.poll * (look + 1) for look in range(looks)]
            self._api("MediaFunction", times, "look")

    # ── the state machine ──

    def _states(self, machine: Mapping[str, Any], upload: Upload, item: float) -> Flow:
        name: str | None = machine["StartAt"]
        while name is not None:
            state = machine["States"][name]
            upload.transitions += 1
            upload.events += STATE
            if wait := self.transitions.take():
                yield self.env.timeout(wait)
            following = state.get("Next")
            match state["Type"]:
                case "Task":
                    well = yield from self._task(state, upload, item)
                    if not well:
                        following = state["Catch"][0]["Next"]
                case "Choice":
                    following = state["Choices"][0]["Next"] if upload.video.refused else state["Default"]
                case "Map":
                    upload.events += SPAN
                    yield from self._map(state, upload)
                case "Parallel":
                    upload.events += SPAN
                    branches = [self.env.process(self._states(branch, upload, item)) for branch in state["Branches"]]
                    yield self.env.all_of(branches)
                case "Fail":
                    upload.lost += 1
            name = following

    def _map(self, state: Mapping[str, Any], upload: Upload) -> Flow:
        items = {
            "segments": upload.segments,
            "covers": (0.0,) * upload.video.covers,
            "windows": self._windows(upload),
        }[items_of(state)]
        left = iter(items)

        def work() -> Flow:
            for item in left:
                upload.events += SPAN
                yield from self._states(state["ItemProcessor"], upload, item)

        at_once = min(len(items), state.get("MaxConcurrency") or len(items))
        if at_once:
            yield self.env.all_of([self.env.process(work()) for _ in range(at_once)])

    def _windows(self, upload: Upload) -> tuple[float, ...]:
        """The lengths of what is looked at a second time, in seconds."""
        known = self.known["windows"]
        wanted = round(upload.video.seconds / known["every"])
        return (known["seconds"],) * (0 if self.load.key_frames_only else min(wanted, MAX_QUESTIONS))

    def _task(self, state: Mapping[str, Any], upload: Upload, item: float) -> Flow:
        name = _called(state)

        def again() -> None:
            upload.transitions += 1
            upload.events += ATTEMPT
            self.retried[name] += 1
            self.transitions.take()

        upload.events += ATTEMPT
        seconds = self._step_seconds(name, upload, item)
        well = yield from self.functions[name].call(seconds, self._backoffs[name], again)
        if well:
            self._step_done(name, upload)
        return well

    def _step_seconds(self, name: str, upload: Upload, item: float) -> float:
        """How long a step takes: its processor's seconds over what it has of processors, and its requests."""
        known, video, spec = self.known, upload.video, self.app.functions[name]
        read, write, s3 = self._latency("table_read"), self._latency("table_write"), self._latency("s3")
        minutes = item / 60
        match _step(name):
            case "plan":
                cpu = known["plan"]["base"] + known["plan"]["minute"] * minutes
                reading: float = upload.megabytes / known["network_mb_s"]
                return self._on(spec, cpu, 1) + reading + 4 * s3 + 4 * read + 2 * write
            case "extract":
                share = known["extract_of_key_frames"] if self.load.key_frames_only else 1.0
                cpu = known["extract"][video.height] * minutes * share
                return self._on(spec, cpu, known["extract_threads"]) + 4 * s3 + read
            case "scan_frames":
                share = known["scan_of_key_frames"] if self.load.key_frames_only else 1.0
                return self._on(spec, known["scan"] * minutes * share, ceil(spec.vcpus)) + 3 * s3 + read
            case "scan_audio":
                return self._on(spec, known["hear"] * minutes, ceil(spec.vcpus)) + 3 * s3 + read
            case "scan_images":
                return self._on(spec, known["scan_image"], 1) + 3 * s3 + read
            case "refine":
                pieces = len(upload.segments)
                cpu = known["refine"]["base"] + known["refine"]["segment"] * pieces
                return self._on(spec, cpu, 1) + (pieces + 2) * s3 + read
            case "scan_text":
                cpu = known["text"]["base"] + known["text"]["minute"] * upload.video.seconds / 60
                return self._on(spec, cpu, 1) + 2 * len(upload.segments) * s3 + 2 * read
            case "aggregate":
                pieces = 2 * len(upload.segments)
                cpu = known["aggregate"]["base"] + known["aggregate"]["segment"] * pieces
                return self._on(spec, cpu, 1) + (pieces + 2) * s3 + 4 * read + write
            case "fail_job":
                return 3 * read + write
        raise KeyError(f"how long {name} takes is not known to the simulation")

    def _on(self, spec: FunctionSpec, cpu: float, threads: float) -> float:
        return cpu / self._speed / min(threads, spec.vcpus)

    def _step_done(self, name: str, upload: Upload) -> None:
        """What a step that ended well has asked for, and what it leads to."""
        step = _step(name)
        if step == "plan" and upload.video.refused:
            upload.verdicts += 1
            self._ask("refuse")
            return
        self._ask(step)
        if step == "plan" and float(self.app.parameters["DailyVideoHours"]):
            self._ask("book")
        if step == "refine":
            self._count(results_reads=len(upload.segments))
        if step in ("scan_text", "aggregate"):
            self._count(results_reads=2 * len(upload.segments) + upload.video.covers)
        if step == "aggregate":
            upload.verdicts += 1

    # ── events and publishing ──

    def _emit(self, upload: Upload, kind: str) -> None:
        """An event in the outbox; all that belongs to a media comes through one shard."""
        shard = hash((self.load.seed, upload.arrived)) % SHARDS
        self.outbox[shard].put((upload, kind))

    def _sent(self, message: tuple[Upload, str]) -> None:
        upload, kind = message
        self._count(events=1)
        if kind == "Media Status Changed":
            self._count(rule_targets=1, queue_requests=1)
            self.publish.put((upload, "publish" if upload.video.normal else "leave"))

    def _publish_seconds(self, batch: Sequence[tuple[Upload, str]]) -> float:
        return sum(self._follow_seconds(upload, task) for upload, task in batch)

    def _follow_seconds(self, upload: Upload, task: str) -> float:
        asked = self.known["requests"][task]
        lists = sum(amount for name, amount in asked.get("count", {}).items() if name.endswith("_lists"))
        seconds: float = 2 * self._latency("table_read") + self._latency("table_write") + lists * self._latency("s3")
        seconds += asked.get("count", {}).get("invalidations", 0) * self._latency("invalidation")
        if task == "publish":
            rounds, largest = ceil(upload.megabytes / COPY_PART / COPIED_AT_ONCE), min(upload.megabytes, COPY_PART)
            seconds += 2 * self._latency("s3") + rounds * largest / self.known["copy_mb_s"]
        return seconds

    def _published(self, message: tuple[Upload, str]) -> None:
        upload, task = message
        self._ask(task)
        self._count(queue_requests=2)
        if task != "publish":
            return
        parts = ceil(upload.megabytes / COPY_PART)
        self._count(playback_writes=parts + 2 * (parts > 1))
        self.to_play.append(self.env.now - upload.arrived)
        plays = [self.env.now + PLAYED_EVERY * play for play in range(self.load.plays)]
        self._api("PlaybackFunction", plays, "play")
        if upload.video.ends:
            # Hours or days later; under a steady load that is when others of its kind are withdrawn or deleted.
            self._api("ReviewFunction" if upload.video.ends == "withdraw" else "MediaFunction", [self.env.now])
            self._count(events=1, rule_targets=1, queue_requests=1)
            self.publish.put((upload, upload.video.ends))

    # ── what is asked of the table and the buckets ──

    def _ask(self, task: str, time: float | None = None) -> None:
        """A transaction takes two write units for each KB of each item, an entry of the index one; a consistent read
        takes a unit for each 4 KB.
        """
        asked, sizes = self.known["requests"][task], self.known["documents"]
        at = self.env.now if time is None else time
        for name, amount in asked.get("count", {}).items():
            self.meters[name].add(at, amount)
        if read := asked.get("read"):
            self.meters["table_reads"].add(at, sum(n * ceil(sizes[kind] / 4) for kind, n in read.items()))
        if written := asked.get("write"):
            units = sum(2 * n * ceil(sizes[kind]) for kind, n in written.items())
            jobs, events = written.get("job", 0), written.get("event", 0)
            self.meters["table_writes"].add(at, units + jobs + events)
            self.meters["index_jobs"].add(at, jobs)
            self.meters["index_events"].add(at, events)


@cache
def _step(function: str) -> str:
    """`scan_frames` for ScanFramesFunction."""
    name = function.removesuffix("Function")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")


def _backoffs(machine: Mapping[str, Any]) -> Iterator[tuple[str, Backoff]]:
    """How each function of the machine is called again when there is no concurrency."""
    for state in machine["States"].values():
        for retrier in state.get("Retry", ()):
            if "Lambda.TooManyRequestsException" in retrier["ErrorEquals"]:
                yield (
                    _called(state),
                    Backoff(
                        first=retrier["IntervalSeconds"],
                        rate=retrier["BackoffRate"],
                        longest=retrier["MaxDelaySeconds"],
                        attempts=retrier["MaxAttempts"],
                    ),
                )
        for inner in [state.get("ItemProcessor"), *state.get("Branches", ())]:
            if inner:
                yield from _backoffs(inner)


def _called(state: Mapping[str, Any]) -> str:
    return str(state["Arguments"]["FunctionName"]).strip("${}")
