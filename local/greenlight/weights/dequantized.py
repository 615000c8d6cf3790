"""A network stored for an accelerator, float weights between pairs of rounding nodes, written as plain ONNX.

The rounding fits the accelerator and costs accuracy: without it ONNX Runtime is as fast, and right.
"""

import io
import zipfile
from pathlib import PurePosixPath

import numpy as np
import onnx
from onnx import helper, numpy_helper

from greenlight.weights.graph import Array, Graph, Value

_ROUNDING = {"QuantizeLinear", "DequantizeLinear"}


def convert(archive: bytes) -> bytes:
    """An ONNX model of a zip with `model.onnx` and the data beside it, for any batch size, its weights in float16.

    The model has one input, and one output of logits; the result gives their sigmoid as `scores`. Raises KeyError or
    ValueError for what is not understood.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        (path,) = (name for name in stored.namelist() if name.endswith("/model.onnx"))
        network = onnx.load_model_from_string(stored.read(path)).graph
        data = stored.read(str(PurePosixPath(path).with_name("model.data")))
    constants = {tensor.name: _values(tensor, data) for tensor in network.initializer}
    (source,) = network.input
    (result,) = network.output
    same: dict[str, str] = {}  # what only rounding made → what it was before

    def plain(name: str) -> str:
        while name in same:
            name = same[name]
        return name

    graph = Graph()
    graph.input(source.name, tuple(axis.dim_value for axis in source.type.tensor_type.shape.dim)[1:])
    written: set[str] = set()
    for node in network.node:
        if node.op_type in _ROUNDING:
            same[node.output[0]] = node.input[0]
            continue
        inputs = [plain(name) for name in node.input]
        for name in (name for name in inputs if name in constants and name not in written):
            values = constants[name]
            if node.op_type == "Reshape":
                values = values.copy()
                values[0] = 0  # as many as come in, not one
                graph.tensor(name, values)
            else:
                graph.constant(name, values.astype("float16") if values.ndim > 1 else values)
            written.add(name)
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        graph.node(node.op_type, node.output[0], inputs, **attributes)
    scores = graph.node("Sigmoid", "scores", [plain(result.name)])
    return graph.finish({"scores": Value(scores, (result.type.tensor_type.shape.dim[1].dim_value,))})


def _values(tensor: onnx.TensorProto, data: bytes) -> Array:
    """The numbers of a tensor, which the file has within or at a place in the data beside it."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    if not place:
        return numpy_helper.to_array(tensor)
    start, length = int(place.get("offset", 0)), int(place["length"])
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return np.frombuffer(data[start : start + length], kind).reshape(tensor.dims)
