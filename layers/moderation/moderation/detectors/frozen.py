"""Pictures that stand still, told from near-duplicate marks alone."""

from collections.abc import Sequence

from moderation.models.observation import FrameLook, Observation
from moderation.models.template import Form

_FROZEN = Observation(detector="screens", form=Form.IMAGE, label="undesirable", sub_label="frozen", score=1.0)


def mark_frozen(looks: Sequence[FrameLook]) -> tuple[FrameLook, ...]:
    """The same looks, in order, where each that shows the very picture of the one before is observed as frozen.

    Whether it stands still for long enough to matter is for the template to say.
    """
    shown: dict[int, int] = {}
    marked = []
    for look in looks:
        picture = look.ordinal if look.duplicate_of is None else look.duplicate_of
        if shown.get(look.track) == picture:
            look = look.model_copy(update={"observations": (*look.observations, _FROZEN)})
        shown[look.track] = picture
        marked.append(look)
    return tuple(marked)
