"""What Lite sees of a picture, and what it says of known ones."""

from pathlib import Path

import iscc_samples
import numpy as np
import pytest
from PIL import Image

from moderation.detectors import lite
from moderation.detectors.lite import Impression, Lite


def cosine(first: Impression, second: Impression) -> float:
    one, two = first.embedding.astype(float), second.embedding.astype(float)
    return float(one @ two / np.sqrt(one @ one * (two @ two)))


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    path = next(path for path in iscc_samples.images() if path.name == "demo.jpg")
    return Image.open(path).convert("RGB")


def test_the_whole_picture_is_seen_in_levels_of_red_green_and_blue() -> None:
    # GIVEN a picture of the network's size, and one twice as broad whose left half is red and right half blue
    pixels = np.random.default_rng(7).integers(0, 256, (280, 280, 3), np.uint8)
    wide = Image.new("RGB", (1120, 560), "blue")
    wide.paste("red", (0, 0, 560, 560))

    # THEN the first comes as it is, the second squeezed
    np.testing.assert_array_equal(lite.prepare(Image.fromarray(pixels)), pixels[np.newaxis])
    (batch,) = lite.prepare(wide)
    assert batch.dtype == np.uint8
    assert (batch[:, :138] == (255, 0, 0)).all()
    assert (batch[:, 142:] == (0, 0, 255)).all()


def test_a_cat_is_named_by_its_breed(weights: Path, cat: Image.Image) -> None:
    impression = Lite(weights).run(cat)
    assert impression.tags[0].name == "tabby, tabby cat"
    assert [tag.score for tag in impression.tags] == sorted((tag.score for tag in impression.tags), reverse=True)
    assert 0.3 < impression.tags[0].score < sum(tag.score for tag in impression.tags) <= 1
    assert impression.embedding.shape == (1280,)
    assert impression.embedding.dtype == np.float16
    assert impression.embedding.min() >= 0


def test_likeness_is_of_what_is_shown(weights: Path, cat: Image.Image, photos: list[Image.Image]) -> None:
    # GIVEN a picture, the same mirrored, and a picture of something else
    model = Lite(weights)
    seen, mirrored, other = (
        model.run(picture) for picture in (cat, cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT), photos[1])
    )

    # THEN the embeddings of the first two are much more alike
    assert cosine(seen, mirrored) > 0.85
    assert cosine(seen, other) < 0.5
