"""A template: which labels are looked for in which forms, and from which confidence on."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from moderation.models.base import Model


class Form(StrEnum):
    """Where something was found."""

    IMAGE = "image"
    OCR = "ocr"
    CODE = "code"
    ASR = "asr"
    VOICE = "voice"
    TITLE = "title"
    COVER = "cover"


PICTURE_FORMS = frozenset({Form.IMAGE, Form.CODE, Form.COVER, Form.OCR})
SOUND_FORMS = frozenset({Form.ASR, Form.VOICE})

OWN_LABEL = "custom"
"""The label of whatever an owner's heads say: each is a sub_label of its own."""

Confidence = Annotated[int, Field(ge=0, le=100)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Rule(Model):
    """When one sub_label, in the given forms, asks for a person (`review`) or is certain (`block`).

    Thresholds are confidences 0–100; None means never. A hit must persist: `hits` of `window`
    consecutive looked-at frames, unless one frame reaches `single`.
    """

    label: Name
    sub_label: Name
    forms: frozenset[Form] = Field(min_length=1)
    review: Confidence | None
    block: Confidence | None = None
    hits: int = Field(default=1, ge=1, le=100)
    window: int = Field(default=1, ge=1, le=100)
    single: Confidence | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.review is None and self.block is None:
            raise ValueError(f"{self.label}/{self.sub_label}: a rule without any threshold asks for nothing")
        if self.review is not None and self.block is not None and self.block < self.review:
            raise ValueError(f"{self.label}/{self.sub_label}: block must not be below review")
        if self.hits > self.window:
            raise ValueError(f"{self.label}/{self.sub_label}: more hits asked for than the window has frames")
        return self


class Template(Model):
    """A versioned set of moderation parameters. Changing anything makes a new revision."""

    name: Name
    revision: int = Field(ge=1)
    description: str = ""
    interval_seconds: float = Field(default=1.0, ge=0.1, le=60.0, description="largest gap between looked-at frames")
    key_frames_only: bool = Field(default=False, description="decode key frames only; coverage says `reduced`")
    auto_block: bool = False
    speech: Literal["whisper", "moonshine"] = Field(
        default="whisper", description="what recognises speech: all languages, or English alone for less"
    )
    ocr: Literal["tiny", "small"] = Field(
        default="tiny", description="what reads text in pictures: small reads more symbols and costs four times as much"
    )
    images: tuple[Name, ...] = Field(default=(), description="the owner's libraries of pictures to look out for")
    heads: tuple[Name, ...] = Field(
        default=(), description="the owner's heads: each judges its own sub_label of the label custom"
    )
    permissive_only: bool = Field(
        default=False, description="leave out what learnt from data with research or unstated terms"
    )
    keywords: tuple[Name, ...] = Field(default=(), description="the owner's libraries of words to look out for")
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _own_labels_have_heads(self) -> Self:
        for rule in self.rules:
            if rule.label == OWN_LABEL and rule.sub_label not in self.heads:
                raise ValueError(f"{rule.label}/{rule.sub_label} needs {rule.sub_label} among the template's heads")
        return self

    @model_validator(mode="after")
    def _one_rule_per_target(self) -> Self:
        seen: set[tuple[str, str, Form]] = set()
        for rule in self.rules:
            for form in rule.forms:
                target = (rule.label, rule.sub_label, form)
                if target in seen:
                    raise ValueError(f"two rules judge {rule.label}/{rule.sub_label} in form {form}")
                seen.add(target)
        return self

    @property
    def id(self) -> str:
        """Name and revision, as verdicts quote them."""
        return f"{self.name}@{self.revision}"

    def targets(self) -> frozenset[tuple[Form, str, str]]:
        """Every (form, label, sub_label) that this template asks about."""
        return frozenset((form, rule.label, rule.sub_label) for rule in self.rules for form in rule.forms)

    def asks_about(self, forms: frozenset[Form]) -> bool:
        """Whether any rule looks into one of these forms."""
        return any(rule.forms & forms for rule in self.rules)
