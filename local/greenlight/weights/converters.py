"""From verified members of an archive to the bytes of the output file.

What needs onnx is imported late: it is needed to build weights, not to list or verify them.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal

from greenlight.weights.errors import WeightsError
from greenlight.weights.manifest import (
    Copy,
    Dequantized,
    Entry,
    Fused,
    Mc3Checkpoint,
    Pixels,
    TfjsGraph,
    TfjsLayers,
    Tflite,
    Whisper,
    Words,
)


def convert(entry: Entry, members: Mapping[str, bytes]) -> bytes:
    """The content of the entry's output file; raises WeightsError when the members are not what its converter reads."""
    content = convert_plain(entry, members)
    if not entry.int8:
        return content
    from greenlight.weights import int8

    try:
        return int8.convert(content, int8.measured(entry.name))
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(entry.name, f"could not be brought to eight bits: {error}") from error


def convert_plain(entry: Entry, members: Mapping[str, bytes]) -> bytes:
    """The same before it is brought to eight bits."""
    try:
        match entry.converter:
            case Copy():
                (content,) = members.values()
                return content
            case TfjsLayers(outputs=outputs):
                return _tfjs_layers(members, outputs)
            case TfjsGraph(outputs=outputs):
                return _tfjs_graph(members, outputs)
            case Tflite(outputs=outputs, pixels=pixels):
                return _tflite(members, outputs, pixels)
            case Mc3Checkpoint():
                return _mc3(members)
            case Dequantized():
                return _dequantized(members)
            case Fused():
                return _fused(members)
            case Whisper(part=part):
                return _whisper(members, part)
            case Words(form=form):
                return _words(members, form)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(entry.name, f"could not be converted: {error}") from error


def _tfjs_layers(members: Mapping[str, bytes], outputs: Mapping[str, str]) -> bytes:
    """Modules named after what they export: `model.min.js` the model, each other the base64 of one shard of weights."""
    from greenlight.weights import tfjs
    from greenlight.weights.javascript import exported_value

    modules = {
        PurePosixPath(path).name.removesuffix(".min.js"): exported_value(content.decode())
        for path, content in members.items()
    }
    model = modules.pop("model")
    shards = {name: base64.b64decode(text, validate=True) for name, text in modules.items()}
    return tfjs.convert(model["modelTopology"], tfjs.read_weights(model["weightsManifest"], shards), outputs)


def _tfjs_graph(members: Mapping[str, bytes], outputs: Mapping[str, str]) -> bytes:
    from greenlight.weights import tfgraph, tfjs

    files = {PurePosixPath(path).name: content for path, content in members.items()}
    (name,) = (name for name in files if name.endswith(".json"))
    model = json.loads(files.pop(name))
    return tfgraph.convert(model["modelTopology"], tfjs.read_weights(model["weightsManifest"], files), outputs)


def _tflite(members: Mapping[str, bytes], outputs: Mapping[str, str], pixels: Pixels | None) -> bytes:
    from greenlight.weights import tflite

    (content,) = members.values()
    return tflite.convert(content, outputs, pixels)


def _mc3(members: Mapping[str, bytes]) -> bytes:
    from greenlight.weights import checkpoint, mc3

    (content,) = members.values()
    return mc3.convert(checkpoint.read_tensors(content))


def _dequantized(members: Mapping[str, bytes]) -> bytes:
    from greenlight.weights import dequantized

    (content,) = members.values()
    return dequantized.convert(content)


def _fused(members: Mapping[str, bytes]) -> bytes:
    from greenlight.weights import fused

    (content,) = members.values()
    return fused.convert(content)


def _whisper(members: Mapping[str, bytes], part: Literal["encoder", "decoder", "tokens"]) -> bytes:
    from greenlight.weights import ctranslate, whisper

    pieces = [content for path, content in members.items() if ".bin.part" in path]
    files = {PurePosixPath(path).name: content for path, content in members.items()}
    if part == "tokens":
        return whisper.tokens(files["vocabulary.txt"].decode(), json.loads(files["config.json"]))
    tensors = ctranslate.read_tensors(b"".join(pieces), "WhisperSpec")
    if part == "encoder":
        return whisper.encoder(tensors)
    return whisper.decoder(tensors, json.loads(files["config.json"])["alignment_heads"])


def _words(
    members: Mapping[str, bytes], form: Literal["base64", "json", "script", "sureness", "pairs", "pieces"]
) -> bytes:
    from greenlight.weights import words

    (content,) = members.values()
    return words.convert(content, form)
