"""Graph models of TF.js, written as ONNX.

TensorFlow convolves with the channels last and ONNX Runtime with the channels first. Here every tensor lies with the
channels first, transpositions only change how its axes are counted, and zeros are put around it by what reads them.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from greenlight.weights.graph import Array, Graph, Padding, Value

_Node = Mapping[str, Any]

_FIRST, _LAST = (0, 1, 2, 3), (0, 2, 3, 1)
_NEVER_LARGEST = -1e30


def convert(topology: Mapping[str, Any], weights: Mapping[str, Array], outputs: Mapping[str, str]) -> bytes:
    """An ONNX model of as much of the graph as the outputs need.

    `topology` is the `modelTopology` of a TF.js graph model whose one input is a picture [N, C, H, W], here `image`.
    `weights` is what `tfjs.read_weights` gave, `outputs` maps the names of the ONNX outputs to nodes; they too have the
    channels first. Raises ValueError or KeyError for what is not understood.
    """
    needed = set(outputs.values())
    for node in reversed(topology["node"]):
        if node["name"] in needed:
            needed.update(_inputs(node))
    writer = _Writer(weights)
    for node in topology["node"]:
        if node["name"] in needed and node["op"] != "Const":
            writer.write(node)
    return writer.finish(outputs)


@dataclass(frozen=True)
class _View:
    """A tensor whose axis `i` is axis `axes[i]` of (N, C, H, W); `outside` is what it is padded with."""

    value: Value
    axes: tuple[int, ...]
    outside: float = 0.0


class _Writer:
    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._graph = Graph()
        self._views: dict[str, _View] = {}
        self._writers: dict[str, Callable[[_Node, list[str]], _View]] = {
            "Placeholder": self._placeholder,
            "Transpose": self._transpose,
            "Pad": self._pad,
            "PadV2": self._pad,
            "Conv2D": self._convolution,
            "Add": self._add,
            "AddV2": self._add,
            "LeakyRelu": self._leaky,
            "MaxPool": self._max_pool,
            "ConcatV2": self._concatenate,
            "ResizeBilinear": self._resize,
        }

    def write(self, node: _Node) -> None:
        if node["op"] not in self._writers:
            raise ValueError(f"node {node['name']}: {node['op']} is not supported")
        self._views[node["name"]] = self._writers[node["op"]](node, _inputs(node))

    def finish(self, outputs: Mapping[str, str]) -> bytes:
        return self._graph.finish({name: self._views[node].value for name, node in outputs.items()})

    def _view(self, node: _Node, source: str, axes: Sequence[int] | None = None) -> _View:
        """An input without padding to be done, its axes as given."""
        view = self._views[source]
        if view.value.padded or (axes is not None and view.axes != axes):
            raise ValueError(f"node {node['name']}: {source} is padded, or lies another way")
        return view

    def _placeholder(self, node: _Node, _: list[str]) -> _View:
        shape = [int(side["size"]) for side in node["attr"]["shape"]["shape"]["dim"]]
        return _View(self._graph.input("image", tuple(shape[1:])), _FIRST)

    def _transpose(self, _: _Node, inputs: list[str]) -> _View:
        view, order = self._views[inputs[0]], self._weights[inputs[1]]
        return replace(view, axes=tuple(view.axes[axis] for axis in order))

    def _pad(self, node: _Node, inputs: list[str]) -> _View:
        view = self._view(node, inputs[0])
        ends = self._weights[inputs[1]][np.argsort(view.axes)]
        if ends[:2].any():
            raise ValueError(f"node {node['name']}: only height and width can be padded")
        (top, bottom), (left, right) = ends[2:].tolist()
        outside = float(self._weights[inputs[2]]) if len(inputs) > 2 else 0.0
        return replace(view, value=replace(view.value, pads=(top, left, bottom, right)), outside=outside)

    def _convolution(self, node: _Node, inputs: list[str]) -> _View:
        view = self._windowed(node, inputs[0], outside=0.0)
        value = self._graph.convolution(
            node["name"],
            view.value,
            self._weights[inputs[1]].transpose(3, 2, 0, 1),  # was: height, width, in, out
            strides=_sides(node, "strides"),
            padding=_padding(node),
            dilations=_sides(node, "dilations"),
        )
        return _View(value, _LAST)

    def _max_pool(self, node: _Node, inputs: list[str]) -> _View:
        view = self._windowed(node, inputs[0], outside=_NEVER_LARGEST)
        value = self._graph.pool(
            "Max",
            node["name"],
            view.value,
            reach=_sides(node, "ksize"),
            strides=_sides(node, "strides"),
            padding=_padding(node),
        )
        return _View(value, _LAST)

    def _windowed(self, node: _Node, source: str, outside: float) -> _View:
        """An input with the channels last; it may be padded with nothing above `outside`."""
        view = self._views[source]
        if view.axes != _LAST or (view.value.padded and view.outside > outside):
            raise ValueError(f"node {node['name']}: {source} lies another way, or is padded with {view.outside}")
        return view

    def _add(self, node: _Node, inputs: list[str]) -> _View:
        view = self._view(node, inputs[0])
        if inputs[1] in self._weights:  # one number for each index of the last axis
            numbers = self._weights[inputs[1]]
            shape = [-1 if axis == view.axes[-1] else 1 for axis in range(1, 4)]
            other = self._graph.constant(f"{node['name']}/bias", numbers.reshape(shape))
        else:
            other = self._view(node, inputs[1], view.axes).value.name
        name = self._graph.node("Add", node["name"], [view.value.name, other])
        return replace(view, value=Value(name, view.value.shape))

    def _leaky(self, node: _Node, inputs: list[str]) -> _View:
        view = self._view(node, inputs[0])
        alpha = node["attr"]["alpha"]["f"]
        name = self._graph.node("LeakyRelu", node["name"], [view.value.name], alpha=alpha)
        return replace(view, value=Value(name, view.value.shape))

    def _concatenate(self, node: _Node, inputs: list[str]) -> _View:
        *sources, last = inputs
        first = self._view(node, sources[0])
        values = [self._view(node, source, first.axes).value for source in sources]
        axis = first.axes[int(self._weights[last])]
        shape = list(first.value.shape)
        shape[axis - 1] = sum(value.shape[axis - 1] for value in values)
        name = self._graph.node("Concat", node["name"], [value.name for value in values], axis=axis)
        return replace(first, value=Value(name, tuple(shape)))

    def _resize(self, node: _Node, inputs: list[str]) -> _View:
        view = self._view(node, inputs[0], _LAST)
        if node["attr"].get("align_corners", {}).get("b"):
            raise ValueError(f"node {node['name']}: aligned corners are not supported")
        half_pixel = bool(node["attr"].get("half_pixel_centers", {}).get("b"))
        size = self._weights[inputs[1]].tolist()
        return replace(view, value=self._graph.resized(node["name"], view.value, size, half_pixel=half_pixel))


def _inputs(node: _Node) -> list[str]:
    """The nodes that it reads, without their control dependencies."""
    return [name.removesuffix(":0") for name in node.get("input", []) if not name.startswith("^")]


def _sides(node: _Node, attribute: str) -> tuple[int, int]:
    """What a list of four numbers has for height and width."""
    _, height, width, _ = map(int, node["attr"][attribute]["list"]["i"])
    return height, width


def _padding(node: _Node) -> Padding:
    text = base64.b64decode(node["attr"]["padding"]["s"]).decode()
    if text not in ("SAME", "VALID"):
        raise ValueError(f"node {node['name']}: padding {text} is not supported")
    return "same" if text == "SAME" else "valid"
