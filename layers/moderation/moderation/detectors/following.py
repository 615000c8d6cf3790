"""The frames of a segment one after another, before every detector that follows several of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderation.detectors.base import Follower, FrameResult, Moment
from moderation.models.errors import reason
from moderation.models.observation import FrameLook, Observation


@dataclass
class _Found:
    observations: tuple[Observation, ...]
    failed: dict[str, str]


def follow(
    followers: Sequence[Follower[Any]], looks: Sequence[FrameLook], results: Mapping[int, FrameResult]
) -> tuple[FrameLook, ...]:
    """The same looks with what was found over time. `results` are those of the distinct frames by ordinal.

    A detector that fails fails on every frame of the track that it was following, and the others go on.
    """
    found = {look.ordinal: _Found(look.observations, dict(look.failed)) for look in looks}
    for track in sorted({look.track for look in looks}):
        shown = sorted((look for look in looks if look.track == track), key=lambda look: (look.time, look.ordinal))
        for follower in followers:
            noted = [look for look in shown if follower.name in _notes(look, results)]
            moments = [Moment(look.time, _picture(look), _notes(look, results)[follower.name]) for look in noted]
            try:
                seen = follower.follow(moments)
            except Exception as error:
                for look in noted:
                    found[look.ordinal].failed[follower.name] = reason(error)
            else:
                for look, observations in zip(noted, seen, strict=True):
                    found[look.ordinal].observations += tuple(observations)
    return tuple(
        look.model_copy(update={"observations": found[look.ordinal].observations, "failed": found[look.ordinal].failed})
        for look in looks
    )


def _picture(look: FrameLook) -> int:
    return look.ordinal if look.duplicate_of is None else look.duplicate_of


def _notes(look: FrameLook, results: Mapping[int, FrameResult]) -> Mapping[str, Any]:
    result = results.get(_picture(look))
    return result.notes if result else {}
