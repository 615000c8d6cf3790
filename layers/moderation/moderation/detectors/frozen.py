"""Pictures that stand still, told from near-duplicate marks alone."""

from collections.abc import Sequence

from moderation.models.observation import FrameLook, Observation
from moderation.models.template import Form


def mark_frozen(looks: Sequence[FrameLook]) -> tuple[FrameLook, ...]:
    """The same looks, in order, where each near-duplicate of an earlier frame is observed as frozen.

    Whether it stands still for long enough to matter is for the template to say.
    """
    frozen = Observation(detector="screens", form=Form.IMAGE, label="undesirable", sub_label="frozen", score=1.0)
    return tuple(
        look
        if look.duplicate_of is None
        else look.model_copy(update={"observations": (*(o for o in look.observations if o != frozen), frozen)})
        for look in looks
    )
