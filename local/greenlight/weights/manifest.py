"""The manifest of weights: where each file comes from, what it must be, and under which licence."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenlight.paths import CHECKOUT
from greenlight.weights.errors import WeightsError

MANIFEST = CHECKOUT / "layers" / "weights" / "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """One archive of a registry, named by package and version; where registries are is their clients' configuration."""

    ecosystem: Literal["pypi", "npm"]
    package: str
    version: str
    sha256: Sha256

    def __str__(self) -> str:
        return f"{self.ecosystem} {self.package} {self.version}"


class Member(_Strict):
    """A file inside the archive."""

    path: str
    sha256: Sha256


class Licence(_Strict):
    """Licence of the weights; `notices` are the members whose text must travel with them.

    The text of Apache-2.0, which packages often leave out, is added to them.
    """

    spdx: str
    holder: str
    model: str
    notices: tuple[Member, ...] = Field(min_length=1)


class Copy(_Strict):
    """The single member is the output as it is."""

    kind: Literal["copy"]


class TfjsLayers(_Strict):
    """A Keras model of TF.js, bundled as JavaScript modules; `outputs` maps ONNX output names to Keras layer names."""

    kind: Literal["tfjs-layers"]
    outputs: dict[str, str] = Field(min_length=1)


class TfjsGraph(_Strict):
    """A graph model of TF.js, its JSON and one shard of weights; `outputs` maps ONNX output names to nodes."""

    kind: Literal["tfjs-graph"]
    outputs: dict[str, str] = Field(min_length=1)


class Pixels(_Strict):
    """What the levels 0..255 of a picture stand for: (level - zero) / scale."""

    zero: int = Field(ge=0, le=255)
    scale: int = Field(gt=0)


class Tflite(_Strict):
    """The single member is a TFLite model; `outputs` maps ONNX output names to tensors. See `tflite.convert`."""

    kind: Literal["tflite"]
    outputs: dict[str, str] = Field(min_length=1)
    pixels: Pixels | None = None


class Mc3Checkpoint(_Strict):
    """The single member is a PyTorch checkpoint of the video network MC3-18. See `mc3.convert`."""

    kind: Literal["mc3-checkpoint"]


class Dequantized(_Strict):
    """The single member is a zipped ONNX model with rounding nodes, which are left out. See `dequantized.convert`."""

    kind: Literal["dequantized"]


class Fused(_Strict):
    """The single member is an ONNX model, whose steps are put together. See `fused.convert`."""

    kind: Literal["fused"]


class Whisper(_Strict):
    """The members are a Whisper model of CTranslate2, cut into pieces and in their order, with its vocabulary.txt and
    config.json where `part` needs them. See `whisper`.
    """

    kind: Literal["whisper"]
    part: Literal["encoder", "decoder", "tokens"]


class Words(_Strict):
    """The single member is a list of words, or of characters and what they stand for. See `words.convert`.

    base64   one word a line, coded
    json     an array
    script   a JavaScript module with a map from languages to arrays: the English one
    sureness a JavaScript module with an object of numbers 0 to 2: the words at 2
    pairs    a line for each character with a tab and what may stand for it: the first of these
    pieces   a SentencePiece model: its pieces and their scores
    """

    kind: Literal["words"]
    form: Literal["base64", "json", "script", "sureness", "pairs", "pieces"]


class Output(_Strict):
    """The file that detectors load."""

    file: FileName
    size: int = Field(gt=0)
    sha256: Sha256


class Part(_Strict):
    """Members of one archive."""

    source: Source
    members: tuple[Member, ...] = Field(min_length=1)


class Entry(_Strict):
    """One file of weights, from one archive or, with `more`, from several. Notices are taken from the first."""

    name: FileName
    use: str
    layer: FileName
    source: Source
    members: tuple[Member, ...] = Field(min_length=1)
    more: tuple[Part, ...] = ()
    converter: Annotated[
        Copy | TfjsLayers | TfjsGraph | Tflite | Mc3Checkpoint | Dequantized | Fused | Whisper | Words,
        Field(discriminator="kind"),
    ]
    int8: bool = Field(default=False, description="the converter's network is brought to eight bits, see `int8`")
    output: Output
    licence: Licence

    @property
    def parts(self) -> tuple[Part, ...]:
        return Part(source=self.source, members=self.members), *self.more

    @property
    def notice_file(self) -> str:
        return f"{self.name}.txt"


class Manifest(_Strict):
    """All weights, each name and each output file once."""

    version: Literal[1]
    weights: tuple[Entry, ...]

    @model_validator(mode="after")
    def _unique(self) -> "Manifest":
        for values in ([entry.name for entry in self.weights], [entry.output.file for entry in self.weights]):
            if len(set(values)) != len(values):
                raise ValueError(f"listed twice among {sorted(values)}")
        return self

    def select(self, names: Iterable[str] | None = None) -> list[Entry]:
        """The entries with these names, all when `names` is None; raises WeightsError for an unknown name."""
        if names is None:
            return list(self.weights)
        known = {entry.name: entry for entry in self.weights}
        wanted = list(dict.fromkeys(names))
        for name in wanted:
            if name not in known:
                raise WeightsError(name, "no such weights in the manifest", expected=f"one of {', '.join(known)}")
        return [known[name] for name in wanted]


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """Read the manifest; raises pydantic's ValidationError where it is malformed."""
    return Manifest.model_validate_json(path.read_bytes())
