"""The video network MC3-18 (a ResNet of 18 layers that looks along time in its first ones), written as ONNX."""

from collections.abc import Mapping

import numpy as np

from greenlight.weights.graph import Array, Graph, Value

_EPSILON = 1e-5
_FRAMES, _SIDE = 16, 112


def convert(tensors: Mapping[str, Array]) -> bytes:
    """An ONNX model of the state dict of torchvision's `mc3_18`, its weights stored as float16.

    Input `clip` [N, 3, 16, 112, 112], RGB normalised as for Kinetics; output `probs` [N, classes]. Raises KeyError or
    ValueError where the tensors are not those of the network.
    """
    writer = _Writer(tensors)
    value = writer.graph.input("clip", (3, _FRAMES, _SIDE, _SIDE))
    value = writer.convolution("stem.0", "stem.1", value, stride=2)
    value = writer.rectified(value)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            value = writer.block(f"layer{layer}.{block}", value, stride=2 if layer > 1 and block == 0 else 1)
    return writer.finish(value)


class _Writer:
    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self.graph = Graph()
        self._tensors = tensors

    def convolution(self, name: str, normalization: str, value: Value, stride: int) -> Value:
        """A convolution with the batch normalisation behind it folded in; strides are of height and width."""
        kernel = self._tensors[f"{name}.weight"].astype(np.float64)
        mean, variance, factor, shift = (
            self._tensors[f"{normalization}.{key}"].astype(np.float64)
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        factor = factor / np.sqrt(variance + _EPSILON)
        kernel = (kernel * factor[:, np.newaxis, np.newaxis, np.newaxis, np.newaxis]).astype(np.float16)
        reach = kernel.shape[2:]
        pads = [length // 2 for length in reach]
        strides = [1, stride, stride]
        inputs = [
            value.name,
            self.graph.constant(f"{name}/kernel", kernel),
            self.graph.constant(f"{name}/bias", shift - mean * factor),
        ]
        result = self.graph.node("Conv", name, inputs, kernel_shape=reach, strides=strides, pads=[*pads, *pads])
        sizes = (-(-length // step) for length, step in zip(value.shape[1:], strides, strict=True))
        return Value(result, (len(kernel), *sizes))

    def rectified(self, value: Value) -> Value:
        return self.graph.rectified(f"{value.name}/relu", value)

    def block(self, name: str, value: Value, stride: int) -> Value:
        """Two convolutions, added to what went in."""
        inner = self.rectified(self.convolution(f"{name}.conv1.0", f"{name}.conv1.1", value, stride))
        inner = self.convolution(f"{name}.conv2.0", f"{name}.conv2.1", inner, 1)
        if f"{name}.downsample.0.weight" in self._tensors:
            value = self.convolution(f"{name}.downsample.0", f"{name}.downsample.1", value, stride)
        return self.rectified(Value(self.graph.node("Add", name, [inner.name, value.name]), inner.shape))

    def finish(self, value: Value) -> bytes:
        pooled = self.graph.node("GlobalAveragePool", "pooled", [value.name])
        flat = self.graph.node("Flatten", "flat", [pooled])
        kernel, bias = self._tensors["fc.weight"], self._tensors["fc.bias"]
        inputs = [flat, self.graph.constant("fc/kernel", kernel), self.graph.constant("fc/bias", bias)]
        logits = self.graph.node("Gemm", "fc", inputs, transB=1)
        probabilities = self.graph.node("Softmax", "softmax", [logits], axis=-1)
        return self.graph.finish({"probs": Value(probabilities, (len(bias),))})
