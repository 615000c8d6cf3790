"""Keras models saved by TF.js, written as ONNX.

The input stays channels-last; one transposition follows it and everything behind is channels-first, as ONNX Runtime
wants it. Batch normalisation is folded into the convolution before it and explicit padding into the one behind it.
All arithmetic is elementwise in float64, so the written bytes are the same on every machine.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from greenlight.weights.graph import Array, Graph, Value

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")


def read_weights(groups: Sequence[Mapping[str, Any]], shards: Mapping[str, bytes]) -> dict[str, Array]:
    """Tensors by name from a weights manifest and its shards.

    What is quantised to whole numbers comes as the float32 that it stands for. Raises ValueError when the shards are
    not exactly as long as the manifest says.
    """
    tensors: dict[str, Array] = {}
    for group in groups:
        buffer = b"".join(shards[path] for path in group["paths"])
        offset = 0
        for weight in group["weights"]:
            quantization = weight.get("quantization")
            stored = np.dtype((quantization or weight)["dtype"]).newbyteorder("<")
            count = int(np.prod(weight["shape"], dtype=np.int64))
            if offset + count * stored.itemsize > len(buffer):
                raise ValueError(f"the shards end within {weight['name']}")
            values: Array = np.frombuffer(buffer, stored, count, offset)
            offset += count * stored.itemsize
            if quantization and stored.kind == "u":
                values = (values.astype(np.float64) * quantization["scale"] + quantization["min"]).astype(np.float32)
            tensors[weight["name"]] = values.reshape(weight["shape"])
        if offset != len(buffer):
            raise ValueError(f"{len(buffer) - offset} bytes of the shards are described by no weight")
    return tensors


def convert(topology: Mapping[str, Any], weights: Mapping[str, Array], outputs: Mapping[str, str]) -> bytes:
    """An ONNX model of the Keras layers.

    `topology` is the `modelTopology` of a TF.js layers model with one image input [N, H, W, C], `weights` what
    `read_weights` gave, `outputs` maps the names of the ONNX outputs to the Keras layers that they show.
    Raises ValueError for a layer or an option that is not understood.
    """
    config = topology["model_config"]["config"]
    layers = [_Layer(item) for item in config["layers"]]
    writer = _Writer(layers, weights)
    for layer in layers:
        writer.write(layer)
    return writer.finish(outputs)


class _Layer:
    def __init__(self, item: Mapping[str, Any]) -> None:
        self.kind: str = item["class_name"]
        self.name: str = item["name"]
        self.config: Mapping[str, Any] = item["config"]
        self.inputs: list[str] = [node[0] for node in item["inbound_nodes"][0]] if item["inbound_nodes"] else []


class _Writer:
    def __init__(self, layers: Sequence[_Layer], weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._graph = Graph()
        self._values: dict[str, Value] = {}
        self._folded = _foldable(layers)
        self._writers: dict[str, Callable[[_Layer, list[Value]], Value]] = {
            "InputLayer": self._input,
            "ZeroPadding2D": self._padding,
            "Conv2D": self._convolution,
            "DepthwiseConv2D": self._convolution,
            "BatchNormalization": self._normalization,
            "ReLU": self._relu,
            "Add": self._add,
            "AveragePooling2D": self._average_pool,
            "GlobalAveragePooling2D": self._global_average_pool,
            "Flatten": self._flatten,
            "Dense": self._dense,
            "Dropout": lambda _, values: values[0],
        }

    def write(self, layer: _Layer) -> None:
        if layer.kind not in self._writers:
            raise ValueError(f"layer {layer.name}: {layer.kind} is not supported")
        values = [self._values[name] for name in layer.inputs]
        if layer.kind not in (*_CONVOLUTIONS, "ZeroPadding2D") and any(value.padded for value in values):
            raise ValueError(f"layer {layer.name}: padding before {layer.kind} is not supported")
        self._values[layer.name] = self._writers[layer.kind](layer, values)

    def finish(self, outputs: Mapping[str, str]) -> bytes:
        return self._graph.finish({name: self._values[layer] for name, layer in outputs.items()})

    def _tensor(self, layer: _Layer, name: str) -> Array:
        return self._weights[f"{layer.name}/{name}"].astype(np.float64)

    def _input(self, layer: _Layer, _: list[Value]) -> Value:
        height, width, channels = layer.config["batch_input_shape"][1:]
        return self._graph.channels_first(layer.name, self._graph.input("image", (height, width, channels)))

    def _padding(self, layer: _Layer, values: list[Value]) -> Value:
        (top, bottom), (left, right) = layer.config["padding"]
        added = (top, left, bottom, right)
        before = values[0].pads
        pads = (before[0] + top, before[1] + left, before[2] + bottom, before[3] + right)
        return Value(values[0].name, values[0].shape, pads if any(added) else before)

    def _convolution(self, layer: _Layer, values: list[Value]) -> Value:
        (value,) = values
        channels = value.shape[0]
        if layer.kind == "DepthwiseConv2D":
            kernel = self._tensor(layer, "depthwise_kernel")  # height, width, channels in, multiplier
            kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
            groups = channels
        else:
            kernel = self._tensor(layer, "kernel").transpose(3, 2, 0, 1)  # was: height, width, in, out
            groups = 1
        bias = self._tensor(layer, "bias") if layer.config["use_bias"] else np.zeros(len(kernel))
        if normalization := self._folded.get(layer.name):
            factor, shift = self._normalization_terms(normalization)
            kernel, bias = kernel * factor[:, None, None, None], bias * factor + shift
        result = self._graph.convolution(
            layer.name,
            value,
            kernel,
            bias,
            strides=layer.config["strides"],
            padding=layer.config["padding"],
            dilations=layer.config["dilation_rate"],
            groups=groups,
        )
        return self._activated(layer, result)

    def _normalization(self, layer: _Layer, values: list[Value]) -> Value:
        if self._folded.get(layer.inputs[0]) is layer:
            return values[0]
        factor, shift = self._normalization_terms(layer)
        shape = (-1, *[1] * (len(values[0].shape) - 1))
        constant = self._graph.constant(f"{layer.name}/factor", factor.reshape(shape))
        scaled = self._graph.node("Mul", f"{layer.name}/scaled", [values[0].name, constant])
        constant = self._graph.constant(f"{layer.name}/shift", shift.reshape(shape))
        return Value(self._graph.node("Add", layer.name, [scaled, constant]), values[0].shape)

    def _normalization_terms(self, layer: _Layer) -> tuple[Array, Array]:
        """Factor and shift of a layer of batch normalisation: y = x · factor + shift."""
        mean, variance = self._tensor(layer, "moving_mean"), self._tensor(layer, "moving_variance")
        factor = 1 / np.sqrt(variance + layer.config["epsilon"])
        if layer.config["scale"]:
            factor = factor * self._tensor(layer, "gamma")
        shift = -mean * factor
        return factor, shift + self._tensor(layer, "beta") if layer.config["center"] else shift

    def _relu(self, layer: _Layer, values: list[Value]) -> Value:
        if layer.config.get("negative_slope") or layer.config.get("threshold"):
            raise ValueError(f"layer {layer.name}: leaky and shifted ReLU are not supported")
        highest = layer.config.get("max_value")
        return self._graph.rectified(layer.name, values[0], highest)

    def _activated(self, layer: _Layer, value: Value) -> Value:
        match layer.config.get("activation", "linear"):
            case "linear":
                return value
            case "relu":
                return self._graph.rectified(f"{layer.name}/relu", value)
            case "softmax" if len(value.shape) == 1:
                return Value(self._graph.node("Softmax", f"{layer.name}/softmax", [value.name], axis=-1), value.shape)
            case other:
                raise ValueError(f"layer {layer.name}: activation {other} is not supported")

    def _add(self, layer: _Layer, values: list[Value]) -> Value:
        first, second = values
        return Value(self._graph.node("Add", layer.name, [first.name, second.name]), first.shape)

    def _average_pool(self, layer: _Layer, values: list[Value]) -> Value:
        (value,) = values
        return self._graph.pool(
            "Average",
            layer.name,
            value,
            reach=layer.config["pool_size"],
            strides=layer.config["strides"],
            padding=layer.config["padding"],
        )

    def _global_average_pool(self, layer: _Layer, values: list[Value]) -> Value:
        pooled = self._graph.node("GlobalAveragePool", f"{layer.name}/pooled", [values[0].name])
        return Value(self._graph.node("Flatten", layer.name, [pooled]), values[0].shape[:1])

    def _flatten(self, layer: _Layer, values: list[Value]) -> Value:
        (value,) = values
        if len(value.shape) == 3 and value.shape[1:] != (1, 1):  # Keras flattens with the channels last
            value = self._graph.channels_last(f"{layer.name}/channels_last", value)
        return Value(self._graph.node("Flatten", layer.name, [value.name]), (int(np.prod(value.shape)),))

    def _dense(self, layer: _Layer, values: list[Value]) -> Value:
        (value,) = values
        kernel = self._tensor(layer, "kernel")
        bias = self._tensor(layer, "bias") if layer.config["use_bias"] else np.zeros(kernel.shape[1])
        constants = {"kernel": kernel, "bias": bias}
        inputs = [self._graph.constant(f"{layer.name}/{key}", numbers) for key, numbers in constants.items()]
        name = self._graph.node("Gemm", layer.name, [value.name, *inputs])
        return self._activated(layer, Value(name, (kernel.shape[1],)))


def _foldable(layers: Sequence[_Layer]) -> dict[str, _Layer]:
    """Batch normalisations by the name of the convolution that they can be folded into."""
    kinds = {layer.name: layer for layer in layers}
    readers = [name for layer in layers for name in layer.inputs]
    return {
        before.name: layer
        for layer in layers
        if layer.kind == "BatchNormalization"
        and (before := kinds[layer.inputs[0]]).kind in _CONVOLUTIONS
        and before.config.get("activation", "linear") == "linear"
        and readers.count(before.name) == 1
    }
