"""A picture stands still when the very picture of the look before is shown again."""

from collections.abc import Sequence

from moderation.detectors.frozen import mark_frozen
from moderation.models.observation import FrameLook, Observation
from moderation.models.template import Form


def looks(shown: Sequence[int | None], track: int = 0, start: int = 0) -> list[FrameLook]:
    """One look a second; a number names the look whose picture is shown again."""
    return [
        FrameLook(ordinal=start + n, track=track, time=float(n), duplicate_of=None if same is None else start + same)
        for n, same in enumerate(shown)
    ]


def frozen(marked: Sequence[FrameLook]) -> list[bool]:
    return [any(seen.sub_label == "frozen" for seen in look.observations) for look in marked]


def test_different_pictures_are_not_frozen() -> None:
    assert frozen(mark_frozen(looks([None, None, None]))) == [False] * 3


def test_the_same_picture_again_is_frozen_from_the_second_look_on() -> None:
    assert frozen(mark_frozen(looks([None, 0, 0, None, 3]))) == [False, True, True, False, True]


def test_two_pictures_in_turn_are_not_frozen() -> None:
    # GIVEN A-B-A-B, where each picture is a near-duplicate of an earlier one, but never of the last
    assert frozen(mark_frozen(looks([None, None, 0, 1, 0, 1]))) == [False] * 6


def test_tracks_are_judged_apart() -> None:
    # GIVEN two tracks, their looks in turn: one stops at once, the other a second later
    first, second = looks([None, 0, 0]), looks([None, None, 1], track=1, start=10)
    in_turn = [look for pair in zip(first, second, strict=True) for look in pair]
    assert frozen(mark_frozen(in_turn)) == [False, False, True, False, True, True]


def test_nothing_else_is_changed() -> None:
    # GIVEN looks that hold something already
    seen = Observation(detector="codes", form=Form.CODE, label="ad", sub_label="qrcode", score=1.0)
    before = [look.model_copy(update={"observations": (seen,), "failed": {"gore": "x"}}) for look in looks([None, 0])]

    # WHEN they are marked
    after = mark_frozen(before)

    # THEN order, failures and observations stay, and the mark is of the detector that declares it
    assert [look.ordinal for look in after] == [0, 1]
    assert all(look.observations[0] == seen and look.failed == {"gore": "x"} for look in after)
    added = after[1].observations[1]
    assert (added.detector, added.form, added.label, added.score) == ("screens", Form.IMAGE, "undesirable", 1.0)
