"""Rounding nodes are left out, and what remains computes what the network was trained to."""

import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from greenlight.weights.dequantized import convert

KERNEL = np.random.default_rng(1).normal(size=(3, 1, 3, 3)).astype(np.float32)
BIAS = np.array([0.5, -0.5, 0.1], np.float32)
DENSE = np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32)
SHAPE = np.array([1, -1], np.int64)


def rounded(name: str) -> list[onnx.NodeProto]:
    """What an accelerator's compiler puts behind every tensor."""
    return [
        helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}_q"]),
        helper.make_node("DequantizeLinear", [f"{name}_q", "scale", "zero"], [f"{name}_dq"]),
    ]


def archive(*, with_data: bool = True) -> bytes:
    """A zipped network: convolution, mean over the picture, dense layer; its kernel is in the file of data."""
    nodes = [
        *rounded("kernel"),
        helper.make_node("DequantizeLinear", ["audio", "scale", "zero"], ["audio_dq"]),
        helper.make_node("Conv", ["audio_dq", "kernel_dq", "bias"], ["maps"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        *rounded("positive"),
        helper.make_node("GlobalAveragePool", ["positive_dq"], ["mean"]),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["classes"], transB=1),
        helper.make_node("QuantizeLinear", ["classes", "scale", "zero"], ["answer"]),
    ]
    kernel = numpy_helper.from_array(KERNEL, "kernel")
    content = kernel.raw_data
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "model.data"), ("offset", "8"), ("length", str(len(content)))):
        kernel.external_data.add(key=key, value=value)
    constants = [
        kernel,
        numpy_helper.from_array(BIAS, "bias"),
        numpy_helper.from_array(DENSE, "dense"),
        numpy_helper.from_array(SHAPE, "shape"),
        numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
        numpy_helper.from_array(np.array(7, np.uint8), "zero"),
    ]
    graph = helper.make_graph(
        nodes,
        "rounding",
        [helper.make_tensor_value_info("audio", TensorProto.UINT8, [1, 1, 4, 5])],
        [helper.make_tensor_value_info("answer", TensorProto.UINT8, [1, 2])],
        constants,
    )
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as file:
        file.writestr("job/model.onnx", helper.make_model(graph).SerializeToString())
        if with_data:
            file.writestr("job/model.data", bytes(8) + content)
    return stored.getvalue()


def test_the_network_computes_without_rounding() -> None:
    session = onnxruntime.InferenceSession(convert(archive()))
    sounds = np.random.default_rng(3).normal(size=(3, 1, 4, 5)).astype(np.float32)
    (scores,) = session.run(["scores"], {"audio": sounds})

    padded = np.pad(sounds[:, 0], ((0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.einsum("nhwij,oij->nohw", patches, KERNEL[:, 0]) + BIAS[:, np.newaxis, np.newaxis]
    logits = np.maximum(maps, 0).mean(axis=(2, 3)) @ DENSE.T
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=2e-3)


def test_the_same_archive_gives_the_same_bytes_and_small_ones() -> None:
    first, second = convert(archive()), convert(archive())
    assert first == second
    constants = {tensor.name: tensor for tensor in onnx.load_model_from_string(first).graph.initializer}
    assert constants["kernel/stored"].data_type == TensorProto.FLOAT16
    assert not any("scale" in name or "zero" in name for name in constants)


def test_what_is_no_such_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        convert(archive(with_data=False))
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("readme", b"")
    with pytest.raises(ValueError, match="unpack"):
        convert(empty.getvalue())
