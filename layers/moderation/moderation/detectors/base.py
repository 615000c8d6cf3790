"""What detectors are: the protocol, and the frame with everything that is computed for it once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.models.observation import Box, Observation
from moderation.models.plan import FrameSize
from moderation.models.template import Form

Picture = Image.Image
Embedding = npt.NDArray[np.float16]
Result = TypeVar("Result", covariant=True)
T = TypeVar("T")


class Model(Protocol[Result]):
    """Weights with their exact preparation of a picture. Stateless: threads share one."""

    name: ClassVar[str]
    size: ClassVar[FrameSize]

    def __init__(self, weights: Path) -> None: ...

    def run(self, picture: Picture) -> Result:
        """`picture` is RGB, not to be changed. Raises when there is no sound result."""
        ...


class Frame:
    """One picture at the sizes that detectors ask for. Not shared between threads.

    Decoding and models run when first asked for and once only; a failure is kept and raised again.
    """

    def __init__(self, pictures: Mapping[str, bytes], weights: Path, form: Form = Form.IMAGE) -> None:
        """`pictures` are JPEG files by the name of their size; `form` is image or cover."""
        self.form = form
        self._pictures = pictures
        self._weights = weights
        self._results: dict[object, tuple[object, Exception | None]] = {}

    def rgb(self, size: FrameSize) -> Picture:
        """In colour. What looks at it leaves it as it is."""
        return self._once(("rgb", size.name), lambda: _decode(self._pictures[size.name], "RGB"))

    def gray(self, size: FrameSize) -> Picture:
        """Luma (mode L). Cheaper than `rgb`: colour is not decoded."""
        return self._once(("gray", size.name), lambda: _decode(self._pictures[size.name], "L"))

    def result(self, model: type[Model[T]]) -> T:
        """What a model says of this frame."""
        return self._once(model.name, lambda: model(self._weights).run(self.rgb(model.size)))

    def observation(
        self,
        detector: str,
        label: str,
        sub_label: str,
        score: float,
        *,
        form: Form = Form.IMAGE,
        box: Box | None = None,
        text: str | None = None,
    ) -> Observation:
        """An observation on this frame, its score held within 0..1. On a cover, `form` is cover whatever was found.

        Raises ArithmeticError for a score that is no number, which would otherwise count as nothing found.
        """
        if not isfinite(score):
            raise ArithmeticError(f"{detector} gave no number")
        return Observation(
            detector=detector,
            form=Form.COVER if self.form is Form.COVER else form,
            label=label,
            sub_label=sub_label,
            score=min(1.0, max(0.0, round(score, 4))),
            box=box,
            text=text,
        )

    def _once(self, key: object, compute: Callable[[], T]) -> T:
        if key not in self._results:
            try:
                self._results[key] = compute(), None
            except Exception as error:  # kept, so that every detector that needs this fails alike
                self._results[key] = None, error
        result, failure = self._results[key]
        if failure is not None:
            raise failure
        return cast(T, result)


Batch = Sequence[Frame]


class Detector(Protocol):
    """Looks at frames and reports scores. Stateless: threads share one."""

    name: ClassVar[str]

    def observe(self, frames: Batch) -> list[list[Observation]]:
        """The observations on each frame, in order. Raises when any of the frames cannot be judged."""
        ...


@dataclass(frozen=True)
class FrameResult:
    """One looked-at picture.

    `failed` maps each detector that could not judge it to the reason. `embedding` (float16, 1280) and
    `pdq` (64 hexadecimal digits) are None where their model or the picture failed or is not asked for.
    """

    observations: tuple[Observation, ...]
    failed: dict[str, str]
    embedding: Embedding | None
    pdq: str | None


def _decode(jpeg: bytes, mode: str) -> Picture:
    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as image:
        image.draft(mode, image.size)
        return image.convert(mode)
