"""The ONNX graph that converters write: channels first, of any batch size, the same bytes on every machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
Pads = tuple[int, int, int, int]
Padding = Literal["same", "valid"]

_OPSET = 17
_IR_VERSION = 8
_NO_PADS = (0, 0, 0, 0)


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: name, shape without the batch axis (channels first), zeros still to be put around it.

    -1 in the shape is a length that is known when the graph runs.
    """

    name: str
    shape: tuple[int, ...]
    pads: Pads = _NO_PADS  # top, left, bottom, right

    @property
    def padded(self) -> bool:
        return self.pads != _NO_PADS


class Graph:
    """Collects nodes and constants; every operation returns what it gives."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: tuple[int, ...], kind: npt.DTypeLike = np.float32) -> Value:
        """An input of any number of tensors of this shape."""
        element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, element, _dimensions(shape)))
        return Value(name, shape)

    def channels_first(self, name: str, picture: Value) -> Value:
        """From height, width, channels to what all other operations take."""
        height, width, channels = picture.shape
        return Value(self.node("Transpose", name, [picture.name], perm=[0, 3, 1, 2]), (channels, height, width))

    def channels_last(self, name: str, value: Value) -> Value:
        """Back to height, width, channels."""
        channels, height, width = value.shape
        return Value(self.node("Transpose", name, [value.name], perm=[0, 2, 3, 1]), (height, width, channels))

    def node(self, operator: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        (result,) = self.nodes(operator, [name], inputs, **attributes)
        return result

    def nodes(self, operator: str, names: Sequence[str], inputs: Sequence[str], **attributes: Any) -> Sequence[str]:
        """An operation that gives several tensors."""
        self._nodes.append(helper.make_node(operator, inputs, names, name=names[0], **attributes))
        return names

    def constant(self, name: str, values: Array, scale: Array | None = None) -> str:
        """Numbers as float32, each times `scale`; what is stored as float16 or int8 stays that small in the file.

        A session unpacks them once, while it loads.
        """
        if values.dtype not in (np.float16, np.int8):
            return self.tensor(name, np.asarray(values if scale is None else values * scale, np.float32))
        stored = self.tensor(f"{name}/stored", values)
        if scale is None:
            return self.node("Cast", name, [stored], to=TensorProto.FLOAT)
        plain = self.node("Cast", f"{name}/plain", [stored], to=TensorProto.FLOAT)
        return self.node("Mul", name, [plain, self.constant(f"{name}/scale", scale)])

    def tensor(self, name: str, values: Array) -> str:
        """Numbers of the type that they have."""
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def convolution(
        self,
        name: str,
        value: Value,
        kernel: Array,
        bias: Array | None = None,
        *,
        scale: Array | None = None,
        strides: Sequence[int],
        padding: Padding,
        dilations: Sequence[int] = (1, 1),
        groups: int = 1,
    ) -> Value:
        """`kernel` is out, in / groups, height, width; what the value is to be padded with is done here too."""
        count, _, *reach = kernel.shape
        pads, size = window(value, reach, strides, dilations, padding)
        inputs = [value.name, self.constant(f"{name}/kernel", kernel, scale)]
        if bias is not None:
            inputs.append(self.constant(f"{name}/bias", bias))
        attributes = {"kernel_shape": reach, "strides": strides, "dilations": dilations, "group": groups, "pads": pads}
        return Value(self.node("Conv", name, inputs, **attributes), (count, *size))

    def pool(
        self,
        kind: Literal["Average", "Max"],
        name: str,
        value: Value,
        *,
        reach: Sequence[int],
        strides: Sequence[int],
        padding: Padding,
    ) -> Value:
        """The mean or the largest of each window; windows over an edge see only what is inside."""
        pads, size = window(value, reach, strides, (1, 1), padding)
        pooled = self.node(f"{kind}Pool", name, [value.name], kernel_shape=reach, strides=strides, pads=pads)
        return Value(pooled, (value.shape[0], *size))

    def rectified(self, name: str, value: Value, highest: float | None = None) -> Value:
        """Nothing below zero, nor above `highest`."""
        if highest is None:
            return Value(self.node("Relu", name, [value.name]), value.shape)
        limits = [self.constant(f"{name}/low", np.array(0.0)), self.constant(f"{name}/high", np.array(highest))]
        return Value(self.node("Clip", name, [value.name, *limits]), value.shape)

    def resized(self, name: str, value: Value, size: Sequence[int], *, half_pixel: bool) -> Value:
        """Scaled bilinearly to (height, width)."""
        scales = [1, 1, *(new / old for new, old in zip(size, value.shape[1:], strict=True))]
        result = self.node(
            "Resize",
            name,
            [value.name, "", self.constant(f"{name}/scales", np.array(scales))],
            mode="linear",
            coordinate_transformation_mode="half_pixel" if half_pixel else "asymmetric",
        )
        return Value(result, (value.shape[0], *map(int, size)))

    def finish(self, outputs: Mapping[str, Value]) -> bytes:
        """The file, with these outputs by name; raises onnx's ValidationError when the graph is not sound."""
        infos = []
        for name, value in outputs.items():
            if value.name != name:
                self.node("Identity", name, [value.name])
            infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, _dimensions(value.shape)))
        graph = helper.make_graph(self._nodes, "greenlight", self._inputs, infos, self._constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, producer_name="greenlight", opset_imports=[opset], ir_version=_IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def window(
    value: Value, reach: Sequence[int], strides: Sequence[int], dilations: Sequence[int], padding: Padding
) -> tuple[list[int], tuple[int, int]]:
    """Padding (top, left, bottom, right) and output size (height, width) of TensorFlow's sliding window."""
    starts, ends, sizes = [], [], []
    for axis in (0, 1):
        length = value.shape[axis + 1] + value.pads[axis] + value.pads[axis + 2]
        seen = (reach[axis] - 1) * dilations[axis] + 1
        if padding == "same":
            size = -(-length // strides[axis])
            missing = max((size - 1) * strides[axis] + seen - length, 0)
        else:
            size, missing = (length - seen) // strides[axis] + 1, 0
        starts.append(value.pads[axis] + missing // 2)
        ends.append(value.pads[axis + 2] + missing - missing // 2)
        sizes.append(size)
    return [*starts, *ends], (sizes[0], sizes[1])


def _dimensions(shape: tuple[int, ...]) -> list[str | int | None]:
    return ["batch", *(None if length < 0 else length for length in shape)]
