"""The scan_text step: every text of a media is judged, and what cannot be judged is named."""

from pathlib import Path

import pytest

from greenlight.weights import ensure_weights
from moderation.detectors.catalog import CATALOG
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.models.job import Job
from moderation.models.observation import Box, FrameLook, Observation, Scan
from moderation.models.reading import Reading
from moderation.models.sound import TrackHearing, Utterance
from moderation.models.template import Form, Rule, Template
from moderation.services.ingest import new_job
from moderation.services.read import TextJudging
from moderation.services.work import Work, library
from moderation.system import SystemClock
from moderation.text.lexicon import Words
from tests.builders import hearing, identity, silent_plan, waiting_media

WORDS = next(spec for spec in CATALOG if spec.name == "words")


def rule(label: str, sub_label: str, *forms: Form) -> Rule:
    return Rule(label=label, sub_label=sub_label, forms=frozenset(forms), review=60)


EVERY = Template(
    name="every",
    revision=1,
    rules=(
        rule("abuse", "text", Form.TITLE, Form.OCR, Form.COVER),
        rule("abuse", "speech", Form.ASR),
        rule("spam", "customized", Form.TITLE, Form.OCR, Form.ASR, Form.COVER),
    ),
)


class Desk:
    """A job with a plan and a title; what its steps leave is put there by each test."""

    def __init__(self, folder: Path, template: Template, title: str) -> None:
        self.objects = FolderObjects(folder)
        self.store = MemoryMediaStore()
        media = waiting_media().model_copy(update={"title": title})
        self.job: Job = new_job(media, identity(), template, "upload", SystemClock())
        self.store.add_media(media)
        self.store.save(media, new_job=self.job)
        self.work = Work(self.job.media_id, self.job.job_id)
        self.leave(self.work.plan, silent_plan().model_dump_json())

    def leave(self, key: str, document: str) -> None:
        self.objects.put(key, document.encode(), "application/json")

    def read(self, weights: Path) -> Reading:
        return TextJudging(self.store, self.objects, weights).run(self.job.job_id)


@pytest.fixture(scope="session")
def weights() -> Path:
    return ensure_weights(dict.fromkeys(name for spec in CATALOG if spec.step == "text" for name in spec.models))


def line(text: str, form: Form = Form.OCR) -> tuple[Observation, ...]:
    box = Box(left=0.1, top=0.8, width=0.5, height=0.1)
    return (Observation(detector="ocr", form=form, label="text", sub_label="line", score=0.9, box=box, text=text),)


def scan(*texts: str) -> Scan:
    looks = tuple(FrameLook(ordinal=n, time=float(n), observations=line(text)) for n, text in enumerate(texts))
    return Scan(index=0, looks=looks, detectors={"ocr": "1"}, planned=len(looks), decoded=50, expected=50)


def test_title_captions_and_speech_are_judged_at_once(tmp_path: Path, weights: Path) -> None:
    desk = Desk(tmp_path, EVERY, "你个傻逼")
    said = Utterance(start=2.0, end=4.0, text="You are a piece of shit.", language="en", score=0.9)
    track = TrackHearing(track=1, planned=10.0, heard=10.0, speech=2.0, utterances=(said,))
    desk.leave(desk.work.scan(0), scan("go home, asshole", "go home, asshole", "hello").model_dump_json())
    desk.leave(desk.work.hearing(0), hearing(0, track).model_dump_json())
    reading = desk.read(weights)
    assert reading == Reading.model_validate_json(desk.objects.get(desk.work.reading))
    assert (reading.failed, set(reading.detectors)) == ({}, {"words", "text_models"})
    found = {judged.text.form: judged for judged in reading.texts if judged.findings}
    assert {form: judged.text.text for form, judged in found.items()} == {
        Form.TITLE: "你个傻逼",
        Form.OCR: "go home, asshole",
        Form.ASR: "You are a piece of shit.",
    }
    assert found[Form.ASR].findings[0].sub_label == "speech"
    assert (found[Form.ASR].text.start, found[Form.ASR].text.track, found[Form.ASR].text.language) == (2.0, 1, "en")
    assert [judged.text.text for judged in reading.texts if not judged.findings] == ["hello"]


def test_the_libraries_that_the_template_names_are_read(tmp_path: Path, weights: Path) -> None:
    desk = Desk(tmp_path, EVERY.model_copy(update={"keywords": ("rivals",)}), "The new Acme is here")
    desk.leave(library("keywords", "rivals"), '{"block": ["acme"]}')
    (judged,) = desk.read(weights).texts
    own = [one for one in judged.findings if one.sub_label == "customized"]
    assert [(one.library, one.score) for one in own] == [("rivals", 1.0)]


@pytest.mark.parametrize("document", [None, "{}}", '{"words": ["acme"]}'])
def test_a_library_that_is_missing_or_broken_fails_the_parts(
    tmp_path: Path, weights: Path, document: str | None
) -> None:
    desk = Desk(tmp_path, EVERY.model_copy(update={"keywords": ("rivals",)}), "The new Acme is here")
    if document:
        desk.leave(library("keywords", "rivals"), document)
    assert set(desk.read(weights).failed) == {"words", "text_models"}


def test_missing_weights_fail_their_part_and_no_other(tmp_path: Path, weights: Path) -> None:
    some = tmp_path / "weights"
    some.mkdir()
    for name in WORDS.models:
        (some / f"{name}.json").symlink_to(weights / f"{name}.json")
    (tmp_path / "objects").mkdir()
    reading = Desk(tmp_path / "objects", EVERY, "你个傻逼").read(some)
    assert set(reading.failed) == {"text_models"}
    assert "use" in reading.failed["text_models"]
    assert reading.texts[0].findings


def test_nothing_is_judged_that_nobody_asks_about(tmp_path: Path, weights: Path) -> None:
    asked = Template(name="asks", revision=1, rules=(rule("politics", "text", Form.TITLE),))
    reading = Desk(tmp_path, asked, "傻逼 法轮功").read(weights)
    assert set(reading.detectors) == {"words"}
    assert [one.label for one in reading.texts[0].findings] == ["politics"]


def test_without_any_text_there_is_an_empty_reading(tmp_path: Path, weights: Path) -> None:
    reading = Desk(tmp_path, EVERY, " ").read(weights)
    assert (reading.texts, reading.failed) == ((), {})


def test_the_catalog_names_every_list() -> None:
    assert set(WORDS.models) == {"variants", *Words.read().weights}
