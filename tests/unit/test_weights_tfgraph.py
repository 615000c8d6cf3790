"""The converter of TF.js graph models against layers written out by hand in numpy."""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from greenlight.weights import tfgraph, tfjs
from greenlight.weights.converters import convert
from greenlight.weights.manifest import Entry, load_manifest
from tests.unit.test_weights_tfjs import convolve

Array = npt.NDArray[Any]
Node = dict[str, Any]

LAST, FIRST = np.array([0, 2, 3, 1]), np.array([0, 3, 1, 2])


def node(op: str, name: str, *inputs: str, **attributes: Any) -> Node:
    return {"op": op, "name": name, "input": list(inputs), "attr": attributes}


def placeholder(channels: int, side: int) -> Node:
    dims = [{"size": str(size)} for size in (1, channels, side, side)]
    return node("Placeholder", "image", shape={"shape": {"dim": dims}})


def numbers(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}


def window(step: int, padding: str = "VALID") -> dict[str, Any]:
    text = {"s": base64.b64encode(padding.encode()).decode()}
    return {"strides": numbers(1, step, step, 1), "padding": text, "dilations": numbers(1, 1, 1, 1)}


def built(nodes: list[Node], constants: dict[str, Array], output: str) -> bytes:
    known = [node("Const", name) for name in constants]
    return tfgraph.convert({"node": [*known, *nodes]}, constants, {"out": output})


def run(content: bytes, picture: Array) -> Array:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (out,) = session.run(["out"], {"image": picture})
    return np.asarray(out)


def test_a_small_graph_gives_what_numpy_gives() -> None:
    # GIVEN convolutions between transpositions, padding of two kinds, pooling, scaling and a concatenation
    rng = np.random.default_rng(7)
    constants = {
        "last": LAST,
        "first": FIRST,
        "ones": np.array([[0, 0], [0, 0], [1, 1], [1, 1]]),
        "lowest": np.array(-3.4e38, np.float32),
        "kernel": rng.normal(size=(3, 3, 2, 3)).astype(np.float16),
        "bias": rng.normal(size=3).astype(np.float16),
        "size": np.array([8, 8]),
        "axis": np.array(1),
    }
    nodes = [
        placeholder(2, 8),
        node("Pad", "padded", "image", "ones"),
        node("Transpose", "in", "padded", "last"),
        node("Conv2D", "conv", "in", "kernel", **window(2)),
        node("Add", "biased", "conv:0", "bias", "^image"),
        node("Transpose", "back", "biased", "first"),
        node("LeakyRelu", "leaky", "back", alpha={"f": 0.1}),
        node("PadV2", "edged", "leaky", "ones", "lowest"),
        node("Transpose", "pool_in", "edged", "last"),
        node("MaxPool", "pooled", "pool_in", ksize=numbers(1, 3, 3, 1), **window(2)),
        node("ResizeBilinear", "large", "pooled", "size", half_pixel_centers={"b": True}),
        node("Transpose", "large_back", "large", "first"),
        node("AddV2", "twice", "large_back", "large_back"),
        node("ConcatV2", "both", "twice", "image", "axis"),
        node("Softmax", "nobody_asked", "both"),
    ]
    picture = rng.normal(size=(2, 2, 8, 8)).astype(np.float32)

    # WHEN it is converted and run on two pictures
    content = built(nodes, constants, "both")
    got = run(content, picture)

    # THEN the result is that of the layers computed one by one
    padded = np.pad(picture, ((0, 0), (0, 0), (1, 1), (1, 1))).transpose(0, 2, 3, 1)
    conv = convolve(padded, constants["kernel"].astype(np.float32), 2, depthwise=False)
    conv = conv + constants["bias"].astype(np.float32)
    leaky = np.where(conv > 0, conv, 0.1 * conv)
    edged = np.pad(leaky, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(edged, (3, 3), (1, 2))[:, ::2, ::2]
    pooled = windows.max(axis=(4, 5))
    scale = np.array([[1, 0], [1, 0], [0.875, 0.125], [0.625, 0.375]])
    scale = np.concatenate([scale, scale[::-1, ::-1]])
    large = np.einsum("yi,xj,nijc->ncyx", scale, scale, pooled)
    np.testing.assert_allclose(got, np.concatenate([2 * large, picture], axis=1), rtol=1e-4, atol=1e-4)

    # AND nothing is transposed on the way, and float16 is stored as such
    graph = onnx.load_from_string(content).graph
    assert "Transpose" not in {item.op_type for item in graph.node}
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor).dtype for tensor in graph.initializer}
    assert stored["conv/kernel/stored"] == stored["biased/bias/stored"] == np.float16


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Sigmoid", "out", "image")], "Sigmoid is not supported"),
        ([node("Conv2D", "out", "image", "kernel", **window(1))], "lies another way"),
        ([node("Pad", "out", "image", "batch")], "only height and width"),
        ([node("Pad", "pad", "image", "ones"), node("LeakyRelu", "out", "pad", alpha={"f": 0.1})], "is padded"),
        (
            [
                node("Pad", "pad", "image", "ones"),
                node("Transpose", "in", "pad", "last"),
                node("MaxPool", "out", "in", ksize=numbers(1, 3, 3, 1), **window(1)),
            ],
            "padded with 0.0",
        ),
        (
            [node("Transpose", "in", "image", "last"), node("Conv2D", "out", "in", "kernel", **window(1, "EXPLICIT"))],
            "padding EXPLICIT",
        ),
    ],
)
def test_what_is_not_understood_is_refused(nodes: list[Node], words: str) -> None:
    constants = {
        "last": LAST,
        "kernel": np.ones((1, 1, 2, 2), np.float32),
        "ones": np.array([[0, 0], [0, 0], [1, 1], [1, 1]]),
        "batch": np.array([[0, 0], [1, 0], [0, 0], [0, 0]]),
    }
    with pytest.raises(ValueError, match=words):
        built([placeholder(2, 8), *nodes], constants, "out")


def test_half_precision_shards_are_read_as_they_are() -> None:
    content = np.array([1.5, -2], "<f2").tobytes() + np.array([3], "<i4").tobytes()
    weights = [
        {"name": "half", "shape": [2], "dtype": "float32", "quantization": {"dtype": "float16"}},
        {"name": "whole", "shape": [1], "dtype": "int32"},
    ]
    tensors = tfjs.read_weights([{"paths": ["a"], "weights": weights}], {"a": content})
    assert tensors["half"].dtype == np.float16
    assert tensors["half"].tolist() == [1.5, -2]
    assert tensors["whole"].tolist() == [3]


def test_a_graph_and_its_shard_become_onnx() -> None:
    topology = {"node": [placeholder(1, 2), node("Const", "two"), node("Add", "sum", "image", "two")]}
    weights = [{"name": "two", "shape": [1], "dtype": "float32"}]
    model = {"modelTopology": topology, "weightsManifest": [{"paths": ["small.bin"], "weights": weights}]}
    members = {"package/small.json": json.dumps(model).encode(), "package/small.bin": np.array([2], "<f4").tobytes()}
    (entry,) = load_manifest().select(["nanodet"])
    fields = entry.model_dump() | {"converter": {"kind": "tfjs-graph", "outputs": {"out": "sum"}}}
    content = convert(Entry.model_validate(fields), members)
    assert run(content, np.ones((1, 1, 2, 2), np.float32)).tolist() == [[[[3, 3], [3, 3]]]]
