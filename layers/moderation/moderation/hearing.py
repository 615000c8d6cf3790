"""What was heard to segments: sounds that persist, from when to when. Pure.

What is said is judged as text, like everything that is read.
"""

from collections.abc import Iterable, Sequence
from math import ceil

from moderation.models.observation import FrameLook
from moderation.models.plan import Plan, SegmentSpan
from moderation.models.sound import Hearing, TrackHearing
from moderation.models.template import Form, Template
from moderation.models.verdict import Segment
from moderation.policy import rules_by_target
from moderation.timeline import Course, Reporters, levels, moments, worst_first

STEP = 0.48
"""Seconds from one moment of sound to the next: rules count these as they count frames."""
MOAN = ("porn", "moan")
BARE = frozenset({"explicit", "sexy"})
"""Of the label porn, what in the same seconds makes moaning more likely to be of that kind."""
_NEAR = 5.0
_FAILED = "nothing of it was heard"


def sound_segments(
    hearings: Iterable[Hearing],
    plan: Plan,
    template: Template,
    reporters: Reporters,
    pictures: Sequence[Segment] = (),
) -> list[Segment]:
    """Segments of all tracks of sound, the worst first; `pictures` are what was found in the pictures.

    Moaning may be of pain or of pleasure, which no sound tells. Where pictures within 5 s suggest the latter, half of
    the doubt is taken off its score.
    """
    told = {(hearing.index, track.track): track for hearing in hearings for track in hearing.tracks}
    bare = [(s.start - _NEAR, s.end + _NEAR) for s in pictures if s.label == "porn" and s.sub_label in BARE]
    listeners = frozenset().union(*(names for target, names in reporters.items() if target[0] is Form.VOICE))
    found: list[Segment] = []
    for audio in plan.audio:
        looks: list[FrameLook] = []
        for span in plan.segments:
            if audio.index in span.sound:
                looks += _looks(told.get((span.index, audio.index)), span, audio.index, listeners, bare)
        starts = [look.time for look in looks]
        ends = [start + STEP for start in starts]
        for target, rule in rules_by_target(template).items():
            if target[0] is Form.VOICE:
                seen = moments(looks, target, reporters.get(target, frozenset()))
                found += Course(target, rule, seen, starts, ends, levels(seen, rule), audio.index).segments()
    return worst_first(found)


def _looks(
    heard: TrackHearing | None,
    span: SegmentSpan,
    track: int,
    listeners: frozenset[str],
    bare: Sequence[tuple[float, float]],
) -> list[FrameLook]:
    """Every moment of one track in one segment, heard or not."""
    failed = heard.failed if heard else dict.fromkeys(listeners, _FAILED)
    events = heard.events if heard else ()
    longest = max([span.end, *(event.start + STEP for event in events)]) - span.start
    count = max(1, ceil(longest / STEP - 1e-6))
    looks = [
        FrameLook(ordinal=number, track=track, time=round(span.start + number * STEP, 3), failed=failed)
        for number in range(count)
    ]
    for event in events:
        number = min(count - 1, max(0, round((event.start - span.start) / STEP)))
        observations = event.observations
        if any(start < event.end and event.start < end for start, end in bare):
            observations = tuple(
                seen.model_copy(update={"score": (1 + seen.score) / 2})
                if (seen.label, seen.sub_label) == MOAN
                else seen
                for seen in observations
            )
        looks[number] = looks[number].model_copy(update={"observations": observations})
    return looks
