"""From verified members of an archive to the bytes of the output file."""

import base64
from collections.abc import Mapping
from pathlib import PurePosixPath

from greenlight.weights.errors import WeightsError
from greenlight.weights.manifest import Copy, Entry, TfjsLayers


def convert(entry: Entry, members: Mapping[str, bytes]) -> bytes:
    """The content of the entry's output file; raises WeightsError when the members are not what its converter reads."""
    match entry.converter:
        case Copy():
            (content,) = members.values()
            return content
        case TfjsLayers(outputs=outputs):
            try:
                return _tfjs_layers(members, outputs)
            except (KeyError, TypeError, ValueError) as error:
                raise WeightsError(entry.name, f"could not be converted: {error}") from error


def _tfjs_layers(members: Mapping[str, bytes], outputs: Mapping[str, str]) -> bytes:
    """Modules named after what they export: `model.min.js` the model, each other the base64 of one shard of weights."""
    # onnx is needed to build weights, not to list or verify them.
    from greenlight.weights import tfjs
    from greenlight.weights.javascript import exported_value

    modules = {
        PurePosixPath(path).name.removesuffix(".min.js"): exported_value(content.decode())
        for path, content in members.items()
    }
    model = modules.pop("model")
    shards = {name: base64.b64decode(text, validate=True) for name, text in modules.items()}
    return tfjs.convert(model["modelTopology"], tfjs.read_weights(model["weightsManifest"], shards), outputs)
