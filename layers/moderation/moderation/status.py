"""What becomes of a media when its job gets on: the table of design §6. Pure."""

from typing import Literal

from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion

Outcome = Literal["accepted", "refused", "failed"] | Suggestion
"""How far a job got: the plan accepted or refused the file, the job failed, or there is a suggestion."""

_SETTLED = frozenset({MediaStatus.DELETED, MediaStatus.REFUSED})


def next_status(
    current: MediaStatus,
    outcome: Outcome,
    *,
    mode: Literal["pre", "post"],
    auto_block: bool,
    decided_by_person: bool,
    keep_post_on_failure: bool = False,
) -> MediaStatus:
    """The status after `outcome`. A person's decision stands until a person decides again."""
    if decided_by_person or current in _SETTLED:
        return current
    match outcome:
        case "refused":
            return MediaStatus.REFUSED
        case "accepted":
            return MediaStatus.NORMAL if mode == "post" and current is MediaStatus.CHECKING else current
        case "failed":
            kept = mode == "post" and keep_post_on_failure and current is not MediaStatus.CHECKING
            return current if kept else MediaStatus.REVIEWING
        case Suggestion.BLOCK if auto_block:
            return MediaStatus.BLOCKED
        case Suggestion.PASS:
            return MediaStatus.NORMAL
        case _:
            return MediaStatus.NORMAL if mode == "post" else MediaStatus.REVIEWING
