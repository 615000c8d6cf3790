"""TFLite models, written as ONNX.

What is quantised is computed in float32, without the rounding between layers: ONNX Runtime is as fast at that. The
weights stay as small as they are in the file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from greenlight.weights.flatbuffer import Table
from greenlight.weights.graph import Array, Graph, Padding, Value
from greenlight.weights.manifest import Pixels

_OPERATORS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    17: "MAX_POOL_2D",
    19: "RELU",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    25: "SOFTMAX",
    34: "PAD",
    114: "QUANTIZE",
}
_KINDS = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 9: np.int8}
_ACTIVATIONS = {0: None, 1: None, 3: 6.0}
"""No activation, ReLU and ReLU6, with their highest value."""
_PADDINGS: tuple[Padding, ...] = ("same", "valid")


def convert(content: bytes, outputs: Mapping[str, str], pixels: Pixels | None = None) -> bytes:
    """An ONNX model of a TFLite file with one image input, for any batch size.

    Its input `image` [N, H, W, C] is float32, as the model was trained; uint8 levels where `pixels` says what they
    stand for. How a quantised file stores its input has no part in it: that is fitted to samples and not to pixels.
    `outputs` maps the names of the ONNX outputs to tensors of the file. Raises ValueError or KeyError for what is not
    understood.
    """
    model = Table.root(content, b"TFL3")
    kinds = [max(code.number(0, "b"), code.number(3)) for code in model.tables(1)]
    (subgraph,) = model.tables(2)
    buffers = model.tables(4)
    tensors = [_Tensor.read(table, buffers) for table in subgraph.tables(0)]
    (picture,) = subgraph.numbers(1, np.int32)
    writer = _Writer(tensors[picture], pixels)
    for table in subgraph.tables(3):
        kind = kinds[table.number(0, "I")]
        inputs = [tensors[index] for index in table.numbers(1, np.int32)]
        (output,) = (tensors[index] for index in table.numbers(2, np.int32))
        writer.write(_Operator(_OPERATORS.get(kind, f"operator {kind}"), inputs, output, table.table(4)))
    return writer.finish(outputs)


@dataclass(frozen=True)
class _Tensor:
    """`values` is empty for what is computed; the real numbers are (values - zero) · scale."""

    name: str
    shape: tuple[int, ...]
    values: Array
    scale: Array
    zero: Array

    @classmethod
    def read(cls, table: Table, buffers: Sequence[Table]) -> "_Tensor":
        shape = tuple(map(int, table.numbers(0, np.int32)))
        kind = np.dtype(_KINDS[table.number(1, "b")]).newbyteorder("<")
        values = buffers[table.number(2, "I")].numbers(0, np.uint8).view(kind)
        quantization = table.table(4)
        # One scale for all, or one for each index of an axis.
        wide = [-1 if axis == quantization.number(6) else 1 for axis in range(len(shape))]
        scale, zero = (
            numbers if numbers.size < 2 else numbers.reshape(wide)
            for numbers in (quantization.numbers(2, np.float32), quantization.numbers(3, np.int64))
        )
        return cls(table.text(3), shape, values.reshape(shape) if values.size else values, scale, zero)

    def transposed(self, *axes: int) -> "_Tensor":
        scale, zero = (
            numbers.transpose(axes) if numbers.ndim == len(axes) else numbers for numbers in (self.scale, self.zero)
        )
        return replace(self, values=self.values.transpose(axes), scale=scale, zero=zero)


@dataclass(frozen=True)
class _Operator:
    kind: str
    inputs: list[_Tensor]
    output: _Tensor
    options: Table


class _Writer:
    def __init__(self, picture: _Tensor, pixels: Pixels | None) -> None:
        self._graph = Graph()
        self._stored: dict[str, _Tensor] = {}
        self._writers: dict[str, Callable[[_Operator], Value]] = {
            "ADD": self._add,
            "AVERAGE_POOL_2D": lambda operator: self._pool(operator, "Average"),
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._convolution,
            "FULLY_CONNECTED": self._dense,
            "MAX_POOL_2D": lambda operator: self._pool(operator, "Max"),
            "RELU": lambda operator: self._graph.rectified(operator.output.name, self._value(operator)),
            "RESHAPE": self._reshape,
            "RESIZE_BILINEAR": self._resize,
            "SOFTMAX": self._softmax,
            "PAD": self._pad,
            "QUANTIZE": self._value,
        }
        self._values = {picture.name: self._picture(picture, pixels)}

    def write(self, operator: _Operator) -> None:
        name = operator.output.name
        if operator.kind == "DEQUANTIZE":
            self._stored[name] = self._constant(operator, 0)
        elif operator.kind in self._writers:
            self._values[name] = self._writers[operator.kind](operator)
        else:
            raise ValueError(f"{name}: {operator.kind} is not supported")

    def finish(self, outputs: Mapping[str, str]) -> bytes:
        return self._graph.finish({name: self._values[tensor] for name, tensor in outputs.items()})

    def _value(self, operator: _Operator, index: int = 0) -> Value:
        return self._values[operator.inputs[index].name]

    def _constant(self, operator: _Operator, index: int) -> _Tensor:
        tensor = self._stored.get(operator.inputs[index].name, operator.inputs[index])
        if not tensor.values.size:
            raise ValueError(f"{operator.output.name}: {tensor.name} is not constant")
        return tensor

    def _picture(self, tensor: _Tensor, pixels: Pixels | None) -> Value:
        image = self._graph.input("image", tensor.shape[1:], np.uint8 if pixels else np.float32)
        value = self._graph.channels_first("image/first", image)
        if pixels is None:
            return value
        scale = self._graph.constant("image/scale", np.array(1 / pixels.scale))
        zero = self._graph.tensor("image/zero", np.array(pixels.zero, np.uint8))
        return Value(self._graph.node("DequantizeLinear", "image/real", [value.name, scale, zero]), value.shape)

    def _activated(self, operator: _Operator, value: Value, kind: int) -> Value:
        if kind not in _ACTIVATIONS:
            raise ValueError(f"{operator.output.name}: activation {kind} is not supported")
        if not kind:
            return value
        return self._graph.rectified(f"{operator.output.name}/activated", value, _ACTIVATIONS[kind])

    def _add(self, operator: _Operator) -> Value:
        first, second = self._value(operator), self._value(operator, 1)
        name = self._graph.node("Add", operator.output.name, [first.name, second.name])
        return self._activated(operator, Value(name, first.shape), operator.options.number(0, "b"))

    def _pool(self, operator: _Operator, kind: Literal["Average", "Max"]) -> Value:
        across, down, width, height = (operator.options.number(field) for field in (1, 2, 3, 4))
        value = self._graph.pool(
            kind,
            operator.output.name,
            self._value(operator),
            reach=(height, width),
            strides=(down, across),
            padding=_PADDINGS[operator.options.number(0, "b")],
        )
        return self._activated(operator, value, operator.options.number(5, "b"))

    def _convolution(self, operator: _Operator) -> Value:
        options, value, kernel = operator.options, self._value(operator), self._constant(operator, 1)
        if operator.kind == "CONV_2D":
            kernel, groups, activation = kernel.transposed(0, 3, 1, 2), 1, 3  # was: out, height, width, in
        else:
            kernel, groups, activation = kernel.transposed(3, 0, 1, 2), value.shape[0], 4  # was: 1, height, width, out
        numbers, scale = _numbers(kernel)
        bias, bias_scale = _numbers(self._constant(operator, 2))
        result = self._graph.convolution(
            operator.output.name,
            value,
            numbers,
            bias if bias_scale is None else bias * bias_scale,
            scale=scale,
            strides=(options.number(2), options.number(1)),
            padding=_PADDINGS[options.number(0, "b")],
            dilations=(options.number(activation + 2) or 1, options.number(activation + 1) or 1),
            groups=groups,
        )
        return self._activated(operator, result, options.number(activation, "b"))

    def _dense(self, operator: _Operator) -> Value:
        name, value, kernel = operator.output.name, self._value(operator), self._constant(operator, 1)
        constants = {"kernel": kernel, "bias": self._constant(operator, 2)}
        inputs = [self._graph.constant(f"{name}/{key}", *_numbers(tensor)) for key, tensor in constants.items()]
        result = Value(self._graph.node("Gemm", name, [value.name, *inputs], transB=1), kernel.shape[:1])
        return self._activated(operator, result, operator.options.number(0, "b"))

    def _reshape(self, operator: _Operator) -> Value:
        name, value, shape = operator.output.name, self._value(operator), operator.output.shape[1:]
        if len(shape) == 3:
            raise ValueError(f"{name}: reshaping to a picture is not supported")
        if len(value.shape) == 3:
            value = self._graph.channels_last(f"{name}/last", value)
        wanted = self._graph.tensor(f"{name}/shape", np.array([0, *shape]))  # 0: as many as there are
        return Value(self._graph.node("Reshape", name, [value.name, wanted]), shape)

    def _resize(self, operator: _Operator) -> Value:
        if operator.options.number(2, "b"):
            raise ValueError(f"{operator.output.name}: aligned corners are not supported")
        size = operator.output.shape[1:3]
        half_pixel = bool(operator.options.number(3, "b"))
        return self._graph.resized(operator.output.name, self._value(operator), size, half_pixel=half_pixel)

    def _softmax(self, operator: _Operator) -> Value:
        value = self._value(operator)
        return Value(self._graph.node("Softmax", operator.output.name, [value.name], axis=-1), value.shape)

    def _pad(self, operator: _Operator) -> Value:
        name, value = operator.output.name, self._value(operator)
        ends = self._constant(operator, 1).values[[0, 3, 1, 2]].astype(np.int64)  # channels first
        pads = self._graph.tensor(f"{name}/pads", ends.T.ravel())
        shape = tuple(int(size + ends.sum()) for size, ends in zip(value.shape, ends[1:], strict=True))
        return Value(self._graph.node("Pad", name, [value.name, pads]), shape)


def _numbers(tensor: _Tensor) -> tuple[Array, Array | None]:
    """What is stored, and what each number is to be multiplied by."""
    if not tensor.scale.size:
        return tensor.values, None
    return (tensor.values - tensor.zero if tensor.zero.any() else tensor.values), tensor.scale
