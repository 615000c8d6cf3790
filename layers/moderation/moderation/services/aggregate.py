"""The last step: gather what was seen, heard and read, judge it, keep the evidence, end the job."""

import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import moderation
from moderation.coverage import Evidence
from moderation.detectors.catalog import Step, model_set, needed
from moderation.models.job import Job, media_of
from moderation.models.media import MediaStatus
from moderation.models.observation import Scan
from moderation.models.plan import Plan
from moderation.models.reading import Reading
from moderation.models.sound import Hearing
from moderation.models.template import PICTURE_FORMS
from moderation.models.verdict import Segment, Verdict, Versions
from moderation.ports import Clock, MediaStore, NotFound, Objects
from moderation.services.refine import at_a_glance, refined
from moderation.services.settle import Settlement
from moderation.services.work import Work, derived_prefixes, left
from moderation.verdict import inline, judge, targets_of
from moderation.vtt import shown_texts, transcript

_BROKEN_ARCHIVE = (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError)
"""What reading an archive raises that is cut short, garbled or not the one that was scanned."""
MAX_PICTURES = 50
"""Evidence pictures kept per verdict, of the worst segments; all segments are listed with their times."""


@dataclass(frozen=True)
class Aggregation:
    """The use case of the aggregate function."""

    store: MediaStore
    objects: Objects
    settlement: Settlement
    clock: Clock

    def run(self, job_id: str) -> Verdict:
        """Judge the job on what its steps left behind. What is missing or broken was not looked at."""
        try:
            return self._run(self.store.job(job_id))
        finally:
            self._forget_if_deleted(media_of(job_id))

    def _run(self, job: Job) -> Verdict:
        work = Work(job.media_id, job.job_id)
        plan = Plan.model_validate_json(self.objects.get(work.plan))
        evidence = self._evidence(job, plan, work)
        verdict = self._judge(job, evidence)
        shown = self._with_pictures(verdict.segments, [*evidence.scans, *evidence.second], work)
        verdict = verdict.model_copy(update={"segments": shown, **self._captions(evidence.reading, work)})
        self.objects.put(work.verdict, verdict.model_dump_json().encode(), "application/json")
        self.settlement.judged(job, inline(verdict, work.verdict))
        return verdict

    def _evidence(self, job: Job, plan: Plan, work: Work) -> Evidence:
        media = self.store.media(job.media_id)
        specs = needed(job.template)
        versions: dict[Step, dict[str, str]] = {"frames": {}, "audio": {}, "text": {}}
        for spec in specs:
            versions[spec.step][spec.name] = spec.version
        indices = [span.index for span in plan.segments]
        scans = list(left(self.objects, Scan, map(work.scan, indices)))
        # Where the second look was never planned, what it was to see has not been seen.
        plan = next(left(self.objects, Plan, [work.refinement]), None) or refined(plan, scans, job.template)
        return Evidence(
            plan=plan,
            scans=scans,
            second=list(left(self.objects, Scan, (work.scan(window.index) for window in plan.windows))),
            at_a_glance=at_a_glance(specs),
            covers=list(left(self.objects, Scan, map(work.cover, job.covers))),
            covers_planned=len(media.covers),
            hearings=list(left(self.objects, Hearing, map(work.hearing, indices))) if versions["audio"] else [],
            reading=next(left(self.objects, Reading, [work.reading]), None) if versions["text"] else None,
            detectors=versions["frames"],
            listeners=versions["audio"],
            readers=versions["text"],
            reporters=targets_of([(spec.name, spec.reports) for spec in specs]),
            title=media.title,
        )

    def _judge(self, job: Job, evidence: Evidence) -> Verdict:
        kind = "key frames" if job.template.key_frames_only else "all frames decoded"
        versions = Versions(
            template=job.template.id,
            models=model_set(needed(job.template)),
            sampling=f"{job.template.interval_seconds:g} s, {kind}",
            software=moderation.__version__,
        )
        return judge(
            evidence,
            job.template,
            media_id=job.media_id,
            job_id=job.job_id,
            versions=versions,
            now=self.clock.now(),
        )

    def _captions(self, reading: Reading | None, work: Work) -> dict[str, str]:
        """Keep what was said and what was shown in writing as WebVTT, as far as there is any."""
        if reading is None:
            return {}
        kept = {}
        for name, key, document in (
            ("transcript_file", work.transcript, transcript(reading)),
            ("texts_file", work.texts, shown_texts(reading)),
        ):
            if document:
                self.objects.put(key, document.encode(), "text/vtt; charset=utf-8")
                kept[name] = key
        return kept

    def _with_pictures(self, segments: Sequence[Segment], scans: Sequence[Scan], work: Work) -> tuple[Segment, ...]:
        """Keep the pictures of the worst segments, reading each frames archive at most once.

        What was found stands without its picture, too, where that is lost or broken.
        """
        members = _pictures_by_place(scans)
        keys: dict[int, str] = {}
        wanted: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for number, segment in enumerate(segments[:MAX_PICTURES]):
            if segment.cover is not None:
                with suppress(NotFound):
                    keys[number] = self._keep(number, self.objects.get(work.cover_picture(segment.cover)), work)
            elif segment.form in PICTURE_FORMS and (segment.track, segment.picture_time) in members:
                index, member = members[segment.track, segment.picture_time]
                wanted[index].append((number, member))
        for index, numbers in wanted.items():
            with tempfile.TemporaryDirectory(prefix="evidence-") as name:
                archive = Path(name) / "frames.zip"
                with suppress(NotFound, *_BROKEN_ARCHIVE):
                    self.objects.fetch(work.frames(index), archive)
                    with zipfile.ZipFile(archive) as stored:
                        for number, member in numbers:
                            keys[number] = self._keep(number, stored.read(member), work)
        return tuple(
            segment.model_copy(update={"picture": keys.get(number)}) for number, segment in enumerate(segments)
        )

    def _keep(self, number: int, picture: bytes, work: Work) -> str:
        key = work.evidence(number)
        self.objects.put(key, picture, "image/jpeg")
        return key

    def _forget_if_deleted(self, media_id: str) -> None:
        """A delete that came while the job ran has purged too early for what its steps wrote since."""
        if self.store.media(media_id).status is MediaStatus.DELETED:
            for prefix in derived_prefixes(media_id):
                self.objects.delete_prefix(prefix)


def _pictures_by_place(scans: Iterable[Scan]) -> dict[tuple[int, float], tuple[int, str]]:
    """(track, time) → (segment index, member of its frames archive); a duplicate shows its original's picture."""
    places: dict[tuple[int, float], tuple[int, str]] = {}
    for scan in scans:
        originals = {look.ordinal: look for look in scan.looks}
        for look in scan.looks:
            shown = look if look.duplicate_of is None else originals[look.duplicate_of]
            if shown.picture is not None:
                places[look.track, look.time] = (scan.index, shown.picture)
    return places
