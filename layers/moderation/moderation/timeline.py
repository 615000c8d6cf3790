"""Observations to segments: which scores persist, and from when to when. Pure.

Evidence that failed counts as a hit next to a real hit (`_persistent`): a frame that could not be looked at
in the middle of a violation must not break it up into harmless single frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion
from moderation.policy import Target, confidence, rules_by_target, thresholds

MAX_KEYWORDS = 10

Reporters = Mapping[Target, frozenset[str]]
"""Which detectors can report a target, so that a failed detector is known to be missing from it."""


@dataclass(frozen=True)
class _Moment:
    """One looked-at frame as one target sees it; `observation` is None when nothing was observed."""

    time: float
    observation: Observation | None
    failed: bool

    @property
    def confidence(self) -> int:
        return confidence(self.observation.score) if self.observation else 0


def looks_in_order(scans: Iterable[Scan]) -> dict[int, list[FrameLook]]:
    """Per track, every look once and in order of time, near-duplicates carrying what their original shows.

    Scans may come in any order and more than once.
    """
    by_place: dict[tuple[int, int, int], FrameLook] = {}
    for scan in scans:
        originals = {look.ordinal: look for look in scan.looks}
        for look in scan.looks:
            by_place[(look.track, scan.index, look.ordinal)] = _carried_over(look, originals)
    tracks: dict[int, list[FrameLook]] = {}
    for (track, _, _), look in sorted(by_place.items(), key=lambda item: (item[0][0], item[1].time, item[0])):
        tracks.setdefault(track, []).append(look)
    return tracks


def _carried_over(look: FrameLook, originals: Mapping[int, FrameLook]) -> FrameLook:
    if look.duplicate_of is None:
        return look
    original = originals[look.duplicate_of]
    return look.model_copy(
        update={
            "observations": original.observations + look.observations,
            "failed": original.failed | look.failed,
            "picture": original.picture,
        }
    )


def video_segments(scans: Iterable[Scan], template: Template, reporters: Reporters, duration: float) -> list[Segment]:
    """Segments over all tracks of a video, the worst first. Times in seconds of presentation."""
    found: list[Segment] = []
    rules = rules_by_target(template)
    for track, looks in looks_in_order(scans).items():
        ends = [look.time for look in looks[1:]] + [max(duration, looks[-1].time)]
        for target, rule in rules.items():
            moments = _moments(looks, target, reporters.get(target, frozenset()))
            found += _segments(moments, ends, rule, target[0], track=track)
    return worst_first(found)


def cover_segments(cover: Scan, template: Template, reporters: Reporters) -> list[Segment]:
    """Segments of one cover. Persistence does not apply: a cover is one picture."""
    found: list[Segment] = []
    for target, rule in rules_by_target(template).items():
        if target[0] is not Form.COVER:
            continue
        moments = _moments(cover.looks, target, reporters.get(target, frozenset()))
        still = rule.model_copy(update={"hits": 1, "window": 1})
        found += _segments(moments, [0.0] * len(moments), still, Form.COVER, cover=cover.index)
    return worst_first(found)


def worst_first(segments: Iterable[Segment]) -> list[Segment]:
    """A total order: severity, confidence, length, then place and name, so that any input order gives one list."""
    return sorted(
        segments,
        key=lambda s: (
            -s.suggestion.severity,
            -s.confidence,
            s.start - s.end,
            s.start,
            s.track,
            -1 if s.cover is None else s.cover,
            s.form,
            s.label,
            s.sub_label,
        ),
    )


def _moments(looks: Sequence[FrameLook], target: Target, detectors: frozenset[str]) -> list[_Moment]:
    moments = []
    for look in looks:
        hits = [o for o in look.observations if (o.form, o.label, o.sub_label) == target]
        best = max(hits, key=lambda o: (o.score, o.detector, o.text or ""), default=None)
        moments.append(_Moment(look.time, best, failed=not detectors.isdisjoint(look.failed)))
    return moments


def _persistent(moments: Sequence[_Moment], threshold: int, rule: Rule) -> set[int]:
    """Positions whose confidence reaches the threshold and lasts: `hits` of `window`, or `single` alone.

    A video with fewer frames than `hits` must hit on all of them.
    """
    hit = [m.confidence >= threshold and m.observation is not None for m in moments]
    counted = [1 if is_hit or m.failed else 0 for is_hit, m in zip(hit, moments, strict=True)]
    sums = [0]
    for count in counted:
        sums.append(sums[-1] + count)
    total = len(moments)
    needed = min(rule.hits, total)
    window = min(rule.window, total)
    lasting = {
        position
        for start in range(total - window + 1)
        if sums[start + window] - sums[start] >= needed
        for position in range(start, start + window)
    }
    single = 101 if rule.single is None else rule.single
    return {i for i, is_hit in enumerate(hit) if is_hit and (i in lasting or moments[i].confidence >= single)}


def _segments(
    moments: Sequence[_Moment],
    ends: Sequence[float],
    rule: Rule,
    form: Form,
    *,
    track: int = 0,
    cover: int | None = None,
) -> list[Segment]:
    levels: dict[int, Suggestion] = {}
    for level, threshold in thresholds(rule):
        levels |= dict.fromkeys(_persistent(moments, threshold, rule), level)
    runs: list[list[int]] = []
    for position in sorted(levels):
        if runs and position - runs[-1][-1] <= rule.window:
            runs[-1].append(position)
        else:
            runs.append([position])
    return [_segment(run, moments, ends, levels, rule, form, track, cover) for run in runs]


def _segment(
    run: Sequence[int],
    moments: Sequence[_Moment],
    ends: Sequence[float],
    levels: Mapping[int, Suggestion],
    rule: Rule,
    form: Form,
    track: int,
    cover: int | None,
) -> Segment:
    seen = [(moments[i].confidence, -i, observation) for i in run if (observation := moments[i].observation)]
    best_confidence, place, best = max(seen, key=lambda item: item[:2])
    texts = dict.fromkeys(observation.text for _, _, observation in seen if observation.text)
    return Segment(
        start=moments[run[0]].time if cover is None else 0.0,
        end=ends[run[-1]],
        form=form,
        label=rule.label,
        sub_label=rule.sub_label,
        confidence=best_confidence,
        suggestion=Suggestion.worst(*(levels[i] for i in run)),
        detector=best.detector,
        frames=len(run),
        track=track,
        cover=cover,
        area=best.box,
        text=best.text,
        keywords=tuple(texts)[:MAX_KEYWORDS],
        picture_time=moments[-place].time,
    )
