"""The converter against small TFLite files made here, and layers written out by hand in numpy."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from greenlight.weights.flatbuffer import Table
from greenlight.weights.manifest import Pixels
from greenlight.weights.tflite import convert
from tests.unit.test_weights_tfjs import convolve

Array = npt.NDArray[Any]
Fields = dict[int, Any]

ADD, AVERAGE, CONV, DEPTHWISE, DEQUANTIZE, DENSE, MAX = 0, 1, 3, 4, 6, 9, 17
RELU, RESHAPE, RESIZE, SOFTMAX, PAD, QUANTIZE = 19, 22, 23, 25, 34, 114
NUMBERS = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int8": 9}
SAME, VALID = ("b", 0), ("b", 1)


def flatbuffer(root: Fields, identifier: bytes = b"TFL3") -> bytes:
    """Tables are dicts by field, vectors are arrays, strings or lists of tables, numbers are (format, number)."""
    data = bytearray(4) + identifier

    def point(place: int, value: Any) -> None:
        struct.pack_into("<I", data, place, write(value) - place)

    def write(value: Any) -> int:
        if isinstance(value, str):
            value = np.frombuffer(value.encode(), np.uint8)
        if isinstance(value, np.ndarray):
            data.extend(struct.pack("<I", value.size) + value.tobytes())
            return len(data) - 4 - value.nbytes
        if isinstance(value, list):
            position = len(data)
            data.extend(struct.pack("<I", len(value)) + bytes(4 * len(value)))
            for index, item in enumerate(value):
                point(position + 4 + 4 * index, item)
            return position
        slots = range(max(value, default=-1) + 1)
        offsets = [4 + 4 * slot if slot in value else 0 for slot in slots]
        header = struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), 4 + 4 * len(slots), *offsets)
        data.extend(header)
        position = len(data)
        data.extend(struct.pack("<i", len(header)) + bytes(4 * len(slots)))
        for slot, item in value.items():
            if isinstance(item, tuple):
                struct.pack_into(f"<{item[0]}", data, position + offsets[slot], item[1])
            else:
                point(position + offsets[slot], item)
        return position

    point(0, root)
    return bytes(data)


class Model:
    """Collects tensors and operators of a TFLite file; the first tensor is its input."""

    def __init__(self) -> None:
        self._buffers: list[Fields] = [{}]
        self._tensors: list[Fields] = []
        self._codes: list[int] = []
        self._operators: list[Fields] = []

    def tensor(
        self, name: str, shape: tuple[int, ...], kind: str = "float32", *, values: Array | None = None, **quantized: Any
    ) -> int:
        fields: Fields = {0: np.array(shape, np.int32), 1: ("b", NUMBERS[kind]), 3: name}
        if values is not None:
            fields[2] = ("I", len(self._buffers))
            self._buffers.append({0: np.frombuffer(values.astype(kind).tobytes(), np.uint8)})
        if quantized:
            scale = np.atleast_1d(np.array(quantized["scale"], np.float32))
            zero = np.full(scale.size, quantized.get("zero", 0), np.int64)
            fields[4] = {2: scale, 3: zero, 6: ("i", quantized.get("axis", 0))}
        self._tensors.append(fields)
        return len(self._tensors) - 1

    def constant(self, name: str, values: Array, kind: str = "float32", **quantized: Any) -> int:
        return self.tensor(name, values.shape, kind, values=values, **quantized)

    def operator(self, code: int, inputs: list[int], output: int, options: Fields | None = None) -> int:
        self._codes.append(code)
        fields: Fields = {
            0: ("I", len(self._codes) - 1),
            1: np.array(inputs, np.int32),
            2: np.array([output], np.int32),
        }
        self._operators.append(fields | ({4: options} if options else {}))
        return output

    def file(self) -> bytes:
        graph = {0: self._tensors, 1: np.array([0], np.int32), 3: self._operators}
        codes = [{0: ("b", code), 3: ("i", code)} for code in self._codes]
        return flatbuffer({1: codes, 2: [graph], 4: self._buffers})


def run(content: bytes, picture: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": picture}), strict=True))


def stored(content: bytes) -> dict[str, Array]:
    return {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(content).graph.initializer
    }


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_small_float_model_gives_what_numpy_gives(rng: np.random.Generator) -> None:
    # GIVEN both convolutions with float16 kernels, pooling, padding of channels, scaling, a sum and a reshape
    kernel, deep = rng.normal(size=(4, 3, 3, 3)).astype(np.float16), rng.normal(size=(1, 3, 3, 4)).astype(np.float16)
    bias = rng.normal(size=4).astype(np.float32)
    model = Model()
    image = model.tensor("image", (1, 8, 8, 3))
    small = model.operator(DEQUANTIZE, [model.constant("k16", kernel, "float16")], model.tensor("k32", kernel.shape))
    options = {0: SAME, 1: ("i", 2), 2: ("i", 2), 3: ("b", 3)}
    first = model.operator(
        CONV, [image, small, model.constant("b", bias)], model.tensor("first", (1, 4, 4, 4)), options
    )
    small = model.operator(DEQUANTIZE, [model.constant("d16", deep, "float16")], model.tensor("d32", deep.shape))
    options = {0: SAME, 1: ("i", 1), 2: ("i", 1), 3: ("i", 1)}
    inputs = [first, small, model.constant("none", np.zeros(4))]
    second = model.operator(DEPTHWISE, inputs, model.tensor("second", (1, 4, 4, 4)), options)
    second = model.operator(RELU, [second], model.tensor("rectified", (1, 4, 4, 4)))
    options = {0: VALID, 1: ("i", 2), 2: ("i", 2), 3: ("i", 2), 4: ("i", 2)}
    pooled = model.operator(MAX, [second], model.tensor("pooled", (1, 2, 2, 4)), options)
    size = model.constant("size", np.array([4, 4]), "int32")
    large = model.operator(RESIZE, [pooled, size], model.tensor("large", (1, 4, 4, 4)), {3: ("b", 1)})
    both = model.operator(ADD, [large, first], model.tensor("both", (1, 4, 4, 4)))
    ends = model.constant("ends", np.array([[0, 0], [1, 0], [0, 0], [0, 2]]), "int32")
    wide = model.operator(PAD, [both, ends], model.tensor("wide", (1, 5, 4, 6)))
    model.operator(RESHAPE, [wide], model.tensor("flat", (1, 20, 6)))
    picture = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)

    # WHEN it is converted and run on two pictures
    content = convert(model.file(), {"flat": "flat"})
    got = run(content, picture)["flat"]

    # THEN the result is that of the layers computed one by one, and float16 is stored as such
    padded = np.pad(picture, ((0, 0), (0, 1), (0, 1), (0, 0)))
    one = np.clip(convolve(padded, kernel.transpose(1, 2, 3, 0).astype(np.float32), 2, depthwise=False) + bias, 0, 6)
    padded = np.pad(one, ((0, 0), (1, 1), (1, 1), (0, 0)))
    two = np.maximum(convolve(padded, deep[0][..., np.newaxis].astype(np.float32), 1, depthwise=True), 0)
    low = two.reshape(2, 2, 2, 2, 2, 4).max(axis=(2, 4))
    weights = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    high = np.einsum("yi,xj,nijc->nyxc", weights, weights, low)
    expected = np.pad(high + one, ((0, 0), (1, 0), (0, 0), (0, 2))).reshape(2, 20, 6)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    kinds = {name: values.dtype for name, values in stored(content).items() if "kernel" in name}
    assert set(kinds.values()) == {np.dtype(np.float16)}


def test_a_quantised_classifier_is_computed_in_real_numbers(rng: np.random.Generator) -> None:
    # GIVEN int8 weights with a scale for each channel, an int32 bias, and pixels that stand for -1..1
    kernel = rng.integers(-127, 128, (3, 1, 1, 3))
    scales = np.array([0.01, 0.02, 0.005], np.float32)
    bias, dense = rng.integers(-500, 500, 3), rng.integers(-127, 128, (5, 3))
    model = Model()
    image = model.tensor("image", (1, 4, 4, 3), "uint8", scale=0.0127, zero=130)
    inner = model.operator(QUANTIZE, [image], model.tensor("inner", (1, 4, 4, 3), "int8", scale=0.0127, zero=2))
    inputs = [
        inner,
        model.constant("k", kernel, "int8", scale=scales),
        model.constant("b", bias, "int32", scale=scales * np.float32(0.0127)),
    ]
    options = {1: ("i", 1), 2: ("i", 1), 3: ("b", 1)}
    conv = model.operator(CONV, inputs, model.tensor("conv", (1, 4, 4, 3), "int8", scale=0.02), options)
    options = {0: VALID, 1: ("i", 4), 2: ("i", 4), 3: ("i", 4), 4: ("i", 4)}
    pooled = model.operator(AVERAGE, [conv], model.tensor("pooled", (1, 1, 1, 3), "int8", scale=0.02), options)
    flat = model.operator(RESHAPE, [pooled], model.tensor("flat", (1, 3), "int8", scale=0.02))
    inputs = [flat, model.constant("d", dense, "int8", scale=0.03), model.constant("c", np.zeros(5), "int32", scale=1)]
    logits = model.operator(DENSE, inputs, model.tensor("logits", (1, 5), "int8", scale=0.1))
    model.operator(SOFTMAX, [logits], model.tensor("tags", (1, 5), "int8", scale=1 / 256, zero=-128))
    picture = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)

    # WHEN it is converted and run on levels of pixels
    content = convert(model.file(), {"tags": "tags", "embedding": "flat"}, Pixels(zero=127, scale=128))
    got = run(content, picture)

    # THEN nothing is rounded on the way, and the weights are stored as int8
    real = (picture.astype(np.float64) - 127) / 128
    convolved = np.einsum("nhwi,oi->nhwo", real, kernel[:, 0, 0] * scales[:, np.newaxis]) + bias * scales * 0.0127
    embedding = np.maximum(convolved, 0).mean(axis=(1, 2))
    raised = np.exp(embedding @ (dense * 0.03).T)
    np.testing.assert_allclose(got["embedding"], embedding, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got["tags"], raised / raised.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-5)
    kinds = {name: values.dtype for name, values in stored(content).items() if name.endswith("kernel/stored")}
    assert list(kinds.values()) == [np.dtype(np.int8)] * 2


def test_weights_with_a_zero_of_their_own_are_shifted(rng: np.random.Generator) -> None:
    levels = rng.integers(0, 256, (2, 1, 1, 1))
    model = Model()
    image = model.tensor("image", (1, 2, 2, 1))
    inputs = [image, model.constant("k", levels, "uint8", scale=0.5, zero=100), model.constant("b", np.zeros(2))]
    options = {0: VALID, 1: ("i", 1), 2: ("i", 1)}
    model.operator(CONV, inputs, model.tensor("conv", (1, 2, 2, 2)), options)
    got = run(convert(model.file(), {"out": "conv"}), np.ones((1, 2, 2, 1), np.float32))["out"]
    np.testing.assert_allclose(got[0, :, 0, 0], (levels.ravel() - 100.0) * 0.5)


@pytest.mark.parametrize(
    ("code", "shape", "options", "words"),
    [
        (99, (1, 4, 4, 2), {}, "out: operator 99 is not supported"),
        (ADD, (1, 4, 4, 2), {0: ("b", 4)}, "activation 4"),
        (RESIZE, (1, 8, 8, 2), {2: ("b", 1)}, "aligned corners"),
        (RESHAPE, (1, 2, 8, 2), {}, "reshaping to a picture"),
        (PAD, (1, 4, 4, 2), {}, "image is not constant"),
    ],
)
def test_what_is_not_understood_is_refused(code: int, shape: tuple[int, ...], options: Fields, words: str) -> None:
    model = Model()
    image = model.tensor("image", (1, 4, 4, 2))
    model.operator(code, [image, image], model.tensor("out", shape), options)
    with pytest.raises(ValueError, match=words):
        convert(model.file(), {"out": "out"})


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="not a TFL3 file"):
        convert(flatbuffer({}, b"XYZ1"), {})
    model = Model()
    model.tensor("image", (1, 4, 4, 2))
    with pytest.raises(ValueError, match="ends before|buffer"):
        convert(model.file()[:120], {})


def test_absent_fields_are_nothing() -> None:
    table = Table.root(flatbuffer({1: ("i", 5)}), b"TFL3")
    assert (table.number(0), table.number(1), table.number(9)) == (0, 5, 0)
    assert table.table(0).number(3) == 0
    assert table.tables(0) == []
    assert table.numbers(0, np.int32).size == 0
    assert table.text(0) == ""
