"""The life of media under anything that may happen to them, in any order: what may never break does not break."""

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from moderation.models.errors import ModerationError, Transient
from moderation.models.event import MediaStatusChanged, ModerationCompleted
from moderation.models.job import Job, JobError, JobState
from moderation.models.media import MediaStatus, cover_key, source_key
from moderation.models.notification import ArrivedObject
from moderation.models.verdict import Suggestion
from moderation.ports import NotFound
from moderation.services.media import ModerateAgain
from moderation.services.publish import Published
from tests.world import World, verdict

MODES = st.sampled_from(["pre", "post"])
RUNS = st.sampled_from([-1, -1, 0, 1])
"""Which run of a media's jobs: mostly the latest."""
Meddling = Literal["nothing", "block", "unblock", "delete", "overwrite", "verdict", "publish", "die"]


class MediaLifecycle(RuleBasedStateMachine):
    """Uploaders, S3, queues, steps of jobs, people and publishers, each at any moment."""

    medias = Bundle("medias")
    arrivals = Bundle("arrivals")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="lifecycle-")
        self.first_bytes: dict[str, bytes] = {}
        self.decisions: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.ids: list[str] = []
        self.abandoned: set[str] = set()
        self.bodies = 0

    @initialize(target=medias, auto_block=st.booleans(), keep=st.booleans(), mode=MODES, overwritten=st.booleans())
    def begin(self, auto_block: bool, keep: bool, mode: str, overwritten: bool) -> str:
        """There is one media to begin with, and its file has arrived; if overwritten, only the later event has come."""
        self.world = World(Path(self._folder.name), auto_block=auto_block, keep_post_on_failure=keep)
        media_id = self._sign(mode, covers=1)
        items = [self._bring(media_id) for _ in range(1 + overwritten)]
        self.world.ingest.arrived(items[-1])
        return media_id

    def teardown(self) -> None:
        try:
            self.everything_settles()
        finally:
            self._folder.cleanup()

    # ── what uploaders and S3 do ──

    @rule(target=medias, mode=MODES, covers=st.integers(0, 1))
    def sign(self, mode: str, covers: int) -> str:
        return self._sign(mode, covers)

    @rule(target=arrivals, media_id=medias, times=st.integers(1, 2))
    def upload(self, media_id: str, times: int) -> object:
        """Bytes arrive under the signed key; from the second time on they overwrite what is there."""
        return multiple(*(self._bring(media_id) for _ in range(times)))

    @rule(target=arrivals, media_id=medias)
    def upload_cover(self, media_id: str) -> ArrivedObject:
        return self.world.bring(cover_key(media_id, 0))

    @rule(item=arrivals)
    def tell(self, item: ArrivedObject) -> None:
        """An event comes; it stays where it is and may come again, before or after others."""
        self.world.ingest.arrived(item)

    @rule(item=consumes(arrivals))
    def tell_for_the_last_time(self, item: ArrivedObject) -> None:
        self.world.ingest.arrived(item)

    @rule(item=arrivals)
    def tell_while_the_state_machine_is_out_of_reach(self, item: ArrivedObject) -> None:
        self.world.workflow.losses = 1
        with suppress(Transient):
            self.world.ingest.arrived(item)
        self.world.workflow.losses = 0

    @rule(media_id=medias)
    def abort(self, media_id: str) -> None:
        if self.world.signing.abort(media_id).status is MediaStatus.DELETED:
            self.deleted.add(media_id)

    # ── what the steps of jobs do, also late and repeatedly ──

    @rule(media_id=medias, run=RUNS, content_type=st.sampled_from(["video/mp4", "video/webm"]))
    def accept(self, media_id: str, run: int, content_type: str) -> None:
        self._step(media_id, run, lambda job: self.world.settlement.accepted(job, content_type))

    @rule(media_id=medias, run=RUNS)
    def refuse(self, media_id: str, run: int) -> None:
        error = JobError(code="not_a_video", message="")
        self._step(media_id, run, lambda job: self.world.settlement.refused(job, error))

    @rule(media_id=medias, run=RUNS, suggestion=st.sampled_from(Suggestion))
    def judge(self, media_id: str, run: int, suggestion: Suggestion) -> None:
        self._step(media_id, run, lambda job: self.world.settlement.judged(job, verdict(job, suggestion)))

    @rule(media_id=medias, run=RUNS)
    def fail(self, media_id: str, run: int) -> None:
        self._step(media_id, run, lambda job: self.world.failure.run(job.job_id, "States.Timeout", ""))

    # ── what people do ──

    @rule(media_id=medias, decision=st.sampled_from(["normal", "blocked"]))
    def decide(self, media_id: str, decision: str) -> None:
        self._decide(media_id, decision)

    @rule(media_id=medias, lost=st.booleans())
    def moderate_again(self, media_id: str, lost: bool) -> None:
        self.world.workflow.losses = int(lost)
        with suppress(ModerationError, Transient):
            self.world.library.moderate_again(media_id, ModerateAgain())
        self.world.workflow.losses = 0

    @rule(media_id=medias)
    def delete(self, media_id: str) -> None:
        self._delete(media_id)

    # ── what the publisher does, also out of order, and with others in between ──

    @rule(media_id=medias, meanwhile=st.sampled_from(Meddling.__args__))  # type: ignore[attr-defined]
    def publish(self, media_id: str, meanwhile: Meddling) -> None:
        meddlers: dict[str, Callable[[], object]] = {
            "nothing": lambda: None,
            "block": lambda: self._decide(media_id, "blocked"),
            "unblock": lambda: self._decide_twice(media_id),
            "delete": lambda: self._delete(media_id),
            "overwrite": lambda: self.world.ingest.arrived(self._bring(media_id)),
            "verdict": lambda: self.judge(media_id, -1, Suggestion.BLOCK),
            "publish": lambda: self.world.publishing.reconcile(media_id),
            "die": self._die,
        }
        self.world.publisher.during_copy = meddlers[meanwhile]
        with suppress(Transient):
            self.world.publishing.reconcile(media_id)
        self.world.publisher.during_copy = None

    # ── what may never break ──

    @invariant()
    def a_url_is_given_only_for_what_may_play(self) -> None:
        for media_id in self.ids:
            media = self.world.media(media_id)
            if not self._gives_url(media_id):
                continue
            assert media.status is MediaStatus.NORMAL
            assert media.published_revision == media.revision
            assert media_id not in self.deleted
            # the copy is there, under a key of this very decision, and is the first version, byte for byte
            copied, content_type = self.world.publisher.copies[str(media.published_key)]
            assert str(media.published_key).endswith(f"/{media.revision}")
            assert copied == media.identity
            assert self.world.uploads.get(copied) == self.first_bytes[media_id]
            assert content_type in {"video/mp4", "video/webm", "application/octet-stream"}

    @invariant()
    def the_first_version_is_the_media(self) -> None:
        for media_id in self.ids:
            media = self.world.media(media_id)
            if media.identity is not None and media_id not in self.deleted:
                assert self.world.uploads.get(media.identity) == self.first_bytes[media_id]

    @invariant()
    def a_later_version_is_never_published(self) -> None:
        for key, (copied, _) in self.world.publisher.copies.items():
            media = self.world.media(key.partition("/")[0])
            assert copied == media.identity
            assert f"{copied.key}?versionId={copied.version_id}" not in media.later_versions

    @invariant()
    def a_persons_decision_stands(self) -> None:
        for media_id, decision in self.decisions.items():
            status = self.world.media(media_id).status
            assert status is (MediaStatus.DELETED if media_id in self.deleted else MediaStatus(decision))

    @invariant()
    def the_machine_lets_nothing_play_that_it_has_not_passed(self) -> None:
        for media_id in self.ids:
            media = self.world.media(media_id)
            if media.status is not MediaStatus.NORMAL or media_id in self.decisions or media.procedure.mode == "post":
                continue
            assert any(
                job.verdict is not None and job.verdict.suggestion is Suggestion.PASS
                for job in self.world.store.jobs(media_id)
            )

    @invariant()
    def deleted_is_for_good(self) -> None:
        for media_id in self.deleted:
            assert self.world.media(media_id).status is MediaStatus.DELETED

    @invariant()
    def every_event_is_told_once(self) -> None:
        ids = Counter(event.event_id for event in self.world.store.outbox)
        assert set(ids.values()) <= {1}
        ended = {
            job.job_id
            for media_id in self.ids
            for job in self.world.store.jobs(media_id)
            if job.state is JobState.FINISH
        }
        completed = Counter(e.job_id for e in self.world.store.outbox if isinstance(e, ModerationCompleted))
        assert ended <= set(completed)
        assert set(completed.values()) <= {1}
        uploaded = Counter(e.media_id for e in self.world.events("Media Uploaded"))
        assert set(uploaded.values()) <= {1}

    @invariant()
    def status_events_tell_the_whole_story(self) -> None:
        told: dict[str, list[MediaStatusChanged]] = {}
        for event in self.world.store.outbox:
            if isinstance(event, MediaStatusChanged):
                told.setdefault(event.media_id, []).append(event)
        for media_id, events in told.items():
            media = self.world.media(media_id)
            assert [e.revision for e in events] == sorted({e.revision for e in events})
            assert [e.previous for e in events[1:]] == [e.status for e in events[:-1]]
            assert (events[-1].status, events[-1].revision) == (media.status, media.revision)

    @invariant()
    def one_upload_is_one_job(self) -> None:
        for media_id in self.ids:
            triggers = Counter(job.trigger for job in self.world.store.jobs(media_id))
            assert triggers["upload"] <= 1
            assert triggers["cover-0"] <= 1

    def everything_settles(self) -> None:
        """Once every status event has been followed, the playback bucket holds what plays and nothing else."""
        for media_id in self.ids:
            self.world.publishing.reconcile(media_id)
            assert self.world.publishing.reconcile(media_id) in (Published.UNCHANGED, Published.PURGED)
            media = self.world.media(media_id)
            playing = {str(media.published_key)} if media.status is MediaStatus.NORMAL else set()
            assert self._gives_url(media_id) is bool(playing)
            copies = {key for key in self.world.publisher.copies if key.startswith(f"{media_id}/")}
            assert playing <= copies
            if media.status is MediaStatus.DELETED:
                assert copies == set()
                assert media.identity is None or not self._has_source(media_id)
            else:
                assert copies <= playing | self.abandoned

    # ── how it is done ──

    def _sign(self, mode: str, covers: int) -> str:
        media_id = self.world.sign(f"standard_{mode}", covers=covers)
        self.ids.append(media_id)
        return media_id

    def _bring(self, media_id: str) -> ArrivedObject:
        self.bodies += 1
        body = f"bytes {self.bodies}".encode()
        if not self._has_source(media_id):
            self.first_bytes[media_id] = body
        return self.world.bring(source_key(media_id), body)

    def _has_source(self, media_id: str) -> bool:
        try:
            self.world.uploads.first_version(source_key(media_id))
        except NotFound:
            return False
        return True

    def _step(self, media_id: str, run: int, act: Callable[[Job], None]) -> None:
        """A step of one of the runs that were started, if there is one and its media was not purged."""
        started = [job_id for job_id, owner in self.world.workflow.started.items() if owner == media_id]
        with suppress(IndexError, NotFound):
            job = self.world.store.job(started[run])
            before = self.world.media(media_id)
            act(job)
            if job.job_id != before.latest_job:
                assert self.world.media(media_id).status is before.status, "a run that was followed by another decided"

    def _decide_twice(self, media_id: str) -> None:
        for decision in ("blocked", "normal"):
            self._decide(media_id, decision)

    def _decide(self, media_id: str, decision: str) -> None:
        media = self.world.media(media_id)
        undecidable = {MediaStatus.UPLOADING, MediaStatus.REFUSED, MediaStatus.DELETED}
        unprobed = media.status is MediaStatus.CHECKING and media.playback_content_type is None
        if media.status in undecidable or unprobed:
            with pytest.raises(ModerationError):
                self.world.decide(media_id, decision)
        else:
            self.world.decide(media_id, decision)
            self.decisions[media_id] = decision

    def _delete(self, media_id: str) -> None:
        self.world.library.delete(media_id)
        self.deleted.add(media_id)

    def _die(self) -> None:
        self.abandoned |= set(self.world.publisher.copies)
        raise Transient("the publisher died after its copy")

    def _gives_url(self, media_id: str) -> bool:
        try:
            self.world.playback.url(media_id)
        except ModerationError:
            return False
        return True


TestMediaLifecycle = MediaLifecycle.TestCase
TestMediaLifecycle.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow],
)
