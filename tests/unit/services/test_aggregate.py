"""The last step: what was seen, and what was not, becomes the verdict."""

import io
import json
import zipfile
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from moderation.detectors.catalog import needed
from moderation.models.job import Job
from moderation.models.media import MediaStatus, cover_key, source_key
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.reading import Hit, HitSource, JudgedText, Reading, Text, TextFinding
from moderation.models.sound import Hearing, TrackHearing, Utterance
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion, Verdict
from moderation.ports import NotFound
from moderation.services.aggregate import MAX_PICTURES
from moderation.services.work import Work
from moderation.verdict import INLINE_SEGMENTS
from tests.builders import audio_plan, silent_plan
from tests.world import World

FRAMES = 10
"""Looked-at frames of a segment, one a second."""


def planned(world: World, *, segments: int = 1, covers: tuple[int, ...] = (), signed: int = 0) -> Job:
    """A job whose plan is there; of `signed` covers those numbered `covers` have arrived."""
    media_id = world.sign(covers=signed)
    for number in covers:
        world.ingest.arrived(world.bring(cover_key(media_id, number)))
    world.ingest.arrived(world.bring(source_key(media_id)))
    job = world.latest_job(media_id)
    plan = silent_plan(segments=segments, seconds=float(FRAMES), packets=50)
    world.objects.put(work(job).plan, plan.model_dump_json().encode(), "application/json")
    world.settlement.accepted(job, plan.content_type)
    return job


def work(job: Job) -> Work:
    return Work(job.media_id, job.job_id)


def seen(score: float, form: Form) -> tuple[Observation, ...]:
    return (Observation(detector="explicit", form=form, label="porn", sub_label="explicit", score=score),)


def leave(
    world: World, job: Job, index: int, scores: dict[int, float], duplicates: Mapping[int, int] = MappingProxyType({})
) -> None:
    """What the scan step of a segment leaves behind: a scan and, from the extract step, its frames."""
    looks = [
        FrameLook(
            ordinal=n,
            time=float(index * FRAMES + n),
            duplicate_of=duplicates.get(n),
            observations=seen(scores[n], Form.IMAGE) if n in scores else (),
            picture=None if n in duplicates else f"detail/{n:06d}.jpg",
        )
        for n in range(FRAMES)
    ]
    scan = Scan(
        index=index,
        looks=tuple(looks),
        detectors={spec.name: spec.version for spec in needed(job.template, "frames")},
        planned=FRAMES,
        decoded=50,
        expected=50,
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as frames:
        for look in looks:
            if look.picture:
                frames.writestr(look.picture, f"picture {index}/{look.ordinal}")
    world.objects.put(work(job).frames(index), archive.getvalue(), "application/zip")
    world.objects.put(work(job).scan(index), scan.model_dump_json().encode(), "application/json")


def leave_cover(world: World, job: Job, index: int, score: float) -> None:
    look = FrameLook(ordinal=0, time=0.0, observations=seen(score, Form.COVER))
    detectors = {spec.name: spec.version for spec in needed(job.template, "frames")}
    scan = Scan(index=index, looks=(look,), detectors=detectors, planned=1, decoded=1, expected=1)
    world.objects.put(work(job).cover_picture(index), f"cover {index}".encode(), "image/jpeg")
    world.objects.put(work(job).cover(index), scan.model_dump_json().encode(), "application/json")


def test_nothing_found_with_everything_looked_at_passes(world: World) -> None:
    job = planned(world, segments=2)
    leave(world, job, 0, {})
    leave(world, job, 1, {3: 0.59})
    verdict = world.aggregation.run(job.job_id)
    assert (verdict.suggestion, verdict.reasons, verdict.segments) == (Suggestion.PASS, (), ())
    assert verdict.coverage.complete
    assert verdict.coverage.frames_scored == 2 * FRAMES
    assert world.media(job.media_id).status is MediaStatus.NORMAL


def test_a_title_in_lookalike_letters_is_named_and_changes_nothing(world: World) -> None:
    job = planned(world, segments=1)
    leave(world, job, 0, {})
    media = world.media(job.media_id)
    world.store.save(media.model_copy(update={"title": "frее pоrn"}))
    verdict = world.aggregation.run(job.job_id)
    assert (verdict.suggestion, verdict.evasions) == (Suggestion.PASS, ("lookalike_title",))


def test_a_violation_becomes_a_segment_with_its_picture(world: World) -> None:
    # GIVEN a violation in the second of two segments
    job = planned(world, segments=2)
    leave(world, job, 0, {})
    leave(world, job, 1, {2: 0.7, 3: 0.95})
    # WHEN the job is judged
    verdict = world.aggregation.run(job.job_id)
    # THEN it is found, in the media's own time, and its worst frame is kept
    (segment,) = verdict.segments
    assert (segment.start, segment.end, segment.confidence) == (12.0, 14.0, 95)
    assert (verdict.suggestion, verdict.label, verdict.sub_label) == (Suggestion.BLOCK, "porn", "explicit")
    assert segment.picture is not None
    assert segment.picture.startswith(f"evidence/{job.media_id}/{job.job_id}/")
    assert world.objects.get(segment.picture) == b"picture 1/3"
    assert world.objects.content_types()[segment.picture] == "image/jpeg"
    # AND it says what judged it
    assert (verdict.versions.template, verdict.versions.sampling) == ("standard@1", "1 s, all frames decoded")
    assert len(verdict.versions.models) == 16


def test_a_near_duplicate_shows_the_picture_of_its_original(world: World) -> None:
    # GIVEN a violation of which only the first frame was kept and looked at
    job = planned(world)
    leave(world, job, 0, {4: 0.8}, duplicates={5: 4, 6: 4})
    (segment,) = world.aggregation.run(job.job_id).segments
    assert (segment.start, segment.end, segment.frames) == (4.0, 7.0, 3)
    assert world.objects.get(str(segment.picture)) == b"picture 0/4"


@pytest.mark.parametrize("missing", [0, 1])
def test_a_segment_that_failed_is_never_clean(world: World, missing: int) -> None:
    job = planned(world, segments=2)
    leave(world, job, 1 - missing, {})
    verdict = world.aggregation.run(job.job_id)
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.REVIEW, ("segment_failed",))
    assert (verdict.coverage.segments_planned, verdict.coverage.segments_scanned) == (2, 1)
    assert not verdict.coverage.complete
    assert world.media(job.media_id).status is MediaStatus.REVIEWING


def test_with_nothing_left_behind_nothing_was_looked_at(world: World) -> None:
    job = planned(world)
    verdict = world.aggregation.run(job.job_id)
    assert verdict.suggestion is Suggestion.REVIEW
    assert "nothing_looked_at" in verdict.reasons


def test_a_failed_segment_does_not_hide_what_the_others_show(world: World) -> None:
    job = planned(world, segments=2)
    leave(world, job, 0, {1: 0.95})
    verdict = world.aggregation.run(job.job_id)
    assert (verdict.suggestion, len(verdict.segments)) == (Suggestion.BLOCK, 1)
    assert verdict.reasons == ("segment_failed",)


def test_a_violation_on_a_cover_is_found_with_its_picture(world: World) -> None:
    job = planned(world, covers=(0, 1), signed=2)
    leave(world, job, 0, {})
    leave_cover(world, job, 0, 0.1)
    leave_cover(world, job, 1, 0.8)
    verdict = world.aggregation.run(job.job_id)
    (segment,) = verdict.segments
    assert (segment.form, segment.cover, segment.start, segment.end) == (Form.COVER, 1, 0.0, 0.0)
    assert world.objects.get(str(segment.picture)) == b"cover 1"
    assert verdict.coverage.complete


def test_a_cover_that_failed_or_never_came_is_never_clean(world: World) -> None:
    job = planned(world, covers=(0,), signed=1)
    leave(world, job, 0, {})
    assert world.aggregation.run(job.job_id).reasons == ("cover_not_looked_at",)
    # and of two covers the one that came keeps its own number
    job = planned(world, covers=(1,), signed=2)
    leave(world, job, 0, {})
    leave_cover(world, job, 1, 0.8)
    verdict = world.aggregation.run(job.job_id)
    assert verdict.reasons == ("cover_not_looked_at",)
    assert [segment.cover for segment in verdict.segments] == [1]
    assert (verdict.coverage.covers_planned, verdict.coverage.covers_scanned) == (2, 1)


def test_the_worst_are_inline_and_all_are_in_the_file(world: World) -> None:
    # GIVEN more violations than are shown, and more than get a picture
    segments = 12
    job = planned(world, segments=segments)
    for index in range(segments):
        leave(world, job, index, dict.fromkeys(range(0, FRAMES, 2), 0.6 + index / 100))
    # WHEN the job is judged
    verdict = world.aggregation.run(job.job_id)
    # THEN the file has all of them, the worst first, with pictures of the worst
    total = segments * FRAMES // 2
    assert total > MAX_PICTURES
    stored = Verdict.model_validate_json(world.objects.get(work(job).verdict))
    assert stored == verdict
    assert len(stored.segments) == stored.segments_total == total
    confidences = [segment.confidence for segment in stored.segments]
    assert confidences == sorted(confidences, reverse=True)
    assert [segment.picture is not None for segment in stored.segments] == [True] * MAX_PICTURES + [False] * (
        total - MAX_PICTURES
    )
    assert len({world.objects.get(str(s.picture)) for s in stored.segments[:MAX_PICTURES]}) == MAX_PICTURES
    # AND the table has the worst ten, and where the others are
    inline = world.store.job(job.job_id).verdict
    assert inline is not None
    assert inline.segments == stored.segments[:INLINE_SEGMENTS]
    assert (inline.segments_total, inline.segments_file) == (total, work(job).verdict)
    assert inline.coverage == stored.coverage


def test_a_second_run_ends_nothing_twice(world: World) -> None:
    job = planned(world)
    leave(world, job, 0, {1: 0.8})
    first = world.aggregation.run(job.job_id)
    media, stored, outbox = world.media(job.media_id), world.store.job(job.job_id), list(world.store.outbox)
    assert world.aggregation.run(job.job_id) == first
    assert (world.media(job.media_id), world.store.job(job.job_id), world.store.outbox) == (media, stored, outbox)


def test_a_delete_while_it_runs_leaves_nothing_behind(world: World) -> None:
    # GIVEN a media that is deleted and purged just before its verdict is written
    job = planned(world)
    leave(world, job, 0, {1: 0.8})

    def delete() -> None:
        world.library.delete(job.media_id)
        world.publishing.reconcile(job.media_id)

    world.store.before_save = delete
    # WHEN the job is judged all the same
    world.aggregation.run(job.job_id)
    # THEN neither pictures nor verdict stay
    assert world.objects.content_types() == {}
    assert world.media(job.media_id).status is MediaStatus.DELETED


def test_without_a_plan_there_is_nothing_to_judge(world: World) -> None:
    job = world.checking()
    with pytest.raises(NotFound):
        world.aggregation.run(job.job_id)


def test_the_whole_job_fits_an_item_of_the_table(world: World) -> None:
    job = planned(world, segments=3)
    for index in range(3):
        leave(world, job, index, dict.fromkeys(range(0, FRAMES, 2), 0.9))
    world.aggregation.run(job.job_id)
    assert len(json.dumps(world.store.job(job.job_id).model_dump(mode="json"))) < 20_000


@pytest.mark.parametrize("broken", [b"", b'{"index": 0, "looks": [', b"\x00\x01"])
def test_a_broken_scan_is_a_segment_that_was_not_looked_at(world: World, broken: bytes) -> None:
    job = planned(world, segments=2)
    leave(world, job, 0, {1: 0.95})
    leave(world, job, 1, {})
    world.objects.put(work(job).scan(1), broken, "application/json")
    verdict = world.aggregation.run(job.job_id)
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.BLOCK, ("segment_failed",))


@pytest.mark.parametrize("broken", [None, b"", b"PK no archive", b"PK\x05\x06" + bytes(18)])
def test_what_was_found_stands_without_its_picture(world: World, broken: bytes | None) -> None:
    # GIVEN violations in a segment and on a cover, whose pictures are lost or broken
    job = planned(world, covers=(0,), signed=1)
    leave(world, job, 0, {1: 0.95})
    leave_cover(world, job, 0, 0.97)
    world.objects.delete_prefix(work(job).cover_picture(0))
    world.objects.delete_prefix(work(job).frames(0))
    if broken is not None:
        world.objects.put(work(job).frames(0), broken, "application/zip")
    # WHEN the job is judged
    verdict = world.aggregation.run(job.job_id)
    # THEN both are in the verdict
    assert verdict.suggestion is Suggestion.BLOCK
    assert [(segment.form, segment.picture) for segment in verdict.segments] == [(Form.COVER, None), (Form.IMAGE, None)]


SPOKEN = Template(
    name="spoken",
    revision=1,
    rules=tuple(
        Rule(label="abuse", sub_label=sub_label, forms=frozenset({form}), review=60)
        for form, sub_label in ((Form.ASR, "speech"), (Form.TITLE, "text"))
    ),
)


def spoken(world: World, *, score: float) -> tuple[Job, Hearing, Reading]:
    """A job over sound alone, with what its steps have left: one utterance, and its title, judged."""
    media_id = world.sign()
    world.ingest.arrived(world.bring(source_key(media_id)))
    job = world.latest_job(media_id).model_copy(update={"template": SPOKEN})
    world.store.save(world.media(media_id), job=job)
    plan = audio_plan(seconds=10.0)
    world.objects.put(work(job).plan, plan.model_dump_json().encode(), "application/json")
    world.settlement.accepted(job, plan.content_type)
    said = Utterance(start=2.0, end=4.0, text="what a fool", language="en", score=0.9)
    heard = Hearing(
        index=0,
        tracks=(TrackHearing(track=0, planned=10.0, heard=10.0, speech=2.0, utterances=(said,)),),
        detectors={spec.name: spec.version for spec in needed(SPOKEN, "audio")},
    )
    finding = TextFinding(
        label="abuse", sub_label="speech", score=score, source=HitSource.LIST, hits=(Hit(word="fool", start=7, end=11),)
    )
    title = Text(form=Form.TITLE, text=world.media(media_id).title)
    utterance = Text(form=Form.ASR, text=said.text, start=said.start, end=said.end)
    read = Reading(
        texts=(JudgedText(text=title), JudgedText(text=utterance, findings=(finding,))),
        detectors={spec.name: spec.version for spec in needed(SPOKEN, "text")},
    )
    world.objects.put(work(job).hearing(0), heard.model_dump_json().encode(), "application/json")
    world.objects.put(work(job).reading, read.model_dump_json().encode(), "application/json")
    return world.store.job(job.job_id), heard, read


def test_what_was_said_is_judged_kept_and_counted(world: World) -> None:
    job, _, _ = spoken(world, score=0.8)
    verdict = world.aggregation.run(job.job_id)
    (segment,) = verdict.segments
    assert (segment.form, segment.start, segment.end, segment.confidence) == (Form.ASR, 2.0, 4.0, 80)
    assert (segment.text, segment.keywords, segment.picture) == ("what a fool", ("fool",), None)
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.REVIEW, ())
    assert (verdict.coverage.sound_heard_seconds, verdict.coverage.speech_seconds) == (10.0, 2.0)
    assert verdict.coverage.texts_read == 2
    # AND the transcript is there to be read, and no file of texts that nothing shows
    assert verdict.transcript_file == work(job).transcript
    assert b"00:00:02.000 --> 00:00:04.000\nwhat a fool" in world.objects.get(work(job).transcript)
    assert verdict.texts_file is None
    inline = world.store.job(job.job_id).verdict
    assert inline is not None
    assert inline.transcript_file == verdict.transcript_file


def test_sound_without_pictures_can_pass(world: World) -> None:
    job, _, _ = spoken(world, score=0.1)
    verdict = world.aggregation.run(job.job_id)
    assert (verdict.suggestion, verdict.reasons) == (Suggestion.PASS, ())
    assert world.media(job.media_id).status is MediaStatus.NORMAL


@pytest.mark.parametrize("broken", [None, b"", b'{"texts": [', b"\x00\x01"])
@pytest.mark.parametrize(
    ("lost", "reasons"),
    [
        ("hearing", {"detector_failed", "sound_not_heard", "nothing_looked_at"}),
        ("reading", {"detector_failed", "text_not_read"}),
    ],
)
def test_what_steps_of_sound_and_texts_did_not_leave_is_no_pass(
    world: World, lost: str, reasons: set[str], broken: bytes | None
) -> None:
    job, _, _ = spoken(world, score=0.1)
    key = work(job).reading if lost == "reading" else work(job).hearing(0)
    world.objects.delete_prefix(key)
    if broken is not None:
        world.objects.put(key, broken, "application/json")
    verdict = world.aggregation.run(job.job_id)
    assert verdict.suggestion is Suggestion.REVIEW
    assert set(verdict.reasons) == reasons


def test_a_title_has_no_picture(world: World) -> None:
    # GIVEN a title that is abusive, beside a video whose first look has a picture
    job = planned(world)
    job = job.model_copy(update={"template": SPOKEN})
    leave(world, job, 0, {})
    world.store.save(world.media(job.media_id), job=job)
    finding = TextFinding(label="abuse", sub_label="text", score=0.9, source=HitSource.LIST)
    title = JudgedText(text=Text(form=Form.TITLE, text=world.media(job.media_id).title), findings=(finding,))
    read = Reading(texts=(title,), detectors={spec.name: spec.version for spec in needed(SPOKEN, "text")})
    world.objects.put(work(job).reading, read.model_dump_json().encode(), "application/json")
    (segment,) = world.aggregation.run(job.job_id).segments
    assert (segment.form, segment.picture) == (Form.TITLE, None)
