"""The converter against convolutions, normalisation and padding written out by hand in numpy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from greenlight.weights.tfjs import convert, read_weights

Array = npt.NDArray[np.float32]


def layer(kind: str, name: str, *inputs: str, **config: Any) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}


def image(height: int, width: int, channels: int) -> dict[str, Any]:
    return layer("InputLayer", "input", batch_input_shape=[None, height, width, channels])


def conv(kind: str, name: str, source: str, **changes: Any) -> dict[str, Any]:
    config = {"strides": [1, 1], "dilation_rate": [1, 1], "padding": "valid", "use_bias": False, "activation": "linear"}
    return layer(kind, name, source, **(config | changes))


def norm(name: str, source: str, **changes: Any) -> dict[str, Any]:
    return layer("BatchNormalization", name, source, **({"epsilon": 1e-3, "center": True, "scale": True} | changes))


def run(
    layers: list[dict[str, Any]], weights: Mapping[str, Array], outputs: dict[str, str], picture: Array
) -> dict[str, Array]:
    content = convert({"model_config": {"config": {"layers": layers}}}, weights, outputs)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return dict(zip(outputs, session.run(list(outputs), {"image": picture}), strict=True))


def operators(layers: list[dict[str, Any]], weights: Mapping[str, Array], output: str) -> list[str]:
    content = convert({"model_config": {"config": {"layers": layers}}}, weights, {"out": output})
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def convolve(picture: Array, kernel: Array, stride: int, depthwise: bool) -> Array:
    """A plain, slow convolution without padding over [N, H, W, C]."""
    rows, columns = kernel.shape[:2]
    height = (picture.shape[1] - rows) // stride + 1
    width = (picture.shape[2] - columns) // stride + 1
    result = []
    for y in range(height):
        for x in range(width):
            patch = picture[:, y * stride : y * stride + rows, x * stride : x * stride + columns]
            equation = "nhwc,hwcm->ncm" if depthwise else "nhwc,hwco->no"
            result.append(np.einsum(equation, patch, kernel).reshape(len(picture), -1))
    return np.stack(result, axis=1).reshape(len(picture), height, width, -1)


def normalise(picture: Array, weights: Mapping[str, Array], name: str) -> Array:
    gamma, beta = weights.get(f"{name}/gamma", np.float32(1)), weights[f"{name}/beta"]
    mean, variance = weights[f"{name}/moving_mean"], weights[f"{name}/moving_variance"]
    return np.asarray((picture - mean) / np.sqrt(variance + 1e-3) * gamma + beta, np.float32)


def norm_weights(rng: np.random.Generator, name: str, channels: int) -> dict[str, Array]:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return {f"{name}/{key}": rng.uniform(0.5, 1.5, channels).astype(np.float32) for key in names}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_small_classifier_gives_what_numpy_gives(rng: np.random.Generator) -> None:
    # GIVEN padding, a strided convolution, a depthwise one, normalisations, a sum, pooling and two dense layers
    layers = [
        image(8, 8, 3),
        layer("ZeroPadding2D", "pad", "input", padding=[[0, 1], [0, 1]]),
        conv("Conv2D", "first", "pad", strides=[2, 2]),
        norm("first_norm", "first"),
        layer("ReLU", "first_relu", "first_norm", max_value=6),
        conv("DepthwiseConv2D", "deep", "first_relu", padding="same"),
        norm("deep_norm", "deep"),
        layer("Add", "sum", "first_relu", "deep_norm"),
        layer("AveragePooling2D", "pool", "sum", pool_size=[4, 4], strides=[4, 4], padding="valid"),
        layer("Flatten", "flat", "pool"),
        layer("Dropout", "drop", "flat"),
        layer("Dense", "hidden", "drop", use_bias=True, activation="relu"),
        layer("Dense", "classes", "hidden", use_bias=True, activation="softmax"),
    ]
    weights = {
        "first/kernel": rng.normal(size=(3, 3, 3, 4)).astype(np.float32),
        "deep/depthwise_kernel": rng.normal(size=(3, 3, 4, 1)).astype(np.float32),
        "hidden/kernel": rng.normal(size=(4, 6)).astype(np.float32),
        "hidden/bias": rng.normal(size=6).astype(np.float32),
        "classes/kernel": rng.normal(size=(6, 5)).astype(np.float32),
        "classes/bias": rng.normal(size=5).astype(np.float32),
        **norm_weights(rng, "first_norm", 4),
        **norm_weights(rng, "deep_norm", 4),
    }
    picture = rng.uniform(0, 1, (3, 8, 8, 3)).astype(np.float32)

    # WHEN it is converted and run
    got = run(layers, weights, {"probs": "classes", "embedding": "flat"}, picture)

    # THEN both outputs are those of the layers computed one by one
    padded = np.pad(picture, ((0, 0), (0, 1), (0, 1), (0, 0)))
    first = convolve(padded, weights["first/kernel"], 2, depthwise=False)
    first = np.clip(normalise(first, weights, "first_norm"), 0, 6)
    deep = np.pad(first, ((0, 0), (1, 1), (1, 1), (0, 0)))
    deep = convolve(deep, weights["deep/depthwise_kernel"], 1, depthwise=True)
    embedding = (first + normalise(deep, weights, "deep_norm")).mean(axis=(1, 2))
    hidden = np.maximum(embedding @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    logits = hidden @ weights["classes/kernel"] + weights["classes/bias"]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got["embedding"], embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["probs"], probs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "stride", "ends"), [(5, 2, (1, 1)), (6, 2, (0, 1)), (6, 1, (1, 1)), (7, 3, (1, 1))])
def test_same_padding_is_tensorflow_s(rng: np.random.Generator, size: int, stride: int, ends: tuple[int, int]) -> None:
    layers = [image(size, size, 2), conv("Conv2D", "conv", "input", padding="same", strides=[stride, stride])]
    weights = {"conv/kernel": rng.normal(size=(3, 3, 2, 2)).astype(np.float32)}
    picture = rng.normal(size=(1, size, size, 2)).astype(np.float32)
    got = run(layers, weights, {"out": "conv"}, picture)["out"].transpose(0, 2, 3, 1)
    padded = np.pad(picture, ((0, 0), ends, ends, (0, 0)))
    np.testing.assert_allclose(got, convolve(padded, weights["conv/kernel"], stride, depthwise=False), atol=1e-5)


def test_flatten_keeps_the_order_of_channels_last(rng: np.random.Generator) -> None:
    picture = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    got = run([image(3, 4, 5), layer("Flatten", "flat", "input")], {}, {"out": "flat"}, picture)["out"]
    np.testing.assert_array_equal(got, picture.reshape(2, -1))


def test_normalisation_is_folded_only_where_nothing_else_reads_the_convolution(rng: np.random.Generator) -> None:
    weights = {"conv/kernel": rng.normal(size=(1, 1, 2, 2)).astype(np.float32), **norm_weights(rng, "norm", 2)}
    chain = [image(4, 4, 2), conv("Conv2D", "conv", "input"), norm("norm", "conv")]
    branched = [*chain, layer("Add", "sum", "conv", "norm")]
    assert operators(chain, weights, "norm") == ["Transpose", "Conv", "Identity"]
    assert operators(branched, weights, "sum") == ["Transpose", "Conv", "Mul", "Add", "Add", "Identity"]
    picture = rng.normal(size=(1, 4, 4, 2)).astype(np.float32)
    got = run(branched, weights, {"out": "sum"}, picture)["out"].transpose(0, 2, 3, 1)
    plain = convolve(picture, weights["conv/kernel"], 1, depthwise=False)
    np.testing.assert_allclose(got, plain + normalise(plain, weights, "norm"), atol=1e-5)


def test_normalisation_without_a_scale_has_a_factor_of_one(rng: np.random.Generator) -> None:
    weights = norm_weights(rng, "norm", 3)
    del weights["norm/gamma"]
    picture = rng.normal(size=(1, 2, 2, 3)).astype(np.float32)
    got = run([image(2, 2, 3), norm("norm", "input", scale=False)], weights, {"out": "norm"}, picture)["out"]
    np.testing.assert_allclose(got.transpose(0, 2, 3, 1), normalise(picture, weights, "norm"), atol=1e-6)


def test_the_bytes_do_not_depend_on_the_run(rng: np.random.Generator) -> None:
    topology = {"model_config": {"config": {"layers": [image(4, 4, 2), conv("Conv2D", "conv", "input")]}}}
    weights = {"conv/kernel": rng.normal(size=(3, 3, 2, 2)).astype(np.float32)}
    assert convert(topology, weights, {"out": "conv"}) == convert(topology, weights, {"out": "conv"})


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (layer("UpSampling2D", "up", "input"), "UpSampling2D is not supported"),
        (layer("ReLU", "leaky", "input", negative_slope=0.1), "leaky"),
        (conv("Conv2D", "conv", "input", activation="swish"), "swish"),
        (conv("Conv2D", "conv", "input", activation="softmax"), "softmax"),
    ],
)
def test_what_is_not_understood_is_refused(second: dict[str, Any], words: str) -> None:
    weights = {"conv/kernel": np.ones((1, 1, 2, 2), np.float32)}
    with pytest.raises(ValueError, match=words):
        convert({"model_config": {"config": {"layers": [image(4, 4, 2), second]}}}, weights, {})


def test_padding_before_a_pool_is_refused_and_not_lost() -> None:
    pool = layer("AveragePooling2D", "pool", "pad", pool_size=[2, 2], strides=[2, 2], padding="valid")
    layers = [image(4, 4, 1), layer("ZeroPadding2D", "pad", "input", padding=[[1, 1], [1, 1]]), pool]
    with pytest.raises(ValueError, match="padding before AveragePooling2D"):
        convert({"model_config": {"config": {"layers": layers}}}, {}, {})


def test_quantised_and_plain_weights_are_read_in_order_over_shards() -> None:
    plain = np.array([1.5, -2.0], "<f4").tobytes()
    quantised = bytes([0, 1, 255])
    groups = [
        {
            "paths": ["a", "b"],
            "weights": [
                {"name": "plain", "shape": [2], "dtype": "float32"},
                {
                    "name": "small",
                    "shape": [3, 1],
                    "dtype": "float32",
                    "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
                },
                {"name": "scalar", "shape": [], "dtype": "float32"},
            ],
        }
    ]
    content = plain + quantised + np.array(3, "<f4").tobytes()
    tensors = read_weights(groups, {"a": content[:6], "b": content[6:]})
    assert tensors["plain"].tolist() == [1.5, -2.0]
    assert tensors["small"].tolist() == [[-1.0], [-0.5], [126.5]]
    assert tensors["scalar"].shape == ()
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("length", "words"), [(4, "end within"), (12, "4 bytes")])
def test_shards_of_the_wrong_length_are_refused(length: int, words: str) -> None:
    groups = [{"paths": ["a"], "weights": [{"name": "w", "shape": [2], "dtype": "float32"}]}]
    with pytest.raises(ValueError, match=words):
        read_weights(groups, {"a": bytes(length)})
