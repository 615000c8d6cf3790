"""The perceptual hash: the one that others compute, stable where people see the same."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from moderation.detectors.pdq import distance, pdq
from tests.unit.detectors.conftest import jpeg, opened

SAME = 31
"""Bits that may differ in the same picture, as PDQ's authors say."""


def drawn(width: int, height: int, seed: int) -> Image.Image:
    """A picture that anybody can draw again."""
    y, x = np.mgrid[:height, :width] / min(width, height)
    waves = np.sum([np.sin((seed + n) * (n * x + (3 - n) * y) + seed * n) for n in range(1, 6)], axis=0)
    green = 128 + 90 * np.sin(3 * seed * x * y)
    blue = 255 * ((x * 5 + seed).astype(int) % 2)
    return Image.fromarray(np.stack([128 + 25 * waves, green, blue], axis=2).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("width", "height", "seed", "reference"),
    [
        (320, 240, 1, "04414afe0a511afe0c431afe0e531afe0e431afe0e535afe0f57a0d6ba51f70e"),
        (240, 320, 2, "591653a9f91652a9791652a9791652a9591652a9f804ad0d5514fd8daafafd7c"),
        (256, 256, 3, "a55505aba55501aba55505aba5550daba5550daba555f0ab5b5511ab58f2fe5c"),
        (500, 130, 4, "5f75b5556aabd5aaa94a52d2a496d936b666ccccb18cc73c3c7863c07f81c003"),
        (97, 53, 6, "5689a94d56a5a95556a9f555aaa555abeb5ad492ab2654c6ab8cf43801f0ff01"),
    ],
)
def test_it_is_the_hash_of_the_reference_implementation(width: int, height: int, seed: int, reference: str) -> None:
    # GIVEN a picture and what the PyPI package pdqhash makes of it
    # THEN ours differs at most where a wave is as good as zero
    assert distance(pdq(drawn(width, height, seed)), reference) <= 6


def test_jpeg_and_scaling_leave_it_alike(photos: list[Image.Image]) -> None:
    for photo in photos:
        original = pdq(photo)
        assert distance(original, pdq(opened(jpeg(photo, quality=30)))) <= SAME
        assert distance(original, pdq(photo.resize((456, 256)))) <= SAME
        assert distance(original, pdq(photo.point(lambda level: 20 + level * 3 // 4))) <= SAME


def test_different_pictures_differ(photos: list[Image.Image]) -> None:
    hashes = [pdq(photo) for photo in photos]
    assert min(distance(one, other) for one, other in combinations(hashes, 2)) > 2 * SAME


def test_a_plain_picture_has_the_hash_zero(photos: list[Image.Image]) -> None:
    plain = {pdq(Image.new("RGB", (width, 256), colour)) for width in (256, 455) for colour in ("black", "red", "#777")}
    assert plain == {"0" * 64}


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 40), (20_000, 2)])
def test_any_shape_has_a_hash(size: tuple[int, int]) -> None:
    assert len(pdq(Image.linear_gradient("L").resize(size).convert("RGB"))) == 64


def test_distance_counts_bits() -> None:
    assert distance("f" * 64, "0" * 64) == 256
    assert distance("0" * 63 + "5", "0" * 63 + "4") == 1
