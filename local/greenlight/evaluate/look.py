"""What the product makes of one picture, clip, sound or text, with the use cases of its functions; each once."""

import base64
import json
import tempfile
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import get_ident

from PIL import Image
from pydantic import ValidationError

import moderation
from greenlight.evaluate.errors import EvaluateError
from greenlight.evaluate.manifest import Item, Kind
from greenlight.libraries import Libraries
from greenlight.scan import job_over, scan
from moderation.detectors.catalog import CATALOG, model_set, needed
from moderation.detectors.covers import CoverRefused, open_cover
from moderation.detectors.scanner import Scanner
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.memory.uploads import LocalUploads
from moderation.models.base import Model
from moderation.models.keywords import KeywordLibrary
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.plan import Plan, SegmentSpan, TrackSpan, VideoTrack
from moderation.models.reading import JudgedText, Reading, Text
from moderation.models.sound import Hearing
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Verdict
from moderation.ports import NotFound, Objects
from moderation.services.aggregate import Aggregation
from moderation.services.read import TextJudging
from moderation.services.scan import owned
from moderation.services.settle import Settlement
from moderation.services.work import Work, left, library
from moderation.system import SystemClock
from moderation.text.judge import Judge

_THUMBNAIL = 192
_STILL = "detail"
Pair = tuple[str, str]
"""(label, sub_label)"""


class Looked(Model):
    """What came of one item, enough to judge it by other thresholds.

    `verdict` is None for a text, and where a file was refused, of which `refused` says why. `thumbnail` is a JPEG in
    base64 of what was the most conspicuous, "" where there are no pictures.
    """

    verdict: Verdict | None
    refused: str | None = None
    scans: tuple[Scan, ...] = ()
    hearings: tuple[Hearing, ...] = ()
    reading: Reading | None = None
    thumbnail: str = ""


def widened(template: Template, pairs: Collection[Pair], forms: Collection[Form]) -> Template:
    """The template with rules for labels that it does not ask about, so that detectors tell what they see of them.

    Such a rule is met by nothing but a score of 1: what `Judging` says is by the template itself.
    """
    asked = template.targets()
    rules: dict[Pair, set[Form]] = {}
    for spec in CATALOG:
        for form, label, sub_label in sorted(spec.reports):
            if (label, sub_label) in pairs and form in forms and (form, label, sub_label) not in asked:
                rules.setdefault((label, sub_label), set()).add(form)
    added = tuple(
        Rule(label=label, sub_label=sub_label, forms=frozenset(found), review=100)
        for (label, sub_label), found in sorted(rules.items())
    )
    return template.model_copy(update={"rules": (*template.rules, *added)})


@dataclass(frozen=True)
class Looking:
    """Items before the whole pipeline, by a template as `widened`, each in a cache that outlives a run cut short.

    `conspicuous` are the labels that make a frame the thumbnail of its clip, `libraries` the owner's.
    """

    template: Template
    weights: Path
    cache: Path
    conspicuous: Collection[Pair] = field(default_factory=frozenset)
    libraries: Libraries = field(default_factory=dict)

    def look(self, item: Item) -> Looked:
        """What the product makes of an item: from the cache if the very same was looked at before."""
        path = self._place(item)
        try:
            return Looked.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            looked = self._looked(item)
        if looked.verdict is not None and not looked.verdict.coverage.complete:
            return looked  # what failed may go well the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{get_ident()}")
        draft.write_text(looked.model_dump_json(exclude_defaults=True), encoding="utf-8")
        draft.replace(path)
        return looked

    @cached_property
    def _how(self) -> str:
        """All that a result depends on but the item."""
        rules = [{**rule.model_dump(), "forms": sorted(rule.forms)} for rule in self.template.rules]
        told = {
            "template": {**self.template.model_dump(exclude={"rules"}), "rules": rules},
            "models": model_set(needed(self.template)),
            "software": moderation.__version__,
            "libraries": {key: sha256(document).hexdigest() for key, document in self.libraries.items()},
            "conspicuous": sorted("/".join(pair) for pair in self.conspicuous),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _place(self, item: Item) -> Path:
        content = sha256(item.text.encode() if item.kind is Kind.TEXT else item.file.read_bytes()).hexdigest()
        key = sha256(f"{item.kind} {content} {self._how}".encode()).hexdigest()
        return self.cache / key[:2] / f"{key}.json"

    def _looked(self, item: Item) -> Looked:
        if item.kind is Kind.TEXT:
            return self._text(item.text)
        if item.kind is Kind.PICTURE:
            return self._picture(item.file)
        return self._clip(item.file)

    @cached_property
    def _judge(self) -> Judge:
        lists = []
        for name in self.template.keywords:
            document = self.libraries.get(library("keywords", name))
            if document is None:
                raise EvaluateError(f"there is no library of words {name} beside the template")
            lists.append(KeywordLibrary.read(name, document))
        return Judge(self.weights, lists, targets=self.template.targets())

    def _text(self, text: str) -> Looked:
        """A text as a title."""
        found = tuple(self._judge.judge(text))
        told = JudgedText(text=Text(form=Form.TITLE, text=text), findings=found)
        return Looked(verdict=None, reading=Reading(texts=(told,), detectors={}))

    def _clip(self, path: Path) -> Looked:
        kept: dict[str, object] = {}

        def keep(objects: Objects, work: Work) -> None:
            plan = Plan.model_validate_json(objects.get(work.plan))
            scans = tuple(left(objects, Scan, (work.scan(span.index) for span in plan.segments)))
            kept["scans"] = scans
            kept["hearings"] = tuple(left(objects, Hearing, (work.hearing(span.index) for span in plan.segments)))
            kept["reading"] = next(left(objects, Reading, [work.reading]), None)
            kept["thumbnail"] = self._thumbnail(objects, work, scans)

        scanned = scan(path, self.template, weights=self.weights, libraries=self.libraries, left=keep)
        error = scanned.job.error
        refused = None if scanned.verdict else error.code if error else "internal"
        return Looked.model_validate({"verdict": scanned.verdict, "refused": refused, **kept})

    def _thumbnail(self, objects: Objects, work: Work, scans: Iterable[Scan]) -> str:
        shown = [
            (max((o.score for o in look.observations if self._tells(o)), default=-look.time / 1e6), scan.index, look)
            for scan in scans
            for look in scan.looks
            if look.picture
        ]
        if not shown:
            return ""
        _, index, look = max(shown, key=lambda one: one[0])
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "frames.zip"
            try:
                objects.fetch(work.frames(index), archive)
            except NotFound:
                return ""
            with zipfile.ZipFile(archive) as stored:
                return _small(stored.read(str(look.picture)))

    def _tells(self, observation: Observation) -> bool:
        return (observation.label, observation.sub_label) in self.conspicuous

    @cached_property
    def _scanner(self) -> Scanner:
        specs = needed(self.template, "frames")
        with tempfile.TemporaryDirectory() as folder:
            return Scanner(specs, self.weights, owned(self._objects(Path(folder)), self.template, specs))

    def _picture(self, path: Path) -> Looked:
        """A picture as a video of one frame."""
        try:
            pictures = open_cover(path.read_bytes()).pictures
        except CoverRefused as refusal:
            return Looked(verdict=None, refused=refusal.code)
        observations: list[Observation] = []
        failed: dict[str, str] = {}
        for picture in pictures:
            result = self._scanner.look(picture.files)
            observations += map(picture.placed, result.observations)
            failed |= result.failed
        seen = Scan(
            index=0,
            looks=(FrameLook(ordinal=0, time=0.0, observations=tuple(observations), failed=failed),),
            detectors={spec.name: spec.version for spec in needed(self.template, "frames")},
            planned=1,
            decoded=1,
            expected=1,
        )
        with tempfile.TemporaryDirectory(prefix="greenlight-") as name:
            objects, store, clock = self._objects(Path(name)), MemoryMediaStore(), SystemClock()
            job = job_over(path, self.template, LocalUploads(Path(name)), store, clock)
            work = Work(job.media_id, job.job_id)
            objects.put(work.plan, _still(self.template).model_dump_json().encode(), "application/json")
            objects.put(work.scan(0), seen.model_dump_json().encode(), "application/json")
            reading = self._texts_read(store, objects, job.job_id)
            verdict = Aggregation(store, objects, Settlement(store, clock), clock).run(job.job_id)
        thumbnail = _small(pictures[0].files[_STILL] if _STILL in pictures[0].files else path.read_bytes())
        return Looked(verdict=verdict, scans=(seen,), reading=reading, thumbnail=thumbnail)

    def _objects(self, folder: Path) -> FolderObjects:
        objects = FolderObjects(folder)
        for key, document in self.libraries.items():
            objects.put(key, document, "application/json")
        return objects

    def _texts_read(self, store: MemoryMediaStore, objects: Objects, job_id: str) -> Reading | None:
        """What is written in a picture, where the template asks about texts."""
        if not needed(self.template, "text"):
            return None
        return TextJudging(store, objects, self.weights).run(job_id)


def _small(picture: bytes) -> str:
    """A picture small enough for a page of many, as base64."""
    file = BytesIO()
    with Image.open(BytesIO(picture)) as image:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        image.convert("RGB").save(file, "JPEG", quality=70)
    return base64.b64encode(file.getvalue()).decode()


def _still(template: Template) -> Plan:
    """The plan of a video of one frame."""
    second = template.interval_seconds
    track = VideoTrack(
        index=0,
        codec="mjpeg",
        width=1,
        height=1,
        coded_width=1,
        coded_height=1,
        frames=1,
        start=0.0,
        last=0.0,
        end=second,
        origin=0.0,
        tick=second,
    )
    shown = TrackSpan(track=0, expected=1, samples=(0.0,), key_distance=0.0)
    return Plan(
        kind="video",
        container="picture",
        content_type="image/jpeg",
        size=0,
        duration=second,
        interval=second,
        key_frames_only=template.key_frames_only,
        ignore_edit_lists=False,
        video=(track,),
        audio=(),
        segments=(SegmentSpan(index=0, start=0.0, end=second, tracks=(shown,)),),
        evasions=(),
    )
