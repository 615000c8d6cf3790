"""The second look: hits that stand alone, and the ends of segments, looked at more closely. Pure.

The first look decides what persists, among looks that are a second apart: looks of the second one, which lie much
closer together, never count among those. They answer three questions, each at a stated place:

* Does a hit last that is not enough by itself? Then it asks for a person, for `review` and no more.
* Is a hit that is enough by itself a slip of its detector? It is when the pictures around it are looked at, none of
  them hits, and nothing changes suddenly there, as it would for a flash. Then it counts no more, or as `review` where
  it would have blocked.
* When does a segment begin and end?

Only the detectors that can answer look again. What they see besides, strong enough to count alone and more than a slip,
asks for a person as well. Nobody is worse off where this look fails: what was enough stays enough, and what was not
asks for a person.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

from moderation.models.observation import Scan
from moderation.models.plan import Plan, SegmentSpan, TrackSpan
from moderation.models.template import Rule, Template
from moderation.models.verdict import Suggestion
from moderation.policy import Target
from moderation.timeline import Course, Moment, Reporters, courses, looks_in_order, moments

REACH = 0.5
"""Seconds before and after a hit that stands alone."""
FINE, COARSE = 0.125, 0.25
"""Seconds from look to look around a hit that stands alone, and where a segment begins or ends."""
LASTING = 0.375
"""Seconds for which a hit goes on that lasts."""
MOST_HITS = 3
"""Rules that ask for more hits are about how long something goes on: what is too short for them stays so."""
MAX_QUESTIONS = 40
LEAST_LOOKS, SHARE = 24, 0.15
"""What a second look may cost: so many stretches, and so many looks with as many more as this share of the first."""

_SAME = 1e-3


@dataclass(frozen=True, order=True)
class _Question:
    """A stretch of a track and why it is worth looking at again; the most important one is the least."""

    edge: bool
    mildness: int
    doubt: int
    start: float
    track: int
    end: float
    step: float
    target: Target

    @property
    def times(self) -> frozenset[float]:
        """When to look, on a grid that all questions share."""
        first, last = math.ceil(self.start / self.step - _SAME), math.floor(self.end / self.step + _SAME)
        return frozenset(round(number * self.step, 6) for number in range(first, last + 1))


@dataclass(frozen=True)
class SecondLook:
    """What a second look was to see and has seen. `targets` are those that a single frame tells all about."""

    windows: Sequence[SegmentSpan]
    scans: Sequence[Scan]
    targets: Collection[Target]
    reporters: Reporters

    def applied(self, first: Iterable[Course]) -> Iterator[tuple[Course, bool]]:
        """The courses as they are after the second look, and whether a question of each is open since it failed."""
        for course in first:
            if not self.windows or course.target not in self.targets:
                yield course, False
                continue
            able = self.reporters.get(course.target, frozenset())
            near = looks_in_order(scan for scan in self.scans if able <= scan.detectors.keys())
            seen = moments(near.get(course.track, ()), course.target, able)
            again, is_open = self._again(course, seen)
            yield again, is_open
            yield _besides(again, seen), False

    def _again(self, course: Course, near: Sequence[Moment]) -> tuple[Course, bool]:
        levels = dict(course.levels)
        starts, ends = list(course.starts), list(course.ends)
        is_open = False
        for position in _undecided(course):
            moment = course.moments[position]
            if _lasts(moment, near, _least(course.rule)):
                levels[position] = Suggestion.REVIEW
            elif not self._seen_around(course, moment.time, near):
                is_open = True
        for position in _alone(course):
            if self._slip(course, position, near):
                if levels[position] is Suggestion.BLOCK:
                    levels[position] = Suggestion.REVIEW
                else:
                    del levels[position]
        course = replace(course, levels=levels)
        for run in course.runs():
            starts[run[0]], ends[run[-1]] = _bounds(course, run, near)
        return replace(course, starts=starts, ends=ends), is_open

    def _seen_around(self, course: Course, time: float, near: Sequence[Moment]) -> bool:
        """Whether this moment was in no window for its like, or all that was to be seen around it was."""
        able = self.reporters.get(course.target, frozenset())
        scans = {scan.index: scan for scan in self.scans if able <= scan.detectors.keys()}
        for window in self.windows:
            asked = able <= set(window.detectors or able) and any(part.track == course.track for part in window.tracks)
            if asked and window.start <= time <= window.end:
                scan = scans.get(window.index)
                if scan is None or not scan.looks or any(m.failed for m in _around(time, near)):
                    return False
        return True

    def _slip(self, course: Course, position: int, near: Sequence[Moment]) -> bool:
        moment = course.moments[position]
        around = _around(moment.time, chain(near, course.moments))
        before = {m.time for m in around if m.time < moment.time - _SAME}
        after = {m.time for m in around if m.time > moment.time + _SAME}
        hit = [m for m in around if m.hits(_least(course.rule)) and abs(m.time - moment.time) > _SAME]
        troubled = any(m.failed or m.cut for m in around) or not self._seen_around(course, moment.time, near)
        return len(before) > 1 and len(after) > 1 and not hit and not troubled


def second_plan(
    plan: Plan, scans: Sequence[Scan], template: Template, targets: Collection[Target], reporters: Reporters
) -> Plan:
    """The plan with the windows to look at again, the most important ones as far as the limit allows.

    `targets` are those that a single frame tells all about. Where only key frames are decoded there are no windows.
    """
    if plan.key_frames_only:
        return plan
    asked = sorted(
        {
            question
            for course in courses(scans, template, reporters, plan.duration)
            if course.target in targets
            for question in _questions(course, template.interval_seconds)
        }
    )
    limit = LEAST_LOOKS + SHARE * sum(len(scan.looks) for scan in scans)
    costs = accumulate(len(question.times) for question in asked)
    chosen = [question for question, cost in zip(asked[:MAX_QUESTIONS], costs, strict=False) if cost <= limit]
    tracks = sorted({question.track for question in chosen})
    merged = [window for track in tracks for window in _merged([q for q in chosen if q.track == track])]
    windows = tuple(_window(plan, len(plan.segments) + n, one, reporters) for n, one in enumerate(merged))
    return plan.model_copy(update={"windows": windows, "windows_left_out": len(asked) - len(chosen)})


def _questions(course: Course, interval: float) -> Iterator[_Question]:
    def around(position: int) -> _Question:
        moment = course.moments[position]
        mildness = -course.levels.get(position, Suggestion.REVIEW).severity
        begin = max(0.0, moment.time - REACH)
        end = moment.time + REACH
        return _Question(False, mildness, -moment.confidence, begin, course.track, end, FINE, course.target)

    def edge(run: Sequence[int], start: float, end: float) -> _Question:
        severity = max(course.levels[i].severity for i in run)
        doubt = -course.moments[run[0]].confidence
        return _Question(True, -severity, doubt, start, course.track, end, COARSE, course.target)

    for position in (*_undecided(course), *_alone(course)):
        yield around(position)
    for run in course.runs():
        first, last = run[0], run[-1]
        begun = course.starts[first]
        # Where the picture changes suddenly, it is known to the frame.
        if first and begun - course.starts[first - 1] > COARSE and not course.moments[first].cut:
            yield edge(run, max(course.starts[first - 1], begun - interval), begun)
        following = course.moments[last + 1 : last + 2]
        if course.ends[last] - course.starts[last] > COARSE and not any(m.cut for m in following):
            yield edge(run, course.starts[last], min(course.ends[last], course.starts[last] + interval))


def _undecided(course: Course) -> list[int]:
    """Hits that do not persist, under a rule that asks for a few so as not to rest on one picture."""
    if not 1 < course.rule.hits <= MOST_HITS or course.rule.review is None:
        return []
    least = course.rule.review
    return [i for i, m in enumerate(course.moments) if i not in course.levels and m.hits(least)]


def _alone(course: Course) -> list[int]:
    """Segments of one look under a rule that asks for more: it is a strong one."""
    if course.rule.hits == 1:
        return []
    reach = course.rule.window - 1
    return [
        run[0]
        for run in course.runs()
        if len(run) == 1 and not any(m.failed for m in course.moments[max(0, run[0] - reach) : run[0] + reach + 1])
    ]


def _least(rule: Rule) -> int:
    return min(value for value in (rule.review, rule.block) if value is not None)


def _around(time: float, near: Iterable[Moment]) -> list[Moment]:
    return [moment for moment in near if abs(moment.time - time) <= REACH + _SAME]


def _lasts(moment: Moment, near: Sequence[Moment], threshold: int) -> bool:
    """Whether looks in a row, this one's among them, hit for long enough."""
    hits = [m.time for m in _stretch(moment.time, _around(moment.time, near), threshold)]
    return bool(hits) and hits[-1] - hits[0] >= LASTING - _SAME


def _stretch(time: float, near: Sequence[Moment], threshold: int) -> list[Moment]:
    """The looks around a time that hit or failed without a break."""
    held = [m.failed or m.hits(threshold) for m in near]
    place = bisect_right([m.time for m in near], time + _SAME)
    first = last = place
    while first and held[first - 1]:
        first -= 1
    while last < len(near) and held[last]:
        last += 1
    return list(near[first:last])


def _bounds(course: Course, run: Sequence[int], near: Sequence[Moment]) -> tuple[float, float]:
    """Where a segment begins and ends, as closely as it was looked at."""
    first, last = run[0], run[-1]
    start, end = course.starts[first], course.ends[last]
    least = _least(course.rule)
    earlier = course.moments[first - 1].time if first else start
    before = [m for m in near if earlier + _SAME < m.time < start - _SAME]
    for moment in reversed(before):
        if not (moment.failed or moment.hits(least)):
            break
        start = moment.time
    after = [m for m in near if course.moments[last].time + _SAME < m.time < end - _SAME]
    return start, next((m.time for m in after if not (m.failed or m.hits(least))), end)


def _besides(course: Course, near: Sequence[Moment]) -> Course:
    """What the second look saw of the same outside the segments: looks that count alone, a slip of one left out."""
    single = 101 if course.rule.single is None else course.rule.single
    known = [(segment.start, segment.end) for segment in course.segments()]
    times = [m.time for m in near]

    def counts(i: int) -> bool:
        beside = [*near[max(0, i - 1) : i], *near[i + 1 : i + 2]]
        slip = not near[i].cut and not any(m.cut or m.failed or m.hits(_least(course.rule)) for m in beside)
        return near[i].hits(single) and not slip and not any(start <= near[i].time <= end for start, end in known)

    levels = {i: Suggestion.REVIEW for i in range(len(near)) if counts(i)}
    return replace(course, moments=near, starts=times, ends=[*times[1:], *times[-1:]], levels=levels)


def _merged(questions: Sequence[_Question]) -> Iterator[list[_Question]]:
    """The questions of windows that do not overlap."""
    together: list[_Question] = []
    for question in sorted(questions, key=lambda q: (q.start, q.end)):
        if together and question.start > max(one.end for one in together):
            yield together
            together = []
        together.append(question)
    if together:
        yield together


def _window(plan: Plan, index: int, questions: Sequence[_Question], reporters: Reporters) -> SegmentSpan:
    track, start, end = questions[0].track, questions[0].start, max(one.end for one in questions)
    times = sorted(frozenset[float]().union(*(one.times for one in questions)))
    asked = frozenset[str]().union(*(reporters[one.target] for one in questions))
    within = max((span for span in plan.segments if span.start <= start), key=lambda span: span.start)
    seeks: Mapping[float, float | None] = {within.start: within.seek, **dict(within.entries)}
    distance = max((part.key_distance for part in within.tracks if part.track == track), default=math.inf)
    return SegmentSpan(
        index=index,
        start=start,
        end=end + FINE / 2,
        seek=seeks[max(time for time in seeks if time <= start or time == within.start)],
        tracks=(TrackSpan(track=track, expected=0, samples=tuple(times), key_distance=distance),),
        detectors=tuple(sorted(asked)),
    )
