"""From a model file of CTranslate2 to the graphs of Whisper, with a network of two small layers."""

import json
import math
import struct
from typing import Any

import numpy as np
import onnxruntime
import pytest

from greenlight.weights import ctranslate, whisper

WIDTH, WORDS, LAYERS = 128, 20, 2
Tensors = dict[str, np.ndarray]


def small() -> Tensors:
    random = np.random.default_rng(1)
    tensors: Tensors = {}

    def put(name: str, *shape: int, scale: float = 0.1) -> None:
        tensors[name] = (random.standard_normal(shape) * scale).astype(np.float16)

    def dense(name: str, rows: int, columns: int = WIDTH) -> None:
        put(f"{name}/weight", rows, columns)
        put(f"{name}/bias", rows)

    def normal(name: str) -> None:
        tensors[f"{name}/gamma"], tensors[f"{name}/beta"] = np.ones(WIDTH, np.float16), np.zeros(WIDTH, np.float16)

    put("encoder/conv1/weight", WIDTH, 80, 3)
    put("encoder/conv2/weight", WIDTH, WIDTH, 3)
    put("encoder/conv1/bias", WIDTH)
    put("encoder/conv2/bias", WIDTH)
    put("encoder/position_encodings/encodings", 1500, WIDTH)
    put("decoder/position_encodings/encodings", 448, WIDTH)
    put("decoder/embeddings/weight", WORDS, WIDTH, scale=1)
    for half in ("encoder", "decoder"):
        normal(f"{half}/layer_norm")
        for layer in range(LAYERS):
            name = f"{half}/layer_{layer}"
            dense(f"{name}/self_attention/linear_0", 3 * WIDTH)
            dense(f"{name}/self_attention/linear_1", WIDTH)
            dense(f"{name}/ffn/linear_0", 4 * WIDTH)
            dense(f"{name}/ffn/linear_1", WIDTH, 4 * WIDTH)
            normal(f"{name}/self_attention/layer_norm")
            normal(f"{name}/ffn/layer_norm")
    for layer in range(LAYERS):
        name = f"decoder/layer_{layer}/attention"
        dense(f"{name}/linear_0", WIDTH)
        dense(f"{name}/linear_1", 2 * WIDTH)
        dense(f"{name}/linear_2", WIDTH)
        normal(f"{name}/layer_norm")
    return tensors


def packed(tensors: Tensors, specification: str = "WhisperSpec") -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", 6), text(specification), struct.pack("<II", 3, len(tensors))]
    for name, values in tensors.items():
        shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        kind = {"float16": 4, "int8": 1}[values.dtype.name]
        parts += [text(name), shape, struct.pack("<BI", kind, values.nbytes), values.tobytes()]
    return b"".join(parts)


def run(graph: bytes, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph)
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))


def attention(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Of queries [length, width] over keys and values [places, width], in heads of 64."""
    result = np.zeros_like(query)
    for head in range(0, WIDTH, 64):
        own = slice(head, head + 64)
        weights = np.exp(query[:, own] @ key[:, own].T / 8)
        result[:, own] = weights / weights.sum(axis=1, keepdims=True) @ value[:, own]
    return result


def test_tensors_are_read_as_they_are_stored() -> None:
    stored: Tensors = {"one": np.arange(6, dtype=np.float16).reshape(2, 3), "option": np.array(1, np.int8)}
    found = ctranslate.read_tensors(packed(stored), "WhisperSpec")
    assert found.keys() == stored.keys()
    assert all((found[name] == values).all() and found[name].dtype == values.dtype for name, values in stored.items())


def test_other_files_and_those_that_end_early_are_refused() -> None:
    content = packed({"one": np.ones(4, np.float16)})
    with pytest.raises(ValueError, match="ends before"):
        ctranslate.read_tensors(content[:-1], "WhisperSpec")
    with pytest.raises(ValueError, match="not WhisperSpec"):
        ctranslate.read_tensors(packed({}, "TransformerSpec"), "WhisperSpec")


def test_the_graphs_do_what_the_network_does() -> None:
    tensors = small()
    sound = np.random.default_rng(2).standard_normal((1, 80, 3000)).astype(np.float32)
    heard = run(whisper.encoder(tensors), {"mel": sound})
    assert heard["cross_key_1"].shape == (1, 2, 64, 1500)

    graph = whisper.decoder(tensors, [[1, 0], [0, 1]])
    none = {f"{kind}_{layer}": np.zeros((1, 2, 0, 64), np.float32) for kind in ("key", "value") for layer in (0, 1)}
    first = run(graph, {"token": np.array([3]), "position": np.array([0]), **heard, **none})
    past = {name.removeprefix("next_"): values for name, values in first.items() if name.startswith("next_")}
    second = run(graph, {"token": np.array([5]), "position": np.array([1]), **heard, **past})

    # THEN the second token's numbers are those of the float network over both tokens
    plain = {name: values.astype(np.float32) for name, values in tensors.items()}
    expected = written([3, 5], plain, heard)
    assert np.corrcoef(second["logits"][0], expected)[0, 1] > 0.999
    assert second["heard"].shape == (1, 1500)
    assert second["heard"].sum() == pytest.approx(1, abs=1e-3)
    assert past["key_0"].shape == (1, 2, 1, 64)


def written(tokens: list[int], plain: Tensors, heard: Tensors) -> np.ndarray:
    """The logits behind the last token, in floating point."""

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ plain[f"{name}/weight"].T + plain[f"{name}/bias"]

    def normal(x: np.ndarray) -> np.ndarray:
        return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)

    embeddings = plain["decoder/embeddings/weight"]
    x = embeddings[tokens] + plain["decoder/position_encodings/encodings"][: len(tokens)]
    for layer in range(LAYERS):
        name = f"decoder/layer_{layer}"
        query, key, value = np.split(dense(f"{name}/self_attention/linear_0", normal(x)), 3, axis=1)
        # The last row sees all rows; of the first one only its key and value matter, and it sees itself.
        rows = [attention(query[row : row + 1], key[: row + 1], value[: row + 1]) for row in range(len(tokens))]
        x = x + dense(f"{name}/self_attention/linear_1", np.concatenate(rows))
        key = heard[f"cross_key_{layer}"][0].transpose(2, 0, 1).reshape(1500, WIDTH)
        value = heard[f"cross_value_{layer}"][0].transpose(1, 0, 2).reshape(1500, WIDTH)
        found = attention(dense(f"{name}/attention/linear_0", normal(x)), key, value)
        x = x + dense(f"{name}/attention/linear_2", found)
        inner = dense(f"{name}/ffn/linear_0", normal(x))
        erf = np.vectorize(math.erf)
        x = x + dense(f"{name}/ffn/linear_1", inner * (1 + erf(inner / 2**0.5)) / 2)
    return normal(x)[-1] @ embeddings.T


def test_tokens_name_their_languages() -> None:
    config = {"lang_ids": [2], "suppress_ids": [0], "suppress_ids_begin": [1]}
    found = json.loads(whisper.tokens("a\nĠb\n<|en|>\n", config))
    assert found == {
        "pieces": ["a", "Ġb", "<|en|>"],
        "languages": {"en": 2},
        "suppressed": [0],
        "suppressed_first": [1],
    }
    with pytest.raises(ValueError, match="languages"):
        whisper.tokens("a\n!\n!\n", config)
