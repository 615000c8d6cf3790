"""Pictures that stand still, told from near-duplicate marks alone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from moderation.detectors.base import Frame, Moment
from moderation.models.observation import Observation
from moderation.models.template import Form

_FROZEN = Observation(detector="frozen", form=Form.IMAGE, label="undesirable", sub_label="frozen", score=1.0)


class Frozen:
    """Score 1 for each frame that shows the very picture of the one before.

    Whether it stands still for long enough to matter is for the template to say.
    """

    name: ClassVar[str] = "frozen"

    def note(self, frame: Frame) -> None:
        """Nothing: which picture a moment shows is known."""

    def follow(self, moments: Sequence[Moment[None]]) -> list[list[Observation]]:
        same = [False, *(before.picture == moment.picture for before, moment in pairwise(moments))]
        return [[_FROZEN] if still else [] for still in same[: len(moments)]]
