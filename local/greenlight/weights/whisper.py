"""The speech recogniser Whisper, written as two ONNX graphs with weights of 7 bits.

Products with weights are taken in whole numbers, each column of the weights scaled by its own factor and what they are
multiplied with by one that is found while it runs. The rest is float32.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from greenlight.weights.graph import Array, Graph, Value

_HEAD = 64
"""Numbers per head of attention."""
_FRAMES = 3000
"""Thirty seconds of sound, a hundred frames a second; the encoder halves them."""
_LEVELS = 63
"""Weights are -63..63: two products still fit the 16 bits in which processors without VNNI add them up."""
_GELU = {"root": 2**0.5, "one": 1.0, "half": 0.5}


def encoder(tensors: Mapping[str, Array]) -> bytes:
    """An ONNX model of the half that listens.

    Input `mel` [N, 80, 3000]; outputs for each layer of the decoder `cross_key_<i>` [N, heads, 64, 1500] and
    `cross_value_<i>` [N, heads, 1500, 64]. Raises KeyError where a tensor is missing.
    """
    writer = _Writer(tensors)
    graph = writer.graph
    bands = tensors["encoder/conv1/weight"].shape[1]
    x = graph.input("mel", (bands, _FRAMES)).name
    for name, stride in (("encoder/conv1", 1), ("encoder/conv2", 2)):
        inputs = [x, writer.stored(f"{name}/weight"), writer.stored(f"{name}/bias")]
        x = writer.gelu(graph.node("Conv", name, inputs, pads=[1, 1], strides=[stride]))
    x = graph.node("Transpose", "encoder/frames", [x], perm=[0, 2, 1])
    x = writer.add(x, writer.stored("encoder/position_encodings/encodings"))
    for layer in writer.layers("encoder"):
        normal = writer.normal(f"{layer}/self_attention/layer_norm", x)
        query, key, value = writer.heads(f"{layer}/self_attention/linear_0", normal, "qkv")
        seen, _ = writer.attention(f"{layer}/self_attention", query, writer.turned(key), value)
        x = writer.add(x, writer.dense(f"{layer}/self_attention/linear_1", seen))
        x = writer.feed_forward(layer, x)
    x = writer.normal("encoder/layer_norm", x)
    outputs = {}
    for index, layer in enumerate(writer.layers("decoder")):
        key, value = writer.heads(f"{layer}/attention/linear_1", x, "kv")
        outputs[f"cross_key_{index}"] = Value(writer.turned(key), (writer.count, _HEAD, _FRAMES // 2))
        outputs[f"cross_value_{index}"] = Value(value, (writer.count, _FRAMES // 2, _HEAD))
    return graph.finish(outputs)


def decoder(tensors: Mapping[str, Array], following: Iterable[Sequence[int]]) -> bytes:
    """An ONNX model of the half that writes, one token at a time.

    Inputs `token` [N], its `position` [N], the encoder's outputs, and `key_<i>`, `value_<i>` [N, heads, past, 64]: what
    the tokens before left. Outputs `logits` [N, vocabulary], `next_key_<i>`, `next_value_<i>`, and `heard` [N, 1500]:
    how much the next token owes to each fiftieth of a second, the mean over the heads (layer, head) that are
    `following` the sound. Raises KeyError where a tensor is missing.
    """
    writer = _Writer(tensors)
    graph = writer.graph
    token, position = (graph.input(name, (), np.int64).name for name in ("token", "position"))
    table = writer.stored("decoder/position_encodings/encodings")
    place = graph.node("Gather", "place", [table, position], axis=0)
    x = graph.node("Unsqueeze", "written", [writer.add(writer.embedded(token), place), writer.axes(1)])
    past, outputs, followed = (writer.count, -1, _HEAD), {}, []
    for index, layer in enumerate(writer.layers("decoder")):
        normal = writer.normal(f"{layer}/self_attention/layer_norm", x)
        query, *present = writer.heads(f"{layer}/self_attention/linear_0", normal, "qkv")
        for kind, now in zip(("key", "value"), present, strict=True):
            before = graph.input(f"{kind}_{index}", past).name
            outputs[f"next_{kind}_{index}"] = Value(
                graph.node("Concat", f"next_{kind}_{index}", [before, now], axis=2), past
            )
        key, value = (outputs[f"next_{kind}_{index}"].name for kind in ("key", "value"))
        seen, _ = writer.attention(f"{layer}/self_attention", query, writer.turned(key), value)
        x = writer.add(x, writer.dense(f"{layer}/self_attention/linear_1", seen))

        (query,) = writer.heads(f"{layer}/attention/linear_0", writer.normal(f"{layer}/attention/layer_norm", x), "q")
        key = graph.input(f"cross_key_{index}", (writer.count, _HEAD, _FRAMES // 2)).name
        value = graph.input(f"cross_value_{index}", (writer.count, _FRAMES // 2, _HEAD)).name
        seen, weights = writer.attention(f"{layer}/attention", query, key, value)
        x = writer.add(x, writer.dense(f"{layer}/attention/linear_2", seen))
        x = writer.feed_forward(layer, x)
        heads = [head for number, head in following if number == index]
        if heads:
            chosen = graph.tensor(f"{layer}/following", np.array(heads))
            followed.append(graph.node("Gather", f"{layer}/followed", [weights, chosen], axis=1))
    last = graph.node("Squeeze", "last", [writer.normal("decoder/layer_norm", x), writer.axes(1)])
    outputs["logits"] = Value(writer.logits(last), (len(tensors["decoder/embeddings/weight"]),))
    together = graph.node("Concat", "followed", followed, axis=1)
    outputs["heard"] = Value(graph.node("ReduceMean", "heard", [together], axes=[1, 2], keepdims=0), (_FRAMES // 2,))
    return graph.finish(outputs)


def tokens(vocabulary: str, config: Mapping[str, Any]) -> bytes:
    """JSON of what the decoder's numbers stand for.

    `pieces` are the tokens in order, bytes written as GPT-2 writes them; `languages` maps ISO 639 codes to tokens;
    `suppressed` are never to be written, `suppressed_first` not at the beginning. Raises KeyError or ValueError for
    files of another form.
    """
    pieces = vocabulary.removesuffix("\n").split("\n")
    languages = {pieces[number].removeprefix("<|").removesuffix("|>"): number for number in config["lang_ids"]}
    if not all(code.isalpha() for code in languages):
        raise ValueError("the vocabulary does not name its languages")
    known = {"pieces": pieces, "languages": languages}
    known |= {"suppressed": config["suppress_ids"], "suppressed_first": config["suppress_ids_begin"]}
    return json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()


class _Writer:
    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self.graph = Graph()
        self.width = tensors["decoder/embeddings/weight"].shape[1]
        self.count = self.width // _HEAD
        self._tensors = tensors
        self._shared: dict[str, str] = {}
        self._levels: dict[str, Sequence[str]] = {}

    def layers(self, half: str) -> list[str]:
        """The names of the layers, the first one first."""
        count = sum(name.startswith(f"{half}/") and name.endswith("/ffn/linear_0/weight") for name in self._tensors)
        return [f"{half}/layer_{index}" for index in range(count)]

    def stored(self, name: str) -> str:
        """A tensor as it is."""
        return self.graph.constant(name, self._tensors[name])

    def axes(self, axis: int) -> str:
        return self._once(f"axes/{axis}", np.array([axis]))

    def add(self, first: str, second: str) -> str:
        return self.graph.node("Add", f"{second}/added", [first, second])

    def normal(self, name: str, x: str) -> str:
        """Each vector with mean 0 and variance 1, scaled and shifted."""
        inputs = [x, *(self.stored(f"{name}/{key}") for key in ("gamma", "beta"))]
        return self.graph.node("LayerNormalization", name, inputs, axis=-1, epsilon=1e-5)

    def gelu(self, x: str) -> str:
        """x · (1 + erf(x / √2)) / 2, in the steps that ONNX Runtime joins to one."""
        graph = self.graph
        root, one, half = (self._once(f"gelu/{key}", np.array(value, np.float32)) for key, value in _GELU.items())
        part = graph.node("Erf", f"{x}/erf", [graph.node("Div", f"{x}/scaled", [x, root])])
        part = graph.node("Mul", f"{x}/twice", [x, graph.node("Add", f"{x}/raised", [part, one])])
        return graph.node("Mul", f"{x}/gelu", [part, half])

    def dense(self, name: str, x: str) -> str:
        return self._product(name, x, self._tensors[f"{name}/weight"], self._tensors[f"{name}/bias"])

    def feed_forward(self, layer: str, x: str) -> str:
        inner = self.gelu(self.dense(f"{layer}/ffn/linear_0", self.normal(f"{layer}/ffn/layer_norm", x)))
        return self.add(x, self.dense(f"{layer}/ffn/linear_1", inner))

    def heads(self, name: str, x: str, parts: str) -> list[str]:
        """Each of the parts q, k and v that one dense layer gives, as [N, heads, length, 64].

        Queries come divided by the root of 64, as attention wants them.
        """
        weight, bias = (self._tensors[f"{name}/{key}"].astype(np.float32) for key in ("weight", "bias"))
        if parts.startswith("q"):
            weight, bias = weight.copy(), bias.copy()
            weight[: self.width] /= _HEAD**0.5
            bias[: self.width] /= _HEAD**0.5
        value = self._product(name, x, weight, bias)
        names = [f"{name}/{part}" for part in parts]
        if len(parts) > 1:
            self.graph.nodes("Split", names, [value], axis=-1)
        else:
            names = [value]
        shape = self._once("heads", np.array([0, -1, self.count, _HEAD]))
        split = [self.graph.node("Reshape", f"{part}/split", [part, shape]) for part in names]
        return [
            self.graph.node("Transpose", f"{part}/heads", [value], perm=[0, 2, 1, 3])
            for part, value in zip(names, split, strict=True)
        ]

    def turned(self, heads: str) -> str:
        """Keys as attention multiplies with them: [N, heads, 64, length]."""
        return self.graph.node("Transpose", f"{heads}/turned", [heads], perm=[0, 1, 3, 2])

    def attention(self, name: str, query: str, key: str, value: str) -> tuple[str, str]:
        """What the queries find [N, length, width], and how much they take of each place [N, heads, length, places]."""
        graph = self.graph
        products = graph.node("MatMul", f"{name}/products", [query, key])
        weights = graph.node("Softmax", f"{name}/weights", [products], axis=-1)
        found = graph.node("MatMul", f"{name}/found", [weights, value])
        found = graph.node("Transpose", f"{name}/rows", [found], perm=[0, 2, 1, 3])
        shape = self._once("joined", np.array([0, -1, self.width]))
        return graph.node("Reshape", f"{name}/joined", [found, shape]), weights

    def embedded(self, token: str) -> str:
        """The vectors of tokens: rows of the table by which `logits` multiplies."""
        graph, (numbers, scale) = self.graph, self._embeddings()
        row = graph.node("Gather", "embedding/numbers", [numbers, token], axis=1)
        row = graph.node("Transpose", "embedding/row", [row], perm=[1, 0])
        row = graph.node("Cast", "embedding/plain", [row], to=TensorProto.FLOAT)
        scale = graph.node("Gather", "embedding/factor", [scale, token], axis=0)
        scale = graph.node("Unsqueeze", "embedding/column", [scale, self.axes(1)])
        return graph.node("Mul", "embedding", [row, scale])

    def logits(self, x: str) -> str:
        return self._scaled("logits", x, *self._embeddings())

    def _embeddings(self) -> tuple[str, str]:
        name = "decoder/embeddings"
        if name not in self._shared:
            self._shared[name] = name
            self._weights(name, self._tensors[f"{name}/weight"])
        return f"{name}/numbers", f"{name}/scale"

    def _product(self, name: str, x: str, weight: Array, bias: Array) -> str:
        product = self._scaled(f"{name}/product", x, *self._weights(name, weight))
        return self.graph.node("Add", name, [product, self.graph.constant(f"{name}/bias", bias)])

    def _weights(self, name: str, weight: Array) -> tuple[str, str]:
        """Weights [out, in] as whole numbers [in, out] and a factor for each column."""
        plain = weight.astype(np.float32).T
        scale = np.abs(plain).max(axis=0) / _LEVELS
        numbers = np.rint(plain / scale).astype(np.int8)
        return self.graph.tensor(f"{name}/numbers", numbers), self.graph.tensor(f"{name}/scale", scale)

    def _scaled(self, name: str, x: str, numbers: str, scale: str) -> str:
        graph = self.graph
        if x not in self._levels:
            names = [f"{x}/{part}" for part in ("levels", "step", "zero")]
            self._levels[x] = graph.nodes("DynamicQuantizeLinear", names, [x])
        levels, step, zero = self._levels[x]
        whole = graph.node("MatMulInteger", f"{name}/whole", [levels, numbers, zero])
        whole = graph.node("Cast", f"{name}/plain", [whole], to=TensorProto.FLOAT)
        return graph.node("Mul", name, [whole, graph.node("Mul", f"{name}/factor", [step, scale])])

    def _once(self, name: str, values: Array) -> str:
        """A constant that several nodes share."""
        if name not in self._shared:
            self._shared[name] = self.graph.tensor(name, values)
        return self._shared[name]
