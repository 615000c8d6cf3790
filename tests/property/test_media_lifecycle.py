"""The life of media under anything that may happen to them, in any order: what may never break does not break."""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, get_args

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from moderation.models.errors import ErrorCode, ModerationError, Permanent, Transient
from moderation.models.event import MediaStatusChanged, MediaUploaded, ModerationCompleted
from moderation.models.job import UPLOAD_TRIGGER, Job, JobState
from moderation.models.media import Media, MediaStatus, cover_key, source_key
from moderation.models.notification import ArrivedObject
from moderation.models.verdict import Suggestion
from moderation.ports import Conflict, NotFound
from moderation.services.feedback import GiveFeedback
from moderation.services.media import ModerateAgain
from moderation.services.review import Decide
from moderation.services.upload import CompleteUpload, PartDone
from moderation.services.work import derived_prefixes
from tests.property.stage import SCORES, Content, Execution, Stage, Write, content_of
from tests.property.turns import Died, Fault, Turn
from tests.world import EXPIRY

T = TypeVar("T")

KEPT = timedelta(days=14)
"""How long a queue keeps a message."""

NUMBERS = st.one_of(st.integers(0, 3), st.integers(0, 30))
"""Which one; 0 is the newest, and mostly it is one of the newest."""
Fate = tuple[int | None, Fault | None]
TO_THE_END: Fate = (None, None)
FATES: st.SearchStrategy[Fate] = st.one_of(
    st.just(TO_THE_END), st.tuples(st.integers(0, 8), st.sampled_from([None, None, None, *Fault]))
)
"""How many uses of ports a call gets on with, and what befalls the next; without a fault it stops there for now."""
MODES = st.sampled_from(["pre", "post"])
WHOLE, IN_PARTS = 1000, 2000
"""Bytes of a file that is posted whole, and of one that is sent in parts."""
SIZES = st.sampled_from([WHOLE, WHOLE, IN_PARTS])
Request = Literal["normal", "blocked", "again", "again, lax", "delete", "feedback"]
REQUESTS: st.SearchStrategy[Request] = st.sampled_from([*get_args(Request)[:-2] * 3, *get_args(Request)])
CONTENTS = st.sampled_from([Content.CLEAN, Content.CLEAN, *Content])
"""What must happen often to be worth something is there more than once."""
COMING_AGAIN = (Transient, Conflict, NotFound, Died)
"""What makes a queue bring a message again, and Step Functions try a step again."""
ENDED = (JobState.FINISH, JobState.ABORTED)


def pick(options: Sequence[T], number: int) -> T:
    return options[-1 - number % len(options)]


def media_of_key(key: str) -> str:
    return key.split("/")[1]


@dataclass(eq=False)
class Message:
    """What a queue, a stream or a caller who does not give up brings until it is done, and perhaps again."""

    name: str
    follow: Callable[[], object]
    done: bool = False
    error: BaseException | None = None
    kept_until: datetime | None = None


class MediaLifecycle(RuleBasedStateMachine):
    """Uploaders, S3, queues, streams, steps of jobs, people and publishers, all at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.folder = Path(self.closing.enter_context(tempfile.TemporaryDirectory(prefix="lifecycle-")))
        self.media: list[str] = []
        self.first: dict[str, bytes] = {}
        self.joining: dict[str, bytes] = {}
        self.forgotten: set[str] = set()
        self.lost: set[str] = set()
        self.messages: list[Message] = []
        self.executions: dict[str, Execution] = {}
        self.turns: list[tuple[Turn, Callable[[BaseException | None], None]]] = []
        self.bodies = self.checked = self.followed = 0

    @initialize(
        auto_block=st.booleans(),
        keep=st.booleans(),
        daily=st.sampled_from([0, 0, 0, 30]),
        mode=MODES,
        covers=st.sampled_from([0, 0, 1]),
        size=SIZES,
        content=CONTENTS,
        overwritten=st.booleans(),
        progress=st.integers(0, 2),
    )
    def begin(
        self,
        auto_block: bool,
        keep: bool,
        daily: int,
        mode: str,
        covers: int,
        size: int,
        content: Content,
        overwritten: bool,
        progress: int,
    ) -> None:
        """There is one media to begin with; if its file was overwritten, only the later event has come.

        progress  the file has arrived (0), was moderated (1), and all was told that there was to tell (2)
        """
        budget = timedelta(seconds=daily)
        self.world = Stage(self.folder, auto_block=auto_block, keep_post_on_failure=keep, daily=budget)
        self.auto_block, self.keep = auto_block, keep
        self.closing.enter_context(self.world.played())
        media_id = self._sign(mode, covers, size)
        for _ in range(1 + overwritten):
            self._upload(source_key(media_id), content)
        if size > WHOLE:
            self._bring(self.messages[-1])  # the call that joins the parts, upon which S3 tells
        self._bring(self.messages[-1])
        while progress > 0 and self._ready():
            self._step(self._ready()[0], 0)
        if progress > 1:
            self._settle()

    def teardown(self) -> None:
        try:
            if self.media and sys.exception() is None:
                self.everything_settles()
        finally:
            for turn, _ in self.turns:
                turn.go_on(fault=Fault.DEATH)
            self.closing.close()

    # ── uploaders and S3 ──

    @precondition(lambda self: len(self.media) < 2)
    @rule(mode=MODES, covers=st.integers(0, 2), size=SIZES)
    def sign(self, mode: str, covers: int, size: int) -> None:
        self._sign(mode, covers, size)

    @rule(number=NUMBERS, cover=st.sampled_from([None, None, 0, 1]), content=CONTENTS)
    def upload(self, number: int, cover: int | None, content: Content) -> None:
        """Bytes arrive under a signed key; from the second time on they overwrite what is there."""
        media_id = pick(self.media, number)
        self._upload(source_key(media_id) if cover is None else cover_key(media_id, cover), content)

    # ── queues and streams ──

    @precondition(lambda self: self.messages)
    @rule(number=NUMBERS, again=st.sampled_from([False, False, True]), fate=FATES)
    def bring(self, number: int, again: bool, fate: Fate) -> None:
        """Messages come in any order, and again, also while they are dealt with or long afterwards."""
        if messages := [message for message in self.messages if message.done is again]:
            self._bring(pick(messages, number), fate)

    # ── the state machine ──

    @precondition(lambda self: self._ready())
    @rule(number=NUMBERS, steps=st.lists(NUMBERS, min_size=1, max_size=4), fate=FATES)
    def work(self, number: int, steps: list[int], fate: Fate) -> None:
        """Some steps of a run, the last of which may not come to its end."""
        run = pick(self._ready(), number)
        for step in steps[:-1]:
            if run.ready:
                self._step(run, step)
        if run.ready:
            self._step(run, steps[-1], fate)

    @precondition(lambda self: self._ready())
    @rule(number=NUMBERS, step=NUMBERS, uses=st.integers(0, 3), fault=st.sampled_from(Fault))
    def give_up(self, number: int, step: int, uses: int, fault: Fault) -> None:
        """A step has been tried often enough; it may have got anywhere."""
        self._step(pick(self._ready(), number), step, (uses, fault), for_good=True)

    @precondition(lambda self: self._running())
    @rule(number=NUMBERS, certain=st.sampled_from([False, False, True]))
    def time_out(self, number: int, certain: bool) -> None:
        if certain:
            run = pick(self._running(), number)
            run.time_out()
            fail = partial(self.world.failure.run, run.job_id, "execution_timed_out", "")
            self.messages.append(Message(f"{run.job_id} timed out", fail))

    # ── people ──

    @rule(number=NUMBERS, what=REQUESTS, fate=FATES)
    def ask(self, number: int, what: Request, fate: Fate) -> None:
        """What the API answers with 500 or 503, or not at all, is asked again."""
        message = Message(what, partial(self._request, what, pick(self.media, number)))
        self.messages.append(message)
        self._bring(message, fate)

    # ── what is under way goes on, or goes wrong ──

    @precondition(lambda self: self.turns)
    @rule(number=NUMBERS, uses=st.sampled_from([1, 1, 2, 3, None]), fault=st.sampled_from([None, None, *Fault]))
    def go_on(self, number: int, uses: int | None, fault: Fault | None) -> None:
        pick(self.turns, number)[0].go_on(uses, fault)
        self._take_note()

    # ── time ──

    @rule(hours=st.sampled_from([1, 1, 30, 24 * 8]))
    def wait(self, hours: int) -> None:
        """Open jobs are looked after, queues drop what is too old, and the table what nobody has made use of."""
        self._wait(timedelta(hours=hours))

    # ── what may never break ──

    @invariant()
    def nothing_is_broken(self) -> None:
        self.only_the_first_version_is_looked_at()
        self.a_url_is_given_only_for_what_was_decided_and_plays_the_moderated_bytes()
        self.nothing_mixes()
        self.an_upload_is_one_job_and_every_run_has_one()
        self.every_event_is_written_once()

    def every_write_is_right(self) -> None:
        for write in self.world.history[self.checked :]:
            self._check(write)
        self.checked = len(self.world.history)

    def only_the_first_version_is_looked_at(self) -> None:
        assert self.world.looked_at <= set(self.first.values())

    def a_url_is_given_only_for_what_was_decided_and_plays_the_moderated_bytes(self) -> None:
        for media_id in self._kept():
            media = self.world.media(media_id)
            try:
                url = self.world.playback.url(media_id).url
            except ModerationError:
                continue
            assert media.status is MediaStatus.NORMAL
            assert media.published_revision == media.revision
            assert media.published_key is not None
            assert media.published_key in url
            assert media.published_key.endswith(f"/{media.revision}")
            assert self.world.publisher.bodies[media.published_key] == self.first[source_key(media_id)]
            copied, content_type = self.world.publisher.stored[media.published_key]
            assert copied == media.identity
            # Of what a person let play although its plan had failed, nobody knows the type.
            assert content_type in {"video/mp4", "application/octet-stream"}

    def nothing_mixes(self) -> None:
        for key, body in self.world.publisher.bodies.items():
            assert body == self.first[source_key(key.partition("/")[0])]
        for key in self.world.objects.content_types():
            _, media_id, job_id, _ = key.split("/", 3)
            assert job_id.startswith(media_id)

    def an_upload_is_one_job_and_every_run_has_one(self) -> None:
        for media_id in self._kept():
            jobs = self.world.store.jobs(media_id)
            triggers = Counter(job.trigger for job in jobs)
            assert max((triggers[name] for name in (UPLOAD_TRIGGER, "cover-0", "cover-1")), default=0) <= 1
            identity = self.world.media(media_id).identity
            assert all(job.identity == identity and job.media_id == media_id for job in jobs)
        assert set(self.world.workflow.started) <= {
            write.new_job.job_id for write in self.world.history if write.new_job
        }

    def every_event_is_written_once(self) -> None:
        assert all(count == 1 for count in Counter(event.event_id for event in self.world.store.outbox).values())

    def _check(self, write: Write) -> None:
        before, after = write.before, write.after
        assert after.version == before.version + 1
        assert before.identity in (None, after.identity)
        # Whoever waits for a person is listed, and nobody else.
        if after.waits is None:
            assert after.status is not MediaStatus.REVIEWING
        else:
            assert after.status in (MediaStatus.REVIEWING, MediaStatus.NORMAL)
            assert after.decided_by is None
        told = [event for event in write.events if isinstance(event, MediaStatusChanged)]
        if after.status is before.status:
            assert after.revision == before.revision
            assert told == []
        else:
            assert after.revision == before.revision + 1
            self._check_event(write, told)
        if before.status in (MediaStatus.DELETED, MediaStatus.REFUSED):
            assert after.status in (before.status, MediaStatus.DELETED)
        if write.review is not None:
            assert (after.status, after.decided_by) == (MediaStatus(write.review.decision), write.review.reviewer)
            assert write.review.revision == after.revision
        elif before.decided_by is not None:
            assert after.decided_by == before.decided_by
            assert after.status in (before.status, MediaStatus.DELETED)
        elif after.status is MediaStatus.NORMAL and before.status is not MediaStatus.NORMAL:
            assert told[0].job_id is not None
            assert self._lets_play(self.world.store.job(told[0].job_id))
        if after.published_revision is not None and after.published_revision != before.published_revision:
            assert (after.status, after.published_revision) == (MediaStatus.NORMAL, after.revision)
            assert after.published_key in self.world.publisher.bodies
        if write.job is not None:
            self._check_job(write, write.job)

    def _check_event(self, write: Write, told: list[MediaStatusChanged]) -> None:
        before, after = write.before, write.after
        if after.status is MediaStatus.CHECKING:
            (event,) = write.events
            assert isinstance(event, MediaUploaded)
            assert before.status is MediaStatus.UPLOADING
            assert event.event_id == f"uploaded-{after.latest_job}"
            return
        (change,) = told
        assert change.event_id == f"status-{after.media_id}-{after.revision}"
        assert (change.previous, change.status, change.revision) == (before.status, after.status, after.revision)

    def _check_job(self, write: Write, job: Job) -> None:
        """The table of what a job makes of a media."""
        before, after = write.before, write.after
        completed = [event for event in write.events if isinstance(event, ModerationCompleted)]
        assert [event.event_id for event in completed] == [f"completed-{job.job_id}"] * (job.state is JobState.FINISH)
        if job.verdict is not None:
            blind = self.executions[job.job_id].blind
            assert job.verdict.suggestion is (expected := self._suggestion(job, blind=blind)) or (
                blind and job.verdict.suggestion is not Suggestion.PASS
            ), f"{job.verdict.suggestion} is not {expected}"
        decided = before.decided_by is not None or before.status in (MediaStatus.DELETED, MediaStatus.REFUSED)
        if decided or before.latest_job != job.job_id:
            assert after.status is before.status or job.state is JobState.ABORTED
        elif job.state is JobState.PROCESSING:
            starts = job.mode == "post" and before.status is MediaStatus.CHECKING
            assert after.status is (MediaStatus.NORMAL if starts else before.status)
        elif job.state is JobState.FINISH:
            assert after.status is self._status_after(job, before)

    def _status_after(self, job: Job, before: Media) -> MediaStatus:
        post = job.mode == "post"
        if job.outcome == "refused":
            return MediaStatus.REFUSED
        if job.verdict is None:
            keeps = post and self.keep and before.status is not MediaStatus.CHECKING
            return before.status if keeps else MediaStatus.REVIEWING
        if job.verdict.suggestion is Suggestion.BLOCK and self.auto_block:
            return MediaStatus.BLOCKED
        return MediaStatus.NORMAL if post or job.verdict.suggestion is Suggestion.PASS else MediaStatus.REVIEWING

    def _suggestion(self, job: Job, *, blind: bool) -> Suggestion:
        """What must be said of what was uploaded first."""
        covers = self.world.media(job.media_id).covers
        files = [self.first[job.identity.key], *(self.first[identity.key] for identity in job.covers.values())]
        contents = [content_of(file) for file in files]
        complete = len(job.covers) == len(covers) and Content.NOTHING not in contents and not blind
        worst = 100 * max(SCORES.get(content, 0.0) for content in contents)
        (wanted,) = job.template.rules
        if wanted.block is not None and worst >= wanted.block:
            return Suggestion.BLOCK
        return Suggestion.PASS if complete and worst < (wanted.review or 100) else Suggestion.REVIEW

    def _lets_play(self, job: Job) -> bool:
        """A machine may have said so on the strength of this job."""
        if job.mode == "post":
            return job.outcome != "refused" and content_of(self.first[job.identity.key]) is not Content.NOTHING
        return (
            job.verdict is not None
            and job.verdict.coverage.complete
            and job.verdict.suggestion is Suggestion.PASS
            and self._suggestion(job, blind=self.executions[job.job_id].blind) is Suggestion.PASS
        )

    # ── and in the end ──

    def everything_settles(self) -> None:
        """Nothing goes wrong any more and all is brought: nothing is left over, and nothing is missing.

        Whoever is in the middle of something comes last, when everything else has long been dealt with.
        """
        self._settle()
        while self.turns:
            self.turns[0][0].go_on()
            self._take_note()
            self.nothing_is_broken()
        self._settle()
        for _ in range(200):
            if not self._running() and not self._open_jobs():
                break
            self._wait(timedelta(hours=6))
            self._settle()
        assert self._waiting() == []
        assert self._running() == []
        assert self._open_jobs() == []
        for media_id in self._kept():
            self._check_the_end(self.world.media(media_id))
        playing = {self.world.media(m).published_key for m in self._kept() if self.world.media(m).playable}
        assert set(self.world.publisher.bodies) == playing
        assert {source_key(m) for m in self.forgotten} & set(self.world.uploads.stored()) == set()

    def _settle(self) -> None:
        while self._waiting() or self._ready():
            for message in self._waiting():
                self._bring(message)
                assert message.done, f"{message.name} fails although nothing goes wrong: {message.error!r}"
                self.nothing_is_broken()
            for run in self._ready():
                self._step(run, 0)
                self.nothing_is_broken()

    def _check_the_end(self, media: Media) -> None:
        assert media.playable is (media.status is MediaStatus.NORMAL)
        assert media.status is not MediaStatus.CHECKING, "nobody will ever decide"
        uploaded = source_key(media.media_id) in self.first and media.media_id not in self.lost
        assert (media.status is MediaStatus.UPLOADING) <= (not uploaded), "an upload was lost"
        if media.status is not MediaStatus.DELETED:
            return
        assert [key for key in self.world.uploads.stored() if key.startswith(f"media/{media.media_id}/")] == []
        # A step may outlive its run that timed out; what it leaves then goes by the lifecycle rules.
        if not any(run.timed_out for run in self.executions.values() if run.media_id == media.media_id):
            derived = derived_prefixes(media.media_id)
            assert [key for key in self.world.objects.content_types() if key.startswith(derived)] == []
        store = self.world.store
        assert [*store.jobs(media.media_id), *store.reviews(media.media_id), *store.feedback(media.media_id)] == []

    # ── how it is done ──

    def _kept(self) -> list[str]:
        return [media_id for media_id in self.media if media_id not in self.forgotten]

    def _waiting(self) -> list[Message]:
        return [message for message in self.messages if not message.done]

    def _running(self) -> list[Execution]:
        return [run for run in self.executions.values() if not run.over]

    def _ready(self) -> list[Execution]:
        return [run for run in self.executions.values() if run.ready]

    def _open_jobs(self) -> list[Job]:
        return [job for m in self._kept() for job in self.world.store.jobs(m) if job.state not in ENDED]

    def _sign(self, mode: str, covers: int, size: int) -> str:
        media_id = self.world.sign(f"standard_{mode}", covers=covers, size=size)
        self.media.append(media_id)
        return media_id

    def _upload(self, key: str, content: Content) -> None:
        """What a signature is good for, while it is."""
        media_id = media_of_key(key)
        media = None if media_id in self.forgotten else self.world.media(media_id)
        if media is None or self.world.clock.now() > media.created_at + EXPIRY:
            return
        if key not in {media.source_key, *(cover_key(media_id, cover.index) for cover in media.covers)}:
            return
        self.bodies += 1
        body = f"{content} {self.bodies}".encode().ljust(media.size)
        if key == media.source_key and media.size > WHOLE:
            self._send_part(media, body)
            return
        self.first.setdefault(key, body)
        self._tell_of(self.world.bring(key, body))

    def _send_part(self, media: Media, body: bytes) -> None:
        """The one part that there is, which counts from when the uploader has it joined. It may be sent again."""
        if media.upload_id is None:
            return
        try:
            part = self.world.uploads.receive_part(media.upload_id, 1, body)
        except NotFound:
            return  # joined, or given up
        self.joining[media.source_key] = body
        request = CompleteUpload(parts=(PartDone(number=part.number, etag=part.etag),))

        def join() -> None:
            with suppress(ModerationError):  # it was given up, or another part has taken the place of this one
                self.world.signing.complete(media.media_id, request)

        self.messages.append(Message(f"join {media.source_key}", join))

    def _tell_of(self, arrived: ArrivedObject) -> None:
        arrive = partial(self.world.ingest.arrived, arrived)
        self.messages.append(Message(arrived.key, arrive, kept_until=self.world.clock.now() + KEPT))

    def _request(self, what: Request, media_id: str) -> None:
        world = self.world
        try:
            match what:
                case "normal" | "blocked":
                    world.reviewing.decide(Decide(media_id=media_id, decision=what), "ada")
                case "again" | "again, lax" if len(world.store.jobs(media_id)) < 5:
                    template = "lax" if what == "again, lax" else None
                    world.library.moderate_again(media_id, ModerateAgain(template=template))
                case "delete" if media_id in self._kept() and world.media(media_id).status is MediaStatus.UPLOADING:
                    world.signing.abort(media_id)
                case "delete":
                    world.library.delete(media_id)
                case "feedback":
                    world.feedback.give(GiveFeedback(media_id=media_id, kind="false_positive"), "ada")
        except ModerationError as error:
            if what == "delete" and error.code is ErrorCode.CONFLICT:
                raise Conflict(error.message) from error

    def _wait(self, time: timedelta) -> None:
        self.world.clock.advance(time)
        now = self.world.clock.now()
        if "watch" not in [message.name for message in self._waiting()]:
            self.messages.append(Message("watch", self.world.watching.round))
        for message in self._waiting():
            if message.kept_until is not None and message.kept_until < now:
                message.done = True
                self.lost.add(media_of_key(message.name))
        unused = {m for m in self._kept() if self.world.media(m).status is not MediaStatus.DELETED}
        for media_id in self.world.store.expire(now):
            self.forgotten.add(media_id)
            assert not (media_id in unused and source_key(media_id) in self.first) or media_id in self.lost
            self.messages.append(Message("sweep", partial(self.world.sweeping.forgotten, media_id)))

    def _bring(self, message: Message, fate: Fate = TO_THE_END) -> None:
        def ended(error: BaseException | None) -> None:
            message.done |= error is None
            message.error = error
            assert error is None or isinstance(error, COMING_AGAIN), message.name

        self._begin(message.name, message.follow, ended, fate)

    def _step(self, run: Execution, number: int, fate: Fate = TO_THE_END, *, for_good: bool = False) -> None:
        step, call = run.begin(number)

        def ended(error: BaseException | None) -> None:
            permanent = isinstance(error, Permanent | NotFound | ModerationError)
            assert error is None or permanent or isinstance(error, COMING_AGAIN), step
            run.ended(step, error, for_good=for_good or permanent)

        self._begin(f"{step.name} of {run.job_id}", call, ended, fate)

    def _begin(
        self, name: str, call: Callable[[], object], ended: Callable[[BaseException | None], None], fate: Fate
    ) -> None:
        turn = Turn(name, call)
        self.turns.append((turn, ended))
        uses, fault = fate
        turn.go_on(uses)
        if fault is not None:
            turn.go_on(fault=fault)
        self._take_note()

    def _take_note(self) -> None:
        """Of calls that are over, of runs that were started and of events that were written."""
        over = [pair for pair in self.turns if pair[0].over]
        self.turns = [pair for pair in self.turns if not pair[0].over]
        for turn, ended in over:
            if isinstance(turn.error, AssertionError):
                raise turn.error
            ended(turn.error)
        for key in self.joining.keys() & set(self.world.uploads.stored()):
            self.first[key] = self.joining.pop(key)
            joined = self.world.uploads.identify(key, self.world.uploads.first_version(key))
            told = ArrivedObject(bucket=joined.bucket, key=key, version_id=joined.version_id, size=joined.size)
            self._tell_of(told)
        for job_id, media_id in self.world.workflow.started.items():
            if job_id not in self.executions:
                self.executions[job_id] = Execution(self.world, media_id, job_id)
        for event in self.world.store.outbox[self.followed :]:
            if isinstance(event, MediaStatusChanged):
                self.messages.append(Message(event.event_id, partial(self.world.publishing.reconcile, event.media_id)))
        self.followed = len(self.world.store.outbox)
        self.every_write_is_right()


TestMediaLifecycle = MediaLifecycle.TestCase
TestMediaLifecycle.settings = settings(
    max_examples=3 * settings().max_examples // 2,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow],
)
