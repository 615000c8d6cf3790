"""Frames one after another: each track in order of time, near-duplicates with the note of their original."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from moderation.detectors.base import Frame, FrameResult, Moment
from moderation.detectors.catalog import CATALOG
from moderation.detectors.following import follow
from moderation.detectors.scanner import Scanner
from moderation.models.errors import reason
from moderation.models.observation import FrameLook, Observation
from moderation.models.template import Form
from tests.unit.detectors.conftest import FOLLOWING

SEEN = Observation(detector="codes", form=Form.CODE, label="ad", sub_label="qrcode", score=1.0)


class Echo:
    """Reports what it was given, and fails where a note says so."""

    name: ClassVar[str] = "echo"

    def note(self, frame: Frame) -> str:
        raise NotImplementedError

    def follow(self, moments: Sequence[Moment[str]]) -> list[list[Observation]]:
        if any(moment.note == "broken" for moment in moments):
            raise RuntimeError("cannot follow")
        text = "".join(moment.note for moment in moments)
        return [
            [
                Observation(
                    detector=self.name, form=Form.IMAGE, label="undesirable", sub_label="pip", score=0.5,
                    text=f"{text}:{moment.note}:{moment.picture}",
                )
            ]
            for moment in moments
        ]  # fmt: skip


def look(ordinal: int, time: float, track: int = 0, same: int | None = None) -> FrameLook:
    return FrameLook(ordinal=ordinal, track=track, time=time, duplicate_of=same, observations=(SEEN,))


def noted(**notes: str) -> dict[int, FrameResult]:
    return {int(key[1:]): FrameResult((), {}, None, None, {"echo": note}) for key, note in notes.items()}


def texts(looks: Sequence[FrameLook]) -> list[str | None]:
    return [found.observations[-1].text for found in looks]


def test_each_track_is_followed_in_order_of_time() -> None:
    # GIVEN two tracks whose looks come in turn, one of them out of order
    looks = [look(0, 0.0), look(1, 0.5, track=1), look(3, 2.0), look(2, 1.0, same=0)]

    # WHEN they are followed
    found = follow([Echo()], looks, noted(_0="a", _1="x", _3="b"))

    # THEN each track is one story, a near-duplicate tells its original's, and everything stays in its place
    assert texts(found) == ["aab:a:0", "x:x:1", "aab:b:3", "aab:a:0"]
    assert [one.ordinal for one in found] == [0, 1, 3, 2]
    assert all(one.observations[0] == SEEN for one in found)


def test_a_frame_without_a_note_is_left_out() -> None:
    # GIVEN a frame that could not be noted, which has failed for this detector already
    looks = [look(0, 0.0), look(1, 1.0).model_copy(update={"failed": {"echo": "why"}}), look(2, 2.0)]
    found = follow([Echo()], looks, noted(_0="a", _2="b"))
    assert texts(found) == ["ab:a:0", None, "ab:b:2"]
    assert [one.failed for one in found] == [{}, {"echo": "why"}, {}]


def test_what_cannot_be_followed_has_failed_on_its_track_alone() -> None:
    looks = [look(0, 0.0), look(1, 1.0), look(2, 0.0, track=1)]
    found = follow([Echo()], looks, noted(_0="a", _1="broken", _2="x"))
    assert [one.failed for one in found] == [{"echo": "RuntimeError: cannot follow"}] * 2 + [{}]
    assert [len(one.observations) for one in found] == [1, 1, 2]


@pytest.mark.parametrize("spec", FOLLOWING, ids=lambda spec: spec.name)
def test_what_cannot_be_read_fails_every_detector_that_needs_it(spec: object, tmp_path: Path) -> None:
    looking = Scanner([one for one in CATALOG if one is spec], tmp_path)
    result = looking.look({"classify": b"no picture", "detail": b"no picture"})
    (follower,) = looking.followers
    assert (follower.name in result.failed) != (result.notes.get(follower.name, "none") is None)
    assert looking.look({}, form=Form.COVER).notes == {}


def test_reasons_are_short() -> None:
    assert len(reason(RuntimeError("x" * 1000))) == 200
