"""Segments and coverage to a verdict, and verdicts to a status. Pure.

The rule that may never break: what could not be looked at is never clean. `coverage` names every gap, and a
verdict with a gap is at best `review`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from moderation.models.observation import Scan
from moderation.models.plan import Evasion, Plan
from moderation.models.template import PICTURE_FORMS, SOUND_FORMS, Form, Template
from moderation.models.verdict import Coverage, DetectorCoverage, Suggestion, Verdict, Versions
from moderation.text import has_lookalikes
from moderation.timeline import Reporters, cover_segments, video_segments, worst_first

INLINE_SEGMENTS = 10
UNDECODED_TOLERANCE = 0.005
"""Share of frames that may be undecodable in a segment, and always one frame: a glitch, not a hiding place."""
DAMAGED_TOLERANCE = 0.01
"""Share of frames that a decoder may have to patch up in a segment, and always one frame."""


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
    NOTHING_LOOKED_AT = "nothing_looked_at"


@dataclass(frozen=True)
class Evidence:
    """Everything that one job has seen, or failed to see.

    `detectors` are name → version of all that the template needs; `covers_planned` counts the covers that the
    uploader declared, arrived or not.
    """

    plan: Plan
    scans: Sequence[Scan]
    covers: Sequence[Scan]
    covers_planned: int
    detectors: Mapping[str, str]
    reporters: Reporters
    title: str = ""


def coverage(evidence: Evidence, template: Template) -> Coverage:
    """What was looked at, against what the template asks for."""
    plan = evidence.plan
    scans = list({scan.index: scan for scan in evidence.scans}.values())
    covers = list({scan.index: scan for scan in evidence.covers}.values())
    missing = [span for span in plan.segments if span.index not in {scan.index for scan in scans}]
    asks_pictures = bool(plan.video) and template.asks_about(PICTURE_FORMS)
    looks = [look for scan in scans for look in scan.looks]
    planned = sum(scan.planned for scan in scans)
    planned += sum(len(track.samples) for span in missing for track in span.tracks) if asks_pictures else 0
    heard = 0.0
    sound = sum(track.end - track.start for track in plan.audio)
    detectors = {
        name: _detector_coverage(name, version, [*scans, *covers]) for name, version in evidence.detectors.items()
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
        Gap.SOUND_NOT_HEARD: template.asks_about(SOUND_FORMS) and heard < sound,
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
        covers_planned=evidence.covers_planned,
        covers_scanned=sum(bool(cover.looks) for cover in covers),
        sound_seconds=round(sound, 3),
        sound_heard_seconds=heard,
        detectors=detectors,
        reduced=template.key_frames_only or any(scan.reduced for scan in scans),
        complete=not found,
        gaps=found,
    )


def _undecoded(scan: Scan) -> bool:
    return scan.expected - scan.decoded > max(1.0, scan.expected * UNDECODED_TOLERANCE)


def _detector_coverage(name: str, version: str, scans: Sequence[Scan]) -> DetectorCoverage:
    """How a detector fared. A scan that did not ask it, or asked another version, is a failure on all its looks."""
    looks = [(scan, look) for scan in scans for look in scan.looks]
    reasons = [
        look.failed.get(name, f"version {version} did not look")
        for scan, look in looks
        if name in look.failed or scan.detectors.get(name) != version
    ]
    if not looks:
        return DetectorCoverage(state="skipped", version=version, reason="there was nothing for it to look at")
    if reasons:
        return DetectorCoverage(
            state="failed", version=version, looked=len(looks), failed=len(reasons), reason=min(reasons)
        )
    return DetectorCoverage(state="ok", version=version, looked=len(looks))


def judge(
    evidence: Evidence, template: Template, *, media_id: str, job_id: str, versions: Versions, now: datetime
) -> Verdict:
    """The verdict with all its segments, the worst first."""
    segments = worst_first(
        [
            *video_segments(evidence.scans, template, evidence.reporters, evidence.plan.duration),
            *(s for cover in evidence.covers for s in cover_segments(cover, template, evidence.reporters)),
        ]
    )
    seen = coverage(evidence, template)
    at_best = Suggestion.PASS if seen.complete else Suggestion.REVIEW
    leading = segments[0] if segments else None
    return Verdict(
        media_id=media_id,
        job_id=job_id,
        suggestion=Suggestion.worst(at_best, *(segment.suggestion for segment in segments)),
        label=leading.label if leading else None,
        sub_label=leading.sub_label if leading else None,
        form=leading.form if leading else None,
        confidence=leading.confidence if leading else 0,
        reasons=seen.gaps,
        evasions=_evasions(evidence),
        segments=tuple(segments),
        segments_total=len(segments),
        duration=evidence.plan.duration,
        coverage=seen,
        versions=versions,
        created_at=now,
    )


def _evasions(evidence: Evidence) -> tuple[str, ...]:
    """What was tried. Named for people: what it would have hidden was looked at, so that it changes no suggestion."""
    told = (Evasion.LOOKALIKE_TITLE,) if has_lookalikes(evidence.title) else ()
    return (*evidence.plan.evasions, *told)


def inline(verdict: Verdict, segments_file: str) -> Verdict:
    """The verdict small enough for a table item: the worst segments, and where all of them are."""
    return verdict.model_copy(update={"segments": verdict.segments[:INLINE_SEGMENTS], "segments_file": segments_file})


def targets_of(detectors: Collection[tuple[str, Iterable[tuple[Form, str, str]]]]) -> Reporters:
    """From (detector, what it can report) to (target → detectors that can report it)."""
    table: dict[tuple[Form, str, str], frozenset[str]] = {}
    for name, targets in detectors:
        for target in targets:
            table[target] = table.get(target, frozenset()) | {name}
    return table
