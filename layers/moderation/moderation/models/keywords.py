"""Keyword libraries: an owner's own words, with what becomes of a text that holds them."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, RootModel, StringConstraints, model_validator

from moderation.models.base import Model
from moderation.models.template import Name

MAX_WORDS = 10_000
MAX_EXAMPLES = 200

Word = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]

Category = Annotated[str, StringConstraints(pattern=r"^[a-z_]+/[a-z_]*$")]


class Action(StrEnum):
    """What a word of a library asks for."""

    BLOCK = "block"
    REVIEW = "review"
    PASS = "pass"  # noqa: S105 -- the word for letting through, not a password


class _Written(RootModel[dict[str, Any]]):
    """A document as it is stored, without the name, which its key has."""

    model_config = ConfigDict(hide_input_in_errors=True)


class KeywordLibrary(Model):
    """One document of words, at most 10,000, each with one action, and of example sentences.

    Words of `pass` hide what the product's lists and other libraries find on the very same characters. A text that
    means what an example means is found as what the example stands for ("illegal/gambling"), as with those shipped.
    """

    name: Name
    block: tuple[Word, ...] = ()
    review: tuple[Word, ...] = ()
    pass_: tuple[Word, ...] = Field(default=(), alias="pass")
    examples: dict[Category, tuple[Sentence, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        total = len(self.block) + len(self.review) + len(self.pass_)
        if total > MAX_WORDS:
            raise ValueError(f"{total} words are more than {MAX_WORDS}")
        if sum(map(len, self.examples.values())) > MAX_EXAMPLES:
            raise ValueError(f"more than {MAX_EXAMPLES} examples")
        return self

    @classmethod
    def read(cls, name: str, document: bytes) -> Self:
        """The library of that name, as its owner wrote it in JSON. Raises pydantic's ValidationError."""
        return cls.model_validate({**_Written.model_validate_json(document).root, "name": name})

    def words(self) -> dict[Action, tuple[str, ...]]:
        """The words by what they ask for."""
        return {Action.BLOCK: self.block, Action.REVIEW: self.review, Action.PASS: self.pass_}
