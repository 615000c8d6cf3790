"""Checkpoints are read without running them, and MC3-18 against its layers written out by hand in numpy."""

import io
import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from greenlight.weights import mc3
from greenlight.weights.checkpoint import read_tensors

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class Stored:
    """A tensor as `torch.save` pickles it: a call that rebuilds it from a part of a file of numbers."""

    def __init__(self, key: str, count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self._storage = Storage(key, count)
        hooks: OrderedDict[str, object] = OrderedDict()
        self._place = (offset, shape, strides, False, hooks)

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (self._storage, *self._place)


class Storage:
    def __init__(self, key: str, count: int) -> None:
        self.key, self.count = key, count


class Pickler(pickle.Pickler):
    def persistent_id(self, item: Any) -> Any:
        if isinstance(item, Storage):
            return "storage", sys.modules["torch"].FloatStorage, item.key, "cpu", item.count
        return None


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only as much of PyTorch as pickling needs: the names."""
    package, utilities = ModuleType("torch"), ModuleType("torch._utils")
    storage = type("FloatStorage", (), {"__module__": "torch"})
    monkeypatch.setattr(package, "FloatStorage", storage, raising=False)

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    monkeypatch.setattr(utilities, "_rebuild_tensor_v2", _rebuild_tensor_v2, raising=False)
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)


def checkpoint(state: object, *files: Array) -> bytes:
    pickled, packed = io.BytesIO(), io.BytesIO()
    Pickler(pickled, protocol=2).dump(state)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        for index, numbers in enumerate(files):
            archive.writestr(f"archive/data/{index}", numbers.astype("<f4").tobytes())
    return packed.getvalue()


@pytest.mark.usefixtures("torch")
def test_tensors_are_parts_of_files_in_any_order_of_axes() -> None:
    state = OrderedDict(
        weight=Stored("0", 12, 2, (2, 3), (3, 1)),
        turned=Stored("0", 12, 0, (3, 2), (1, 3)),
        one=Stored("1", 1, 0, (), ()),
    )
    tensors = read_tensors(checkpoint(state, np.arange(12), np.array([7])))
    assert tensors["weight"].tolist() == [[2, 3, 4], [5, 6, 7]]
    assert tensors["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert tensors["one"].shape == ()
    assert tensors["one"] == 7


class Command:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mkdir is not allowed"):
        read_tensors(checkpoint({"weight": Command(tmp_path / "made")}))
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    "place", [(0, (2, 7), (7, 1)), (11, (2,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (1,))]
)
def test_a_tensor_reaches_not_beyond_its_file(place: Any) -> None:
    with pytest.raises(ValueError, match="outside|zip"):
        read_tensors(checkpoint({"weight": Stored("0", 12, *place)}, np.arange(12)))


@pytest.mark.parametrize("content", [b"", b"PK", checkpoint([1, 2]), checkpoint({"epoch": 3})])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a checkpoint of tensors"):
        read_tensors(content)


def network(rng: np.random.Generator, width: int = 2) -> dict[str, Array]:
    """Random weights in the layout of MC3-18, with few channels; weights that float16 holds exactly."""
    tensors: dict[str, Array] = {}

    def convolution(name: str, number: int, out: int, kernel: tuple[int, ...]) -> None:
        tensors[f"{name}.{number}.weight"] = rng.normal(0, 0.3, (out, *kernel)).astype(np.float16).astype(np.float32)
        for key in ("running_mean", "weight", "bias"):
            tensors[f"{name}.{number + 1}.{key}"] = rng.uniform(0.5, 1, out).astype(np.float32)
        tensors[f"{name}.{number + 1}.running_var"] = rng.uniform(0.5, 1, out).astype(np.float32)

    convolution("stem", 0, width, (3, 3, 7, 7))
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name, reach = f"layer{layer}.{block}", (3, 3, 3) if layer == 1 else (1, 3, 3)
            convolution(f"{name}.conv1", 0, width, (width, *reach))
            convolution(f"{name}.conv2", 0, width, (width, *reach))
            if layer > 1 and block == 0:
                convolution(f"{name}.downsample", 0, width, (width, 1, 1, 1))
    tensors["fc.weight"] = rng.normal(size=(2, width)).astype(np.float32)
    tensors["fc.bias"] = rng.normal(size=2).astype(np.float32)
    return tensors


def normalised(tensors: dict[str, Array], name: str, clip: Floats, step: int) -> Floats:
    """A convolution over [C, T, H, W] with as much padding as keeps the size, and the normalisation behind it."""
    kernel = tensors[f"{name}.0.weight"].astype(np.float64)
    ends = [(0, 0), *((length // 2, length // 2) for length in kernel.shape[2:])]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(clip, ends), kernel.shape[2:], (1, 2, 3))
    out = np.einsum("ithwxyz,oixyz->othw", windows[:, :, ::step, ::step], kernel, optimize=True)
    mean, variance, factor, shift = (
        tensors[f"{name}.1.{key}"].astype(np.float64).reshape(-1, 1, 1, 1)
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    return np.asarray((out - mean) / np.sqrt(variance + 1e-5) * factor + shift)


def test_mc3_gives_what_numpy_gives() -> None:
    # GIVEN a network with two channels everywhere, and a clip
    rng = np.random.default_rng(7)
    tensors = network(rng)
    clip = rng.normal(size=(3, 16, 112, 112))

    # WHEN it is converted and run
    session = onnxruntime.InferenceSession(mc3.convert(tensors), providers=["CPUExecutionProvider"])
    (probs,) = session.run(["probs"], {"clip": clip.transpose(1, 0, 2, 3).astype(np.float32)})

    # THEN the probabilities are those of the layers computed one by one
    value = np.maximum(normalised(tensors, "stem", clip, 2), 0)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name, step = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            inner = np.maximum(normalised(tensors, f"{name}.conv1", value, step), 0)
            inner = normalised(tensors, f"{name}.conv2", inner, 1)
            past = normalised(tensors, f"{name}.downsample", value, step) if step == 2 else value
            value = np.maximum(inner + past, 0)
    logits = tensors["fc.weight"] @ value.mean(axis=(1, 2, 3)) + tensors["fc.bias"]
    expected = np.exp(logits - logits.max())
    np.testing.assert_allclose(probs[0], expected / expected.sum(), atol=1e-4)
    assert 0.05 < probs[0, 0] < 0.95


def test_another_network_is_refused() -> None:
    with pytest.raises(KeyError, match=r"layer1\.0"):
        mc3.convert({name: values for name, values in network(np.random.default_rng(7)).items() if "stem" in name})
