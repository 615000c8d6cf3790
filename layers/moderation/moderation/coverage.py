"""What was looked at, heard and read, against what the template asks for. Pure.

The rule that may never break: what could not be looked at is never clean. `coverage` names every gap, and a
verdict with a gap is at best `review`.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from moderation.captions import texts_of
from moderation.models.observation import Scan
from moderation.models.plan import Plan
from moderation.models.reading import Reading
from moderation.models.sound import Hearing, TrackHearing
from moderation.models.template import PICTURE_FORMS, SOUND_FORMS, Form, Template
from moderation.models.verdict import Coverage, DetectorCoverage
from moderation.policy import Target
from moderation.refine import SecondLook
from moderation.timeline import Course, Reporters, carried_over, courses

TEXT_FORMS = frozenset({Form.TITLE, Form.OCR, Form.ASR})
UNDECODED_TOLERANCE = 0.005
"""Share of frames that may be undecodable in a segment, and always one frame: a glitch, not a hiding place."""
DAMAGED_TOLERANCE = 0.01
"""Share of frames that a decoder may have to patch up in a segment, and always one frame."""
UNHEARD_TOLERANCE = 0.5
"""Seconds that a track may end early in a segment: packets say when sound ends, and decoders cut their padding off."""


class Gap(StrEnum):
    """The closed set of reasons why a media was not wholly looked at."""

    SEGMENT_FAILED = "segment_failed"
    FRAMES_UNDECODED = "frames_undecoded"
    FRAMES_DAMAGED = "frames_damaged"
    FRAMES_NOT_LOOKED_AT = "frames_not_looked_at"
    SCENE_CHANGES_CAPPED = "scene_changes_capped"
    DETECTOR_FAILED = "detector_failed"
    COVER_NOT_LOOKED_AT = "cover_not_looked_at"
    SOUND_NOT_HEARD = "sound_not_heard"
    TEXT_NOT_READ = "text_not_read"
    SUBTITLES_NOT_READ = "subtitles_not_read"
    SECOND_LOOK_FAILED = "second_look_failed"
    LABEL_WITHOUT_DETECTOR = "label_without_detector"
    NOTHING_LOOKED_AT = "nothing_looked_at"


@dataclass(frozen=True)
class Evidence:
    """Everything that one job has seen, heard and read, or failed to.

    `detectors`, `listeners` and `readers` are name → version of all that the template needs for pictures, sound and
    texts; `second` are the scans of the plan's windows, `at_a_glance` the targets that a single frame tells all about;
    `covers_planned` counts the covers that the uploader declared, arrived or not.
    """

    plan: Plan
    scans: Sequence[Scan]
    covers: Sequence[Scan]
    covers_planned: int
    detectors: Mapping[str, str]
    reporters: Reporters
    title: str = ""
    second: Sequence[Scan] = ()
    at_a_glance: Collection[Target] = ()
    hearings: Sequence[Hearing] = ()
    reading: Reading | None = None
    listeners: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Track:
    """One track's sound in one segment: how much there is of it, and what became of it."""

    seconds: float
    hearing: TrackHearing | None
    asked: Mapping[str, str]

    @property
    def heard(self) -> float:
        return min(self.hearing.heard, self.seconds) if self.hearing else 0.0

    @property
    def whole(self) -> bool:
        due = max(self.seconds, self.hearing.planned if self.hearing else 0.0)
        return self.hearing is not None and self.hearing.heard >= due - UNHEARD_TOLERANCE

    def failure(self, name: str, version: str) -> str | None:
        if self.hearing is None:
            return "nothing of it was heard"
        if self.asked.get(name) != version:
            return f"version {version} did not listen"
        return self.hearing.failed.get(name)


def second_look(evidence: Evidence, template: Template) -> Iterator[tuple[Course, bool]]:
    """What the template asks about, as it is after the second look, and whether that look left something open."""
    look = SecondLook(evidence.plan.windows, evidence.second, evidence.at_a_glance, evidence.reporters)
    return look.applied(courses(evidence.scans, template, evidence.reporters, evidence.plan.duration))


def coverage(evidence: Evidence, template: Template) -> Coverage:
    """What was looked at, heard and read, against what the template asks for."""
    plan = evidence.plan
    scans = list({scan.index: scan for scan in evidence.scans}.values())
    covers = list({scan.index: scan for scan in evidence.covers}.values())
    missing = [span for span in plan.segments if span.index not in {scan.index for scan in scans}]
    asks_pictures = bool(plan.video) and template.asks_about(PICTURE_FORMS)
    asks_sound = template.asks_about(SOUND_FORMS)
    looks = [look for scan in scans for look in carried_over(scan)]
    planned = sum(scan.planned for scan in scans)
    planned += sum(len(track.samples) for span in missing for track in span.tracks) if asks_pictures else 0
    tracks = list(_tracks(evidence)) if asks_sound else []
    heard = sum(track.heard for track in tracks)
    detectors = {
        **{name: _looked(name, version, [*scans, *covers]) for name, version in evidence.detectors.items()},
        **{name: _listened(name, version, tracks) for name, version in evidence.listeners.items()},
        **{name: _read(name, version, evidence.reading) for name, version in evidence.readers.items()},
    }
    gaps: dict[Gap, bool] = {
        Gap.SEGMENT_FAILED: bool(missing) and asks_pictures,
        Gap.FRAMES_UNDECODED: any(_undecoded(scan) for scan in scans),
        Gap.FRAMES_DAMAGED: any(scan.damaged > max(1.0, scan.expected * DAMAGED_TOLERANCE) for scan in scans),
        Gap.FRAMES_NOT_LOOKED_AT: any(scan.planned > len(scan.looks) for scan in scans),
        Gap.SCENE_CHANGES_CAPPED: any(scan.capped for scan in [*scans, *covers]),
        Gap.DETECTOR_FAILED: any(detector.state == "failed" for detector in detectors.values()),
        Gap.COVER_NOT_LOOKED_AT: template.asks_about(frozenset({Form.COVER}))
        and sum(bool(cover.looks) for cover in covers) < evidence.covers_planned,
        Gap.SOUND_NOT_HEARD: asks_sound
        and not (all(track.decodable for track in plan.audio) and all(track.whole for track in tracks)),
        Gap.TEXT_NOT_READ: not _all_read(evidence, template),
        Gap.SUBTITLES_NOT_READ: bool(plan.subtitles) and template.asks_about(frozenset({Form.OCR})),
        Gap.SECOND_LOOK_FAILED: bool(plan.windows) and any(is_open for _, is_open in second_look(evidence, template)),
        Gap.LABEL_WITHOUT_DETECTOR: not template.targets() <= evidence.reporters.keys(),
        Gap.NOTHING_LOOKED_AT: not looks and not heard,
    }
    found = tuple(str(gap) for gap, open_ in gaps.items() if open_)
    return Coverage(
        segments_planned=len(plan.segments),
        segments_scanned=len(scans),
        frames_planned=planned,
        frames_decoded=sum(scan.decoded for scan in scans),
        frames_expected=sum(scan.expected for scan in scans) + sum(span.packets for span in missing),
        frames_scored=sum(not look.failed for look in looks),
        duplicates=sum(look.duplicate_of is not None for look in looks),
        windows_planned=len(plan.windows),
        windows_scanned=len({scan.index for scan in evidence.second}),
        windows_frames=sum(len(scan.looks) for scan in evidence.second),
        windows_left_out=plan.windows_left_out,
        covers_planned=evidence.covers_planned,
        covers_scanned=sum(bool(cover.looks) for cover in covers),
        sound_seconds=round(sum(track.end - track.start for track in plan.audio), 3),
        sound_heard_seconds=round(heard, 3),
        speech_seconds=round(sum(track.hearing.speech for track in tracks if track.hearing), 3),
        texts_read=len(evidence.reading.texts) if evidence.reading else 0,
        detectors=detectors,
        reduced=template.key_frames_only or any(scan.reduced for scan in scans),
        complete=not found,
        gaps=found,
    )


def _undecoded(scan: Scan) -> bool:
    return scan.expected - scan.decoded > max(1.0, scan.expected * UNDECODED_TOLERANCE)


def _looked(name: str, version: str, scans: Sequence[Scan]) -> DetectorCoverage:
    """How a detector fared. A scan that did not ask it, or asked another version, is a failure on all its looks."""
    looks = [(scan, look) for scan in scans for look in carried_over(scan)]
    reasons = [
        look.failed.get(name, f"version {version} did not look")
        for scan, look in looks
        if name in look.failed or scan.detectors.get(name) != version
    ]
    return _fared(version, len(looks), reasons)


def _listened(name: str, version: str, tracks: Sequence[_Track]) -> DetectorCoverage:
    """How a detector of sound fared, counted in tracks of segments."""
    reasons = [reason for track in tracks if (reason := track.failure(name, version)) is not None]
    return _fared(version, len(tracks), reasons)


def _read(name: str, version: str, reading: Reading | None) -> DetectorCoverage:
    """How a detector of texts fared. It judges all of them at once, so that it fails on all of them."""
    if reading is None:
        return _fared(version, 1, ["no text was judged"])
    reason = reading.failed.get(name)
    if reason is None and reading.detectors.get(name) != version:
        reason = f"version {version} did not judge"
    texts = len(reading.texts)
    return _fared(version, texts, [] if reason is None else [reason] * texts)


def _fared(version: str, looked: int, reasons: Sequence[str]) -> DetectorCoverage:
    if not looked:
        return DetectorCoverage(state="skipped", version=version, reason="there was nothing for it to look at")
    if reasons:
        return DetectorCoverage(
            state="failed", version=version, looked=looked, failed=len(reasons), reason=min(reasons)
        )
    return DetectorCoverage(state="ok", version=version, looked=looked)


def _tracks(evidence: Evidence) -> Iterator[_Track]:
    """Every track of sound in every segment that it sounds in, heard or not."""
    hearings = {hearing.index: hearing for hearing in evidence.hearings}
    planned = {track.index: track for track in evidence.plan.audio}
    spans = evidence.plan.segments
    for number, span in enumerate(spans):
        until = span.end if number < len(spans) - 1 else math.inf
        hearing = hearings.get(span.index)
        told = {track.track: track for track in hearing.tracks} if hearing else {}
        for index in span.sound:
            track = planned[index]
            seconds = max(0.0, min(track.end, until) - max(track.start, span.start))
            yield _Track(seconds, told.get(index), hearing.detectors if hearing else {})


def _all_read(evidence: Evidence, template: Template) -> bool:
    """Whether every text that the template asks about was judged: the title, and all that was said or shown."""
    if evidence.reading is None and evidence.readers:
        return False
    read = {(judged.text.form, judged.text.text) for judged in (evidence.reading.texts if evidence.reading else ())}
    # A cover is asked about as a picture, too.
    asked = {
        target[0]
        for target in template.targets()
        if target[0] in TEXT_FORMS or not evidence.readers.keys().isdisjoint(evidence.reporters.get(target, ()))
    }
    return all(due in read for due in _due(evidence) if due[0] in asked)


def _due(evidence: Evidence) -> Iterator[tuple[Form, str]]:
    if evidence.title.strip():
        yield Form.TITLE, evidence.title
    for hearing in evidence.hearings:
        for track in hearing.tracks:
            yield from ((Form.ASR, utterance.text) for utterance in track.utterances)
    yield from ((text.form, text.text) for text in texts_of(evidence.scans, evidence.covers))
