"""Observations to segments: which scores persist, and from when to when. Pure.

Evidence that failed counts as a hit next to a real hit (`_persistent`): a frame that could not be looked at
in the middle of a violation must not break it up into harmless single frames.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion
from moderation.policy import Target, confidence, rules_by_target, thresholds

MAX_KEYWORDS = 10

Reporters = Mapping[Target, frozenset[str]]
"""Which detectors can report a target, so that a failed detector is known to be missing from it."""


@dataclass(frozen=True)
class Moment:
    """One looked-at frame as one target sees it; `observation` is None when nothing was observed."""

    time: float
    observation: Observation | None
    failed: bool
    cut: bool = False

    @property
    def confidence(self) -> int:
        return confidence(self.observation.score) if self.observation else 0

    def hits(self, threshold: int) -> bool:
        """Whether it was seen here, and as strongly as that."""
        return self.observation is not None and self.confidence >= threshold


@dataclass(frozen=True)
class Course:
    """How one target fares along one track, or on one cover, where everything is at time 0.

    Each of the moments, in order of time, stands for [starts, ends); `levels` are of those that persist.
    """

    target: Target
    rule: Rule
    moments: Sequence[Moment]
    starts: Sequence[float]
    ends: Sequence[float]
    levels: Mapping[int, Suggestion]
    track: int = 0
    cover: int | None = None

    def runs(self) -> list[list[int]]:
        """The positions that make up one segment each."""
        runs: list[list[int]] = []
        for position in sorted(self.levels):
            if runs and position - runs[-1][-1] <= self.rule.window:
                runs[-1].append(position)
            else:
                runs.append([position])
        return runs

    def segments(self) -> list[Segment]:
        """What persists, merged over time."""
        return [self._segment(run) for run in self.runs()]

    def _segment(self, run: Sequence[int]) -> Segment:
        seen = [(self.moments[i].confidence, -i, observed) for i in run if (observed := self.moments[i].observation)]
        best_confidence, place, best = max(seen, key=lambda item: item[:2])
        texts = dict.fromkeys(observation.text for _, _, observation in seen if observation.text)
        return Segment(
            start=self.starts[run[0]],
            end=self.ends[run[-1]],
            form=self.target[0],
            label=self.rule.label,
            sub_label=self.rule.sub_label,
            confidence=best_confidence,
            suggestion=Suggestion.worst(*(self.levels[i] for i in run)),
            detector=best.detector,
            frames=len(run),
            track=self.track,
            cover=self.cover,
            area=best.box,
            text=best.text,
            keywords=tuple(texts)[:MAX_KEYWORDS],
            picture_time=self.moments[-place].time,
        )


def looks_in_order(scans: Iterable[Scan]) -> dict[int, list[FrameLook]]:
    """Per track, every look once and in order of time, near-duplicates carrying what their original shows.

    Scans may come in any order and more than once.
    """
    by_place: dict[tuple[int, int, int], FrameLook] = {}
    for scan in scans:
        for look in carried_over(scan):
            by_place[(look.track, scan.index, look.ordinal)] = look
    tracks: dict[int, list[FrameLook]] = {}
    for (track, _, _), look in sorted(by_place.items(), key=lambda item: (item[0][0], item[1].time, item[0])):
        tracks.setdefault(track, []).append(look)
    return tracks


def carried_over(scan: Scan) -> Iterator[FrameLook]:
    """The looks of a scan, a near-duplicate with what its original shows, or failed to."""
    originals = {look.ordinal: look for look in scan.looks}
    for look in scan.looks:
        if look.duplicate_of is None:
            yield look
            continue
        original = originals[look.duplicate_of]
        yield look.model_copy(
            update={
                "observations": original.observations + look.observations,
                "failed": original.failed | look.failed,
                "picture": original.picture,
            }
        )


def courses(scans: Iterable[Scan], template: Template, reporters: Reporters, duration: float) -> Iterator[Course]:
    """What the template asks about, along each track of a video. Times in seconds of presentation."""
    rules = rules_by_target(template)
    for track, looks in looks_in_order(scans).items():
        starts = [look.time for look in looks]
        ends = [*starts[1:], max(duration, starts[-1])]
        for target, rule in rules.items():
            seen = moments(looks, target, reporters.get(target, frozenset()))
            yield Course(target, rule, seen, starts, ends, levels(seen, rule), track)


def cover_segments(cover: Scan, template: Template, reporters: Reporters) -> list[Segment]:
    """Segments of one cover. Persistence does not apply: a cover is one picture."""
    found: list[Segment] = []
    for target, rule in rules_by_target(template).items():
        if target[0] is not Form.COVER:
            continue
        seen = moments(cover.looks, target, reporters.get(target, frozenset()))
        still = rule.model_copy(update={"hits": 1, "window": 1})
        at_once = [0.0] * len(seen)
        found += Course(target, still, seen, at_once, at_once, levels(seen, still), cover=cover.index).segments()
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
            s.text or "",
            (s.area.top, s.area.left) if s.area else (),
        ),
    )


def moments(looks: Sequence[FrameLook], target: Target, detectors: frozenset[str]) -> list[Moment]:
    """The looks of one track as one target sees them, which `detectors` can report."""
    seen = []
    for look in looks:
        hits = [o for o in look.observations if (o.form, o.label, o.sub_label) == target]
        best = max(hits, key=lambda o: (o.score, o.detector, o.text or ""), default=None)
        seen.append(Moment(look.time, best, failed=not detectors.isdisjoint(look.failed), cut=look.cut))
    return seen


def levels(seen: Sequence[Moment], rule: Rule) -> dict[int, Suggestion]:
    """What persists of the moments in order: position → what it suggests."""
    found: dict[int, Suggestion] = {}
    for level, threshold in thresholds(rule):
        found |= dict.fromkeys(_persistent(seen, threshold, rule), level)
    return found


def _persistent(seen: Sequence[Moment], threshold: int, rule: Rule) -> set[int]:
    """Positions whose confidence reaches the threshold and lasts: `hits` of `window`, or `single` alone.

    A video with fewer frames than `hits` must hit on all of them.
    """
    hit = [moment.hits(threshold) for moment in seen]
    counted = [1 if is_hit or m.failed else 0 for is_hit, m in zip(hit, seen, strict=True)]
    sums = [0]
    for count in counted:
        sums.append(sums[-1] + count)
    total = len(seen)
    needed = min(rule.hits, total)
    window = min(rule.window, total)
    lasting = {
        position
        for start in range(total - window + 1)
        if sums[start + window] - sums[start] >= needed
        for position in range(start, start + window)
    }
    single = 101 if rule.single is None else rule.single
    return {i for i, is_hit in enumerate(hit) if is_hit and (i in lasting or seen[i].confidence >= single)}
