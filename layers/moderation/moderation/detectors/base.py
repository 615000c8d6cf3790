"""What detectors are: the protocol, and the frame with everything that is computed for it once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from moderation.models.observation import Box, Observation
from moderation.models.plan import CLIP, FrameSize
from moderation.models.template import Form

Picture = Image.Image
Embedding = npt.NDArray[np.float16]
Result = TypeVar("Result", covariant=True)
T = TypeVar("T")
Note = TypeVar("Note")


_BEGIN = b"\xff\xd8\xff"
"""How a JPEG begins, and what is nowhere inside one without a thumbnail."""


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

    @property
    def weights(self) -> Path:
        """The folder of the models' files."""
        return self._weights

    def has(self, size: FrameSize) -> bool:
        """Whether some detector asked for this size."""
        return size.name in self._pictures

    def rgb(self, size: FrameSize) -> Picture:
        """In colour. What looks at it leaves it as it is."""
        return self._once(("rgb", size.name), lambda: _decode(self._pictures[size.name], "RGB"))

    def gray(self, size: FrameSize) -> Picture:
        """Luma (mode L). Cheaper than `rgb`: colour is not decoded."""
        return self._once(("gray", size.name), lambda: _decode(self._pictures[size.name], "L"))

    def moving(self) -> tuple[Picture, ...]:
        """What follows this frame, in the small and in order; nothing where that was not extracted."""
        _, *rest = self._pictures.get(CLIP, b"").split(_BEGIN)
        return self._once(CLIP, lambda: tuple(_decode(_BEGIN + one, "RGB") for one in rest))

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
class Moment(Generic[Note]):
    """One looked-at frame of a track in its time. `picture` names the distinct picture that it shows.

    Near-duplicates show the picture of an earlier frame and share its note.
    """

    time: float
    picture: int
    note: Note


class Follower(Protocol[Note]):
    """A detector that looks at several frames together, for what one frame alone does not show. Stateless.

    Each distinct frame is noted on its own, beside the other detectors and in any order; what was noted is held until
    the segment ends, so that it has to be small. Then the frames of each track are followed in order of time.
    """

    name: ClassVar[str]

    def note(self, frame: Frame) -> Note:
        """What is to be known of a frame later on. Raises when it cannot be judged: the frame is left out."""
        ...

    def follow(self, moments: Sequence[Moment[Note]]) -> list[list[Observation]]:
        """The observations on each moment, in order. Raises when they cannot be judged: all of them failed."""
        ...


@dataclass(frozen=True)
class FrameResult:
    """One looked-at picture.

    `failed` maps each detector that could not judge it to the reason. `embedding` (float16, 1280) and
    `pdq` (64 hexadecimal digits) are None where their model or the picture failed or is not asked for. `notes` are
    those of detectors that follow several frames, by name.
    """

    observations: tuple[Observation, ...]
    failed: dict[str, str]
    embedding: Embedding | None
    pdq: str | None
    notes: Mapping[str, Any] = field(default_factory=dict)


def _decode(jpeg: bytes, mode: str) -> Picture:
    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as image:
        image.draft(mode, image.size)
        return image.convert(mode)
