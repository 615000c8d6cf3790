"""The scan_text step: all texts of a media before every part of the text judge that the template needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moderation.captions import texts_of
from moderation.detectors.catalog import DetectorSpec, needed
from moderation.models.errors import reason
from moderation.models.job import Job
from moderation.models.keywords import KeywordLibrary
from moderation.models.observation import Scan
from moderation.models.plan import Plan
from moderation.models.reading import JudgedText, Reading, Text, TextFinding
from moderation.models.sound import Hearing
from moderation.models.template import Form
from moderation.ports import MediaStore, Objects
from moderation.services.work import Work, left, library
from moderation.text.judge import asked_for, make


@dataclass(frozen=True)
class TextJudging:
    """The use case of the scan_text function."""

    store: MediaStore
    objects: Objects
    weights: Path

    def run(self, job_id: str) -> Reading:
        """Judge the title, what pictures show in writing and what is said, and leave what was found.

        What earlier steps left nothing of has no texts: coverage shows that gap. A part that fails is named. Where
        there is nothing to read nothing is loaded: many videos have neither a title nor words.
        """
        job = self.store.job(job_id)
        work = Work(job.media_id, job.job_id)
        specs = needed(job.template, "text")
        texts = list(self._texts(job, work))
        found: list[list[TextFinding]] = [[] for _ in texts]
        failed: dict[str, str] = {}
        for spec in specs if texts else ():
            try:
                for findings, more in zip(found, self._judged(spec, job.template.keywords, texts), strict=True):
                    findings += more
            except Exception as error:  # whatever it is: what could not be judged is not clean
                failed[spec.name] = reason(error)
        targets = job.template.targets()
        reading = Reading(
            texts=tuple(
                JudgedText(text=text, findings=tuple(asked_for(findings, text, targets)))
                for text, findings in zip(texts, found, strict=True)
            ),
            detectors={spec.name: spec.version for spec in specs},
            failed=failed,
        )
        self.objects.put(work.reading, reading.model_dump_json().encode(), "application/json")
        return reading

    def _judged(self, spec: DetectorSpec, libraries: Sequence[str], texts: Sequence[Text]) -> list[list[TextFinding]]:
        owned = [KeywordLibrary.read(name, self.objects.get(library("keywords", name))) for name in libraries]
        return make(spec.implementation, self.weights, owned).find(texts)

    def _texts(self, job: Job, work: Work) -> Iterator[Text]:
        plan = Plan.model_validate_json(self.objects.get(work.plan))
        title = self.store.media(job.media_id).title
        if title.strip():
            yield Text(form=Form.TITLE, text=title)
        indices = [span.index for span in plan.segments]
        covers = left(self.objects, Scan, [work.cover(index) for index in job.covers])
        yield from texts_of(list(left(self.objects, Scan, map(work.scan, indices))), list(covers))
        for hearing in left(self.objects, Hearing, map(work.hearing, indices)):
            for track in hearing.tracks:
                for said in track.utterances:
                    yield Text(
                        form=Form.ASR,
                        text=said.text,
                        start=said.start,
                        end=said.end,
                        track=track.track,
                        language=said.language,
                        score=said.score,
                    )
