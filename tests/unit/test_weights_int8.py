"""Networks in eight bits give nearly what they give in real numbers, and the same bytes each time."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from greenlight.weights import int8
from greenlight.weights.graph import Array
from greenlight.weights.manifest import load_manifest
from greenlight.weights.store import ensure_weights

RNG = np.random.default_rng(3)
KERNELS = {
    "k1": RNG.normal(size=(8, 3, 3, 3)),
    "k2": RNG.normal(size=(8, 8, 3, 3)) / 8,
    "k3": RNG.normal(size=(4, 8, 1, 1)),
}
BIASES = {"b1": RNG.normal(size=8), "b2": RNG.normal(size=8), "b3": np.array([0.5, 0.0, -0.5, 100.0])}
PICTURES = RNG.normal(size=(20, 3, 12, 12)).astype(np.float32)
NAMES = ("image", "cut", "bent", "sum", "pooled", "last")


def network() -> bytes:
    """Two branches that are added, of which one bends; a maximum; a last convolution with a dead channel; a mean."""
    kernels = {**KERNELS, "k3": KERNELS["k3"] * np.array([1, 1, 1, 0]).reshape(-1, 1, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["image", "k1", "b1"], ["first"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["first"], ["cut"]),
        helper.make_node("Cast", ["k2"], ["k2/real"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["cut", "k2/real"], ["second"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["second", "b2"], ["biased"]),
        helper.make_node("LeakyRelu", ["biased"], ["bent"], alpha=0.1),
        helper.make_node("Add", ["cut", "bent"], ["sum"]),
        helper.make_node("MaxPool", ["sum"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pooled", "k3", "b3"], ["last"]),
        helper.make_node("GlobalAveragePool", ["last"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["shares"]),
    ]
    constants = [
        numpy_helper.from_array(values.astype(np.float16 if name == "k2" else np.float32), name)
        for name, values in (kernels | BIASES | {"b2": BIASES["b2"].reshape(1, 8, 1, 1)}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 12, 12])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("flat", "shares")],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    return bytes(model.SerializeToString())


def ranges(content: bytes, plain: tuple[str, ...] = ()) -> int8.Ranges:
    """How far the tensors of the network reach on the pictures."""
    model = onnx.load_model_from_string(content)
    wanted = [*NAMES[1:], "biased"]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted)
    found = run(bytes(model.SerializeToString()), wanted)
    reach = {name: (float(values.min()), float(values.max())) for name, values in zip(wanted, found, strict=True)}
    return int8.Ranges(plain=plain, reach=reach | {"image": (float(PICTURES.min()), float(PICTURES.max()))})


def run(content: bytes, outputs: list[str]) -> list[Array]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return list(session.run(outputs, {"image": PICTURES}))


@pytest.mark.parametrize("plain", [(), ("sum", "cut")], ids=["all", "some plain"])
def test_levels_give_nearly_what_numbers_give(plain: tuple[str, ...]) -> None:
    # GIVEN a network, and how far its tensors reach
    content = network()

    # WHEN it is brought to eight bits
    small = int8.convert(content, ranges(content, plain))

    # THEN what it gives is nearly the same, the channel that is a bias only included
    for real, rounded in zip(run(content, ["flat", "shares"]), run(small, ["flat", "shares"]), strict=True):
        assert np.abs(real - rounded).max() < 0.02 * np.abs(real).max()
    # AND it is computed in levels but for what is to stay plain, and the same bytes come out again
    kinds = [node.op_type for node in onnx.load_model_from_string(small).graph.node]
    assert kinds.count("QLinearConv") == (2 if plain else 3)
    assert "Relu" not in kinds or plain
    assert int8.convert(content, ranges(content, plain)) == small


def test_a_tensor_without_a_range_is_refused() -> None:
    reach = {name: ends for name, ends in ranges(network()).reach.items() if name != "bent"}
    with pytest.raises(KeyError, match="bent"):
        int8.convert(network(), int8.Ranges(reach=reach))


def test_what_is_shipped_in_eight_bits_has_ranges_and_is_in_levels() -> None:
    entries = [entry for entry in load_manifest().weights if entry.int8]
    assert {path.stem for path in int8.RANGES.iterdir()} == {entry.name for entry in entries}
    folder = ensure_weights(entry.name for entry in entries)
    for entry in entries:
        nodes = onnx.load(folder / entry.output.file).graph.node
        kinds = [node.op_type for node in nodes]
        assert kinds.count("QLinearConv") > 3 * kinds.count("Conv"), entry.name
