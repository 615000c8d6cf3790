"""What is put together computes the same in fewer steps."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from greenlight.weights import fused

RNG = np.random.default_rng(5)
CONSTANTS = {
    "k1": RNG.normal(size=(6, 3, 1, 1)),
    "b1": RNG.normal(size=6),
    "gamma": RNG.normal(size=(6, 1, 1)),
    "k2": RNG.normal(size=(4, 6, 1, 1)),
    "b2": RNG.normal(size=4),
    "factor": RNG.normal(size=6),
    "shift": RNG.normal(size=6),
    "mean": RNG.normal(size=6),
    "variance": RNG.uniform(0.5, 2, size=6),
    "root": np.array(2**0.5),
    "one": np.array(1.0),
    "half": np.array(0.5),
}


def network(half: float = 0.5) -> bytes:
    nodes = [
        helper.make_node("Conv", ["image", "k1", "b1"], ["c1"]),
        helper.make_node("Mul", ["c1", "gamma"], ["scaled"]),
        helper.make_node("BatchNormalization", ["scaled", "factor", "shift", "mean", "variance"], ["n"], epsilon=1e-3),
        helper.make_node("Conv", ["n", "k2", "b2"], ["c2"]),
        helper.make_node("Div", ["c2", "root"], ["divided"]),
        helper.make_node("Erf", ["divided"], ["erf"], name="erf"),
        helper.make_node("Add", ["erf", "one"], ["more"]),
        helper.make_node("Mul", ["half", "more"], ["halved"]),
        helper.make_node("Mul", ["c2", "halved"], ["gelu"]),
        helper.make_node("ReduceL2", ["gelu", "axes"], ["length"]),
        helper.make_node("Shape", ["gelu"], ["shape"]),
        helper.make_node("Expand", ["length", "shape"], ["lengths"]),
        helper.make_node("Div", ["gelu", "lengths"], ["unit"]),
    ]
    numbers = {**CONSTANTS, "half": np.array(half)}
    constants = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in numbers.items()]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 5, 5])],
        [helper.make_tensor_value_info("unit", TensorProto.FLOAT, ["n", 4, 5, 5])],
        [*constants, numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())


def test_fewer_steps_give_the_same() -> None:
    # GIVEN a network with a scale, a normalisation, a GELU and a written-out length
    content, picture = network(), RNG.normal(size=(2, 3, 5, 5)).astype(np.float32)

    # WHEN its steps are put together
    short = fused.convert(content)

    # THEN the result is the same up to rounding
    before, after = (
        onnxruntime.InferenceSession(one, providers=["CPUExecutionProvider"]).run(["unit"], {"image": picture})[0]
        for one in (content, short)
    )
    np.testing.assert_allclose(after, before, atol=1e-5)
    # AND what is left is what counts, with nothing that nobody reads
    model = onnx.load_model_from_string(short)
    assert [node.op_type for node in model.graph.node] == ["Conv", "Conv", "Gelu", "ReduceL2", "Div"]
    assert {tensor.name for tensor in model.graph.initializer} == {"k1", "b1", "k2", "b2", "axes"}


def test_what_only_looks_like_a_gelu_is_refused() -> None:
    with pytest.raises(ValueError, match="another GELU"):
        fused.convert(network(half=0.25))
