"""A picture stands still when the very picture of the look before is shown again."""

from collections.abc import Sequence

from moderation.detectors.base import Moment
from moderation.detectors.frozen import Frozen


def frozen(shown: Sequence[int]) -> list[bool]:
    """One look a second; the same number is the same picture."""
    seen = Frozen().follow([Moment(float(n), picture, None) for n, picture in enumerate(shown)])
    assert all((one.sub_label, one.score) == ("frozen", 1.0) for found in seen for one in found)
    return [bool(found) for found in seen]


def test_different_pictures_are_not_frozen() -> None:
    assert frozen([0, 1, 2]) == [False] * 3


def test_the_same_picture_again_is_frozen_from_the_second_look_on() -> None:
    assert frozen([0, 0, 0, 3, 3]) == [False, True, True, False, True]


def test_two_pictures_in_turn_are_not_frozen() -> None:
    assert frozen([0, 1, 0, 1, 0, 1]) == [False] * 6


def test_nothing_is_not_frozen() -> None:
    assert frozen([]) == []
    assert frozen([7]) == [False]
