"""An ONNX network with its convolutions in eight bits, which processors with VNNI or dot products do faster.

How far each tensor reaches was measured once (`python -m tests.quality.int8 ranges`) and is part of the project, so
that the same bytes come out on every machine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper
from pydantic import BaseModel, ConfigDict

from greenlight.weights.graph import Array, Graph, Value

RANGES = Path(__file__).with_name("ranges")


class Ranges(BaseModel):
    """`reach` is the least and the greatest value of each tensor; those in `plain` stay real numbers.

    Both go by the names of what is left after cutting off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plain: tuple[str, ...] = ()
    reach: dict[str, tuple[float, float]]


_MOST, _MOST_BIAS, _TINY = 127, 2**30, 1e-12
_LEVELS = 255
_CUTS = {"Relu", "Clip"}
"""What cuts values off, as levels that reach no further do by themselves."""
_MOVES = {"Concat", "MaxPool", "Pad", "Slice"}
"""What leaves levels as they are."""
_SOFTMAX_AXIS = 13
"""The opset since which Softmax looks along the last axis unless it is told."""


def measured(name: str) -> Ranges:
    """What was measured for the network of this name."""
    return Ranges.model_validate_json((RANGES / f"{name}.json").read_bytes())


@dataclass
class Node:
    """An operation that gives one tensor."""

    kind: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]


class Network(NamedTuple):
    """Operations in order, the tensors that are known before, and of these how some are made of smaller ones."""

    nodes: list[Node]
    constants: dict[str, Array]
    unpacked: dict[str, Node]

    def targets(self) -> dict[str, str]:
        """What is computed in levels → what it is after being cut off: results of convolutions, of leaky units and of
        sums.
        """
        found = {}
        for node in self.nodes:
            known = [name in self.constants for name in node.inputs]
            if node.kind in ("Conv", "LeakyRelu") or (node.kind == "Add" and not any(known)):
                after = [reader for reader in self.nodes if node.output in reader.inputs]
                cut = len(after) == 1 and after[0].kind in _CUTS
                found[node.output] = after[0].output if cut else node.output
        return found


def read(model: onnx.ModelProto) -> Network:
    """The network without what is known before it runs; what is added to a convolution becomes its bias."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes: list[Node] = []
    unpacked: dict[str, Node] = {}
    convolutions: dict[str, Node] = {}
    for proto in model.graph.node:
        (output,) = proto.output
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in proto.attribute}
        node = Node(proto.op_type, list(proto.input), output, attributes)
        values = [constants.get(name) for name in node.inputs]
        if node.kind == "Cast" and values[0] is not None:
            constants[output], unpacked[output] = values[0].astype(np.float32), node
        elif node.kind == "Mul" and values[0] is not None and values[1] is not None:
            constants[output], unpacked[output] = values[0] * values[1], node
        elif node.kind == "Add" and node.inputs[0] in convolutions and values[1] is not None:
            # Only the sum is looked at further on.
            convolution = convolutions[node.inputs[0]]
            constants[f"{output}/bias"] = values[1].ravel()
            convolution.inputs.append(f"{output}/bias")
            convolution.output = output
        else:
            if node.kind == "Softmax" and model.opset_import[0].version < _SOFTMAX_AXIS:
                node.attributes.setdefault("axis", 1)
            if node.kind == "Conv" and len(node.inputs) == 2:
                convolutions[output] = node
            nodes.append(node)
    return Network(nodes, constants, unpacked)


def convert(content: bytes, ranges: Ranges) -> bytes:
    """The network in levels. Raises KeyError or ValueError for what is not understood, or has no range."""
    model = onnx.load_model_from_string(content)
    writer = _Writer(read(model), ranges)
    for source in model.graph.input:
        kind = source.type.tensor_type
        writer.graph.input(source.name, _shape(source), helper.tensor_dtype_to_np_dtype(kind.elem_type))
    writer.write()
    return writer.graph.finish({out.name: Value(writer.plain(out.name), _shape(out)) for out in model.graph.output})


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value or -1 for axis in value.type.tensor_type.shape.dim)[1:]


class _Levels(NamedTuple):
    """A tensor in levels: its name, the names of their step and of the level of zero, and the step."""

    name: str
    scale: str
    zero: str
    step: float

    @property
    def inputs(self) -> tuple[str, str, str]:
        return self.name, self.scale, self.zero


class _Writer:
    def __init__(self, network: Network, ranges: Ranges) -> None:
        self.graph = Graph()
        self._nodes, self._constants, self._unpacked = network
        self._reach = ranges.reach
        self._targets = {name: target for name, target in network.targets().items() if target not in ranges.plain}
        self._levels: dict[str, _Levels] = {}
        self._stored: set[str] = set()
        self._plain: set[str] = {name for node in network.nodes for name in node.inputs} - {
            node.output for node in network.nodes
        }

    def write(self) -> None:
        for node in self._nodes:
            target = self._targets.get(node.output)
            if node.output in self._levels:  # cut off already
                continue
            if target and node.kind == "Conv":
                self._convolution(node, target)
            elif target and all(name in self._levels for name in node.inputs):
                inner = f"{node.output}/inner"
                self.graph.node(node.kind, inner, [self.plain(name) for name in node.inputs], **node.attributes)
                self._rounded(inner, target)
            elif node.kind in _MOVES and len({one.scale for one in self._parts(node)}) == 1:
                first, *others = self._parts(node)
                inputs = [first.name, *(one.name for one in others), *map(self._constant, self._known(node))]
                moved = self.graph.node(node.kind, f"{node.output}/levels", inputs, **node.attributes)
                self._levels[node.output] = first._replace(name=moved)
            else:
                self.graph.node(node.kind, node.output, [self.plain(name) for name in node.inputs], **node.attributes)
                self._plain.add(node.output)

    def _parts(self, node: Node) -> list[_Levels]:
        """What an operation moves, where all of it is in levels."""
        moved = [name for name in node.inputs if name not in self._constants]
        return [self._levels[name] for name in moved if all(name in self._levels for name in moved)]

    def _known(self, node: Node) -> list[str]:
        return [name for name in node.inputs if name in self._constants]

    def plain(self, name: str) -> str:
        """The name of a tensor of real numbers."""
        if name in self._constants:
            return self._constant(name)
        if name in self._plain:
            return name
        self._plain.add(name)
        return self.graph.node("DequantizeLinear", name, self._levels[name].inputs)

    def _constant(self, name: str) -> str:
        if name not in self._stored:
            self._stored.add(name)
            if node := self._unpacked.get(name):
                self.graph.node(node.kind, name, list(map(self._constant, node.inputs)), **node.attributes)
            else:
                self.graph.tensor(name, self._constants[name])
        return name

    def _convolution(self, node: Node, target: str) -> None:
        source = self._source(node.inputs[0])
        kernel = self._constants[node.inputs[1]].astype(np.float64)
        bias = self._constants[node.inputs[2]] if len(node.inputs) > 2 else np.zeros(len(kernel))
        # A channel that is next to nothing but for its bias needs steps that the bias can be counted in.
        least = np.maximum(np.abs(bias) / (source.step * _MOST_BIAS), _TINY)
        steps = np.maximum(np.abs(kernel).max(axis=(1, 2, 3)) / _MOST, least)
        levels = np.rint(kernel / steps.reshape(-1, 1, 1, 1)).astype(np.int8)
        result = self._scaled(target)
        inputs = [
            *source.inputs,
            self.graph.tensor(f"{target}/kernel", levels),
            self.graph.tensor(f"{target}/kernel/scale", steps.astype(np.float32)),
            self.graph.tensor(f"{target}/kernel/zero", np.array(0, np.int8)),
            result.scale,
            result.zero,
            self.graph.tensor(f"{target}/bias", np.rint(bias / (source.step * steps)).astype(np.int32)),
        ]
        self.graph.node("QLinearConv", result.name, inputs, **node.attributes)
        self._levels[target] = result

    def _source(self, name: str) -> _Levels:
        """A tensor in levels, rounded here where it is not yet."""
        if name not in self._levels:
            self._rounded(self.plain(name), name)
        return self._levels[name]

    def _rounded(self, real: str, target: str) -> None:
        result = self._scaled(target)
        self.graph.node("QuantizeLinear", result.name, [real, result.scale, result.zero])
        self._levels[target] = result

    def _scaled(self, target: str) -> _Levels:
        low, high = (float(end) for end in self._reach[target])
        low, high = min(low, 0.0), max(high, 1e-6)
        step = float(np.float32((high - low) / _LEVELS))
        return _Levels(
            f"{target}/levels",
            self.graph.tensor(f"{target}/scale", np.array(step, np.float32)),
            self.graph.tensor(f"{target}/zero", np.array(round(-low / step), np.uint8)),
            step,
        )
