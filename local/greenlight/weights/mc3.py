"""The video network MC3-18 (a ResNet of 18 layers that looks along time in its first ones), written as ONNX.

Pictures stand where other networks have their batch, and what looks along time gets each picture with its neighbours as
further channels: ONNX Runtime is faster at that than at convolutions over time, and can do it in eight bits.
"""

from collections.abc import Mapping

import numpy as np

from greenlight.weights.graph import Array, Graph, Value

_EPSILON = 1e-5
_SIDE = 112
_LAST = 2**31 - 1
"""An end that no number of pictures reaches."""


def convert(tensors: Mapping[str, Array]) -> bytes:
    """An ONNX model of the state dict of torchvision's `mc3_18`, its weights stored as float16.

    Input `clip` [16, 3, 112, 112], the pictures in order of time, RGB normalised as for Kinetics; output `probs`
    [1, classes]. Raises KeyError or ValueError where the tensors are not those of the network.
    """
    writer = _Writer(tensors)
    value = writer.graph.input("clip", (3, _SIDE, _SIDE))
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
        if kernel.shape[2] > 1:
            value = self._with_neighbours(name, value)
        reach = kernel.shape[3:]
        inputs = [
            value.name,
            self.graph.constant(f"{name}/kernel", np.concatenate(list(kernel.transpose(2, 0, 1, 3, 4)), axis=1)),
            self.graph.constant(f"{name}/bias", shift - mean * factor),
        ]
        pads = [length // 2 for length in reach]
        strides = [stride, stride]
        result = self.graph.node("Conv", name, inputs, kernel_shape=reach, strides=strides, pads=[*pads, *pads])
        return Value(result, (len(kernel), *(-(-length // stride) for length in value.shape[1:])))

    def _with_neighbours(self, name: str, value: Value) -> Value:
        """Each picture between the one before and the one after it; beyond the ends nothing is to be seen."""
        pads = self.graph.tensor(f"{name}/pads", np.array([1, 0, 0, 0, 1, 0, 0, 0]))
        padded = self.graph.node("Pad", f"{name}/padded", [value.name, pads])
        axis = self.graph.tensor(f"{name}/axis", np.array([0]))
        parts = []
        for part, (start, end) in enumerate(((0, -2), (1, -1), (2, _LAST))):
            ends = [self.graph.tensor(f"{name}/{part}/{at}", np.array([at])) for at in (start, end)]
            parts.append(self.graph.node("Slice", f"{name}/{part}", [padded, *ends, axis]))
        channels, *size = value.shape
        return Value(self.graph.node("Concat", f"{name}/beside", parts, axis=1), (len(parts) * channels, *size))

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
        mean = self.graph.node("ReduceMean", "mean", [pooled], axes=[0])
        flat = self.graph.node("Flatten", "flat", [mean])
        kernel, bias = self._tensors["fc.weight"], self._tensors["fc.bias"]
        inputs = [flat, self.graph.constant("fc/kernel", kernel), self.graph.constant("fc/bias", bias)]
        logits = self.graph.node("Gemm", "fc", inputs, transB=1)
        probabilities = self.graph.node("Softmax", "softmax", [logits], axis=-1)
        return self.graph.finish({"probs": Value(probabilities, (len(bias),))})
