"""Fights: a network over clips of two seconds in which somebody moves."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from moderation.detectors.base import Frame, Moment, Picture
from moderation.detectors.clip import FightClip
from moderation.detectors.nanodet import NanoDet
from moderation.models.observation import Observation
from moderation.models.template import Form

_SURE = 0.3
_MOTION = 3.0
_CELLS = 7
_LENGTH = 2.0
"""Seconds of a clip: from so much on there should be one."""
_HOLD = 4.0
"""Seconds for which a clip speaks for the frames that come after its own: until the next one."""
_BESIDE = 6.0
"""Seconds from clip to clip that are next to each other."""

_SPARED = 0.9
"""A clip that says less confirms nothing: on its account those beside it are not asked."""


@dataclass(frozen=True)
class Clip:
    """Two seconds in the small; no pictures where nobody moves."""

    pictures: tuple[Picture, ...]
    weights: Path

    def score(self) -> float:
        """What the network says."""
        return FightClip(self.weights).run(self.pictures) if self.pictures else 0.0


class Violence:
    """The score of each clip, for the frame where it begins and those up to the next clip.

    A fight that the clip before and the clip after show nothing of is a slip of the network's, in all likelihood.

    Where nobody is to be seen, or nothing moves, there is no fight, and the network, which costs as much as twenty
    others, is not asked; nor is it where no clip beside could confirm what it says.
    """

    name: ClassVar[str] = "violence"

    def note(self, frame: Frame) -> Clip | None:
        """The clip that begins here, None where none does."""
        pictures = frame.moving()
        if not pictures:
            return None
        return Clip(pictures if motion(pictures) >= _MOTION and _somebody(frame) else (), frame.weights)

    def follow(self, moments: Sequence[Moment[Clip | None]]) -> list[list[Observation]]:
        """Raises ValueError where there was no clip to look at."""
        begun: dict[int, tuple[float, Clip]] = {}
        for moment in moments:
            if moment.note is not None:
                begun.setdefault(moment.picture, (moment.time, moment.note))
        clips = list(begun.values())
        if not clips and moments and moments[-1].time - moments[0].time >= _LENGTH:
            raise ValueError("there are no clips: pictures come too slowly, or only some of them are decoded")
        scores = _confirmed(clips)
        starts = [time for time, _ in clips]
        found: list[list[Observation]] = []
        for moment in moments:
            place = bisect_right(starts, moment.time) - 1
            running = place >= 0 and moment.time < starts[place] + _HOLD
            found.append([_observation(scores[place])] if running else [])
        return found


def _confirmed(clips: Sequence[tuple[float, Clip]]) -> list[float]:
    """The score of each clip, no higher than the higher one of those next to it in time, where there are any.

    Every other clip comes first, so that most of the rest have nothing beside them that could confirm them.
    """
    count = len(clips)
    beside = [
        [near for near in (one - 1, one + 1) if 0 <= near < count and abs(clips[near][0] - clips[one][0]) < _BESIDE]
        for one in range(count)
    ]
    scores = {one: 0.0 for one, (_, clip) in enumerate(clips) if not clip.pictures}
    for one in (*range(1, count, 2), *range(0, count, 2)):
        if one not in scores:
            most = max((scores.get(near, 1.0) for near in beside[one]), default=1.0)
            scores[one] = most if most < _SPARED else clips[one][1].score()
    return [min(scores[one], max((scores[near] for near in beside[one]), default=1.0)) for one in range(count)]


def motion(pictures: Sequence[Picture]) -> float:
    """How much the liveliest sixth of the picture changes from one to the next, in levels of light."""
    light = np.array([np.asarray(one.convert("L"), np.float32) for one in pictures])
    side = light.shape[1] // _CELLS
    cells = np.abs(np.diff(light, axis=0)).reshape(-1, _CELLS, side, _CELLS, side).mean(axis=(0, 2, 4))
    return float(np.sort(cells, axis=None)[-_CELLS:].mean())


def _somebody(frame: Frame) -> bool:
    return any(thing.label == "person" and thing.score >= _SURE for thing in frame.result(NanoDet))


def _observation(score: float) -> Observation:
    return Observation(
        detector=Violence.name, form=Form.IMAGE, label="terror", sub_label="violence", score=round(score, 4)
    )
