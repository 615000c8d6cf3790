"""Segments and coverage to a verdict, and verdicts to a status. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from moderation.coverage import Evidence, coverage, second_look
from moderation.hearing import sound_segments
from moderation.models.plan import Evasion
from moderation.models.template import Form, Template
from moderation.models.verdict import Suggestion, Verdict, Versions
from moderation.reading import text_segments
from moderation.text.lookalikes import has_lookalikes
from moderation.timeline import Reporters, cover_segments, worst_first

INLINE_SEGMENTS = 10


def judge(
    evidence: Evidence, template: Template, *, media_id: str, job_id: str, versions: Versions, now: datetime
) -> Verdict:
    """The verdict with all its segments, the worst first."""
    seen = [segment for course, _ in second_look(evidence, template) for segment in course.segments()]
    covers = [s for cover in evidence.covers for s in cover_segments(cover, template, evidence.reporters)]
    heard = sound_segments(evidence.hearings, evidence.plan, template, evidence.reporters, seen)
    read = text_segments(evidence.reading, template) if evidence.reading else []
    segments = worst_first([*seen, *covers, *heard, *read])
    covered = coverage(evidence, template)
    at_best = Suggestion.PASS if covered.complete else Suggestion.REVIEW
    leading = segments[0] if segments else None
    return Verdict(
        media_id=media_id,
        job_id=job_id,
        suggestion=Suggestion.worst(at_best, *(segment.suggestion for segment in segments)),
        label=leading.label if leading else None,
        sub_label=leading.sub_label if leading else None,
        form=leading.form if leading else None,
        confidence=leading.confidence if leading else 0,
        reasons=covered.gaps,
        evasions=_evasions(evidence),
        segments=tuple(segments),
        segments_total=len(segments),
        duration=evidence.plan.duration,
        coverage=covered,
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
