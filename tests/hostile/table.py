"""What a hazard is, and the table that all of them are in."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from moderation.coverage import Gap
from moderation.models.plan import Evasion, RefusalCode

Make = Callable[[], Path]


@dataclass(frozen=True)
class Hazard:
    """A hostile file: how to make it, and what must come of it.

    `refused` is the code that the plan step refuses it with. Else it is looked at: `hides` tells whether a QR code is
    where a careless scanner does not look, which must be found; `evasions` and `gaps` are what the verdict must name.
    """

    name: str
    what: str
    make: Make
    refused: RefusalCode | None = None
    hides: bool = False
    evasions: frozenset[Evasion] = frozenset()
    gaps: frozenset[Gap] = frozenset()


HAZARDS: dict[str, Hazard] = {}


def refused(code: RefusalCode, what: str, *, name: str | None = None) -> Callable[[Make], Make]:
    """Enter a file that must be refused, under the name of its maker unless another is given."""

    def enter(make: Make) -> Make:
        _enter(Hazard(name or make.__name__, what, make, refused=code))
        return make

    return enter


def looked_at(
    what: str,
    *,
    name: str | None = None,
    hides: bool = True,
    evasions: Collection[Evasion] = (),
    gaps: Collection[Gap] = (),
) -> Callable[[Make], Make]:
    """Enter a file that must be looked at, under the name of its maker unless another is given."""

    def enter(make: Make) -> Make:
        _enter(
            Hazard(name or make.__name__, what, make, hides=hides, evasions=frozenset(evasions), gaps=frozenset(gaps))
        )
        return make

    return enter


def _enter(hazard: Hazard) -> None:
    assert hazard.name not in HAZARDS, hazard.name
    HAZARDS[hazard.name] = hazard
