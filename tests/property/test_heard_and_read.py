"""The algebra of verdicts over sound and texts: what nobody heard or read is never clean."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.coverage import Evidence
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.reading import HitSource, JudgedText, Reading, Text, TextFinding
from moderation.models.sound import Hearing, SoundEvent, TrackHearing, Utterance
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion, Verdict, Versions
from moderation.verdict import judge, targets_of
from tests.builders import silent_plan, sounding

MOAN = (Form.VOICE, "porn", "moan")
SAID = (Form.ASR, "abuse", "speech")
TITLE = (Form.TITLE, "ad", "text")
WRITTEN = (Form.OCR, "ad", "text")
LISTENERS = {"voice": "1", "speech": "1"}
READERS = {"words": "1", "classifier": "1"}
DETECTORS = {"ocr": "1"}
REPORTERS = targets_of(
    [("voice", [MOAN]), ("speech", [SAID]), ("ocr", [WRITTEN]), *((name, [SAID, TITLE, WRITTEN]) for name in READERS)]
)
SECONDS = 10.0
TRACKS = (1, 2)
TITLES = "a title"


def rule(target: tuple[Form, str, str]) -> st.SearchStrategy[Rule]:
    form, label, sub_label = target
    return st.builds(
        lambda review, more: Rule(
            label=label, sub_label=sub_label, forms=frozenset({form}), review=review, block=min(100, review + more)
        ),
        st.integers(20, 80),
        st.integers(0, 40),
    )


templates = st.tuples(*map(rule, (MOAN, SAID, TITLE, WRITTEN))).map(
    lambda rules: Template(name="test", revision=1, rules=rules)
)
scores = st.floats(0, 1)


@dataclass(frozen=True)
class Media:
    """What was heard and read of one media, and the title of it."""

    scans: tuple[Scan, ...]
    hearings: tuple[Hearing, ...]
    reading: Reading | None


@st.composite
def medias(draw: st.DrawFn) -> Media:
    segments = draw(st.integers(1, 2))
    hearings, texts, scans = [], [Text(form=Form.TITLE, text=TITLES)], []
    for index in range(segments):
        start = index * SECONDS
        tracks = []
        for track in TRACKS:
            spoken = draw(st.booleans())
            said = f"said in {index} on {track}"
            moan = Observation(detector="voice", form=Form.VOICE, label="porn", sub_label="moan", score=draw(scores))
            event = SoundEvent(start=start + 2.0, end=start + 2.96, observations=(moan,))
            utterance = Utterance(start=start + 4, end=start + 6, text=said, language="en", score=0.9)
            tracks.append(
                TrackHearing(
                    track=track,
                    planned=SECONDS,
                    heard=SECONDS,
                    speech=2.0 * spoken,
                    events=(event,),
                    utterances=(utterance,) * spoken,
                )
            )
            if spoken:
                texts.append(Text(form=Form.ASR, text=said, start=start + 4, end=start + 6, track=track))
        hearings.append(Hearing(index=index, tracks=tuple(tracks), detectors=LISTENERS))
        look = FrameLook(ordinal=0, time=start)
        scans.append(Scan(index=index, looks=(look,), detectors=DETECTORS, planned=1, decoded=50, expected=50))
    reading = Reading(texts=tuple(draw(judged(text)) for text in texts), detectors=READERS)
    return Media(tuple(scans), tuple(hearings), reading)


@st.composite
def judged(draw: st.DrawFn, text: Text) -> JudgedText:
    label, sub_label = ("abuse", "speech") if text.form is Form.ASR else ("ad", "text")
    finding = TextFinding(label=label, sub_label=sub_label, score=draw(scores), source=HitSource.CLASSIFIER)
    return JudgedText(text=text, findings=(finding,) * draw(st.integers(0, 1)))


def verdict_on(media: Media, template: Template) -> Verdict:
    evidence = Evidence(
        plan=sounding(silent_plan(segments=len(media.scans), seconds=SECONDS), *TRACKS),
        scans=media.scans,
        covers=(),
        covers_planned=0,
        detectors=DETECTORS,
        listeners=LISTENERS,
        readers=READERS,
        reporters=REPORTERS,
        title=TITLES,
        hearings=media.hearings,
        reading=media.reading,
    )
    versions = Versions(template=template.id, models="m", sampling="s", software="0")
    return judge(evidence, template, media_id="m", job_id="j", versions=versions, now=datetime(2026, 1, 1, tzinfo=UTC))


def without_hearing(media: Media, draw: st.DataObject) -> Media:
    lost = draw.draw(st.sampled_from(media.hearings))
    return replace(media, hearings=tuple(h for h in media.hearings if h is not lost))


def _with(media: Media, hearing: Hearing, **update: object) -> Media:
    changed = hearing.model_copy(update=update)
    return replace(media, hearings=tuple(changed if h is hearing else h for h in media.hearings))


def _with_track(media: Media, draw: st.DataObject, change: Callable[[TrackHearing], TrackHearing | None]) -> Media:
    hearing = draw.draw(st.sampled_from(media.hearings))
    number = draw.draw(st.integers(0, len(TRACKS) - 1))
    changed = [change(track) if n == number else track for n, track in enumerate(hearing.tracks)]
    return _with(media, hearing, tracks=tuple(track for track in changed if track is not None))


def without_track(media: Media, draw: st.DataObject) -> Media:
    return _with_track(media, draw, lambda track: None)


def track_cut_short(media: Media, draw: st.DataObject) -> Media:
    heard = draw.draw(st.floats(0, SECONDS - 0.51))
    return _with_track(media, draw, lambda track: track.model_copy(update={"heard": heard}))


def recogniser_failed(media: Media, draw: st.DataObject) -> Media:
    """What it had recognised is not there, and nobody can have judged it."""
    lost = draw.draw(st.sampled_from([track for h in media.hearings for track in h.tracks]))
    told = {"failed": {"speech": "broken"}, "utterances": ()}
    media = replace(
        media,
        hearings=tuple(
            h.model_copy(update={"tracks": tuple(t.model_copy(update=told) if t is lost else t for t in h.tracks)})
            for h in media.hearings
        ),
    )
    assert media.reading
    said = {utterance.text for utterance in lost.utterances}
    texts = tuple(text for text in media.reading.texts if text.text.text not in said)
    return replace(media, reading=media.reading.model_copy(update={"texts": texts}))


def listener_failed(media: Media, draw: st.DataObject) -> Media:
    told = {"failed": {"voice": "broken"}, "events": ()}
    return _with_track(media, draw, lambda track: track.model_copy(update=told))


def listener_of_another_version(media: Media, draw: st.DataObject) -> Media:
    hearing = draw.draw(st.sampled_from(media.hearings))
    name = draw.draw(st.sampled_from(sorted(LISTENERS)))
    others = {other: version for other, version in LISTENERS.items() if other != name}
    return _with(media, hearing, detectors=draw.draw(st.sampled_from([others, {**others, name: "0"}])))


def without_reading(media: Media, draw: st.DataObject) -> Media:
    return replace(media, reading=None)


def without_text(media: Media, draw: st.DataObject) -> Media:
    assert media.reading
    lost = draw.draw(st.sampled_from(media.reading.texts))
    texts = tuple(text for text in media.reading.texts if text is not lost)
    return replace(media, reading=media.reading.model_copy(update={"texts": texts}))


def reader_failed(media: Media, draw: st.DataObject) -> Media:
    assert media.reading
    name = draw.draw(st.sampled_from(sorted(READERS)))
    return replace(media, reading=media.reading.model_copy(update={"failed": {name: "broken"}}))


def reader_of_another_version(media: Media, draw: st.DataObject) -> Media:
    assert media.reading
    name = draw.draw(st.sampled_from(sorted(READERS)))
    return replace(media, reading=media.reading.model_copy(update={"detectors": {**READERS, name: "0"}}))


def written_and_never_judged(media: Media, draw: st.DataObject) -> Media:
    """Pictures show a line that is not among the texts that were judged."""
    scan = draw.draw(st.sampled_from(media.scans))
    box = {"left": 0.1, "top": 0.8, "width": 0.5, "height": 0.1}
    line = Observation.model_validate(
        {
            "detector": "ocr",
            "form": "ocr",
            "label": "text",
            "sub_label": "line",
            "score": 1,
            "box": box,
            "text": "unread",
        }
    )
    look = scan.looks[0].model_copy(update={"observations": (line,)})
    changed = scan.model_copy(update={"looks": (look,)})
    return replace(media, scans=tuple(changed if s is scan else s for s in media.scans))


FAILURES = [
    *(without_hearing, without_track, track_cut_short, recogniser_failed, listener_failed, listener_of_another_version),
    *(without_reading, without_text, reader_failed, reader_of_another_version, written_and_never_judged),
]


@settings(deadline=None)
@given(medias(), templates, st.sampled_from(FAILURES), st.data())
def test_whatever_was_not_heard_or_read_never_passes(
    media: Media, template: Template, failure: Callable[[Media, st.DataObject], Media], data: st.DataObject
) -> None:
    before = verdict_on(media, template)
    after = verdict_on(failure(media, data), template)
    assert after.suggestion is not Suggestion.PASS
    assert not after.coverage.complete
    assert after.suggestion.severity >= min(before.suggestion.severity, Suggestion.REVIEW.severity)


@settings(deadline=None)
@given(medias(), templates)
def test_all_that_was_heard_and_read_is_no_gap(media: Media, template: Template) -> None:
    verdict = verdict_on(media, template)
    assert verdict.reasons == ()
    assert verdict.coverage.sound_heard_seconds == verdict.coverage.sound_seconds
    found = any(segment.suggestion is not Suggestion.PASS for segment in verdict.segments)
    assert (verdict.suggestion is Suggestion.PASS) is not found


@settings(deadline=None)
@given(medias(), templates, st.data())
def test_order_and_repetition_of_hearings_and_texts_do_not_matter(
    media: Media, template: Template, data: st.DataObject
) -> None:
    assert media.reading
    texts = data.draw(st.permutations(media.reading.texts))
    shuffled = replace(
        media,
        scans=tuple(data.draw(st.permutations(media.scans))),
        hearings=tuple(data.draw(st.permutations([*media.hearings, *media.hearings]))),
        reading=media.reading.model_copy(update={"texts": tuple(texts)}),
    )
    assert verdict_on(shuffled, template) == verdict_on(media, template)
