"""An ONNX network with fewer steps that computes the same: what ONNX Runtime does not see by itself.

Half of the time of a network of convolutions and GELU goes into steps over single numbers: five for each GELU, one for
each scale behind a convolution, one for each normalisation before it.
"""

from math import fsum

import numpy as np
import onnx
from onnx import helper, numpy_helper

from greenlight.weights.graph import Array

_GELU_SINCE = 20
_MARGIN = 1e-6


def convert(content: bytes) -> bytes:
    """The network of a file. Raises ValueError or KeyError where it is not built of such steps."""
    model = onnx.load_model_from_string(content)
    network = _Network(model.graph)
    for node in list(model.graph.node):
        match node.op_type:
            case "Erf":
                network.gelu(node)
            case "Mul":
                network.scale(node)
            case "BatchNormalization":
                network.normalisation(node)
            case "Expand":
                network.expansion(node)
    network.store()
    for opset in model.opset_import:
        opset.version = max(opset.version, _GELU_SINCE)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


class _Network:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._changed: dict[str, Array] = {}

    def gelu(self, erf: onnx.NodeProto) -> None:
        """x * (0.5 * (1 + erf(x / sqrt(2)))) in one step."""
        divided, one = self._maker(erf.input[0]), self._reader(erf.output[0])
        half = self._reader(one.output[0])
        last = self._reader(half.output[0])
        value = divided.input[0]
        numbers = [self._number(node) for node in (divided, one, half)]
        kinds = [node.op_type for node in (divided, one, half, last)]
        if kinds != ["Div", "Add", "Mul", "Mul"] or value not in last.input:
            raise ValueError(f"{erf.name} is not part of a GELU")
        if not np.allclose(numbers, (2**0.5, 1.0, 0.5), atol=_MARGIN):
            raise ValueError(f"{erf.name} is part of another GELU: {numbers}")
        last.CopyFrom(helper.make_node("Gelu", [value], last.output, name=last.name))
        self._drop(divided, erf, one, half)

    def scale(self, node: onnx.NodeProto) -> None:
        """A factor for each channel behind a convolution becomes part of its kernel."""
        if node.input[1] not in self._constants or self._constants[node.input[1]].ndim < 3:
            return
        convolution, factor = self._maker(node.input[0]), self._constants[node.input[1]].ravel()
        if convolution.op_type != "Conv" or len(self._readers(node.input[0])) != 1:
            return
        kernel, bias = convolution.input[1:]
        self._set(kernel, self._constants[kernel] * factor.reshape(-1, 1, 1, 1))
        self._set(bias, self._constants[bias] * factor)
        convolution.output[0] = node.output[0]
        self._drop(node)

    def normalisation(self, node: onnx.NodeProto) -> None:
        """A normalisation before a convolution of single pixels becomes part of its kernel and its bias."""
        (convolution, *others), value = self._readers(node.output[0]), node.input[0]
        if others or convolution.op_type != "Conv" or self._constants[convolution.input[1]].shape[2:] != (1, 1):
            return
        factor, shift, mean, variance = (self._constants[name].astype(np.float64) for name in node.input[1:])
        (epsilon,) = (entry.f for entry in node.attribute if entry.name == "epsilon")
        factor = factor / np.sqrt(variance + epsilon)
        kernel, bias = convolution.input[1:]
        weights = self._constants[kernel].astype(np.float64)
        # Summed exactly: the order of sums, and so their last bits, are a processor's own.
        shifts = [fsum(row) for row in weights[:, :, 0, 0] * (shift - mean * factor)]
        self._set(bias, self._constants[bias] + np.array(shifts))
        self._set(kernel, weights * factor.reshape(1, -1, 1, 1))
        convolution.input[0] = value
        self._drop(node)

    def expansion(self, node: onnx.NodeProto) -> None:
        """What is written out before a division that would do with a single number."""
        reader = self._reader(node.output[0])
        if reader.op_type == "Div" and reader.input[1] == node.output[0]:
            reader.input[1] = node.input[0]
            self._drop(node)

    def store(self) -> None:
        """Put what was changed into the graph, and leave out what nothing reads any more."""
        while unread := [node for node in self._graph.node if not self._read() & set(node.output)]:
            self._drop(*unread)
        read = self._read()
        tensors = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.initializer[:]
        for tensor in tensors:
            changed = self._changed.get(tensor.name)
            stored = tensor if changed is None else numpy_helper.from_array(changed.astype(np.float32), tensor.name)
            self._graph.initializer.append(stored)

    def _read(self) -> set[str]:
        return {name for node in self._graph.node for name in node.input} | {one.name for one in self._graph.output}

    def _set(self, name: str, values: Array) -> None:
        if len(self._readers(name)) != 1:
            raise ValueError(f"{name} is used twice")
        self._constants[name] = self._changed[name] = values

    def _number(self, node: onnx.NodeProto) -> float:
        (value,) = (self._constants[name].item() for name in node.input if name in self._constants)
        return float(value)

    def _maker(self, name: str) -> onnx.NodeProto:
        node: onnx.NodeProto = next(node for node in self._graph.node if name in node.output)
        return node

    def _reader(self, name: str) -> onnx.NodeProto:
        (node,) = self._readers(name)
        return node

    def _readers(self, name: str) -> list[onnx.NodeProto]:
        return [node for node in self._graph.node if name in node.input]

    def _drop(self, *nodes: onnx.NodeProto) -> None:
        for node in nodes:
            self._graph.node.remove(node)
