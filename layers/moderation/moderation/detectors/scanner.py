"""One picture before all the detectors that a template needs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from moderation.detectors.base import Detector, Embedding, Frame, FrameResult
from moderation.detectors.catalog import CLASSIFY, DetectorSpec
from moderation.detectors.nsfwjs import Nsfwjs
from moderation.detectors.pdq import pdq
from moderation.models.observation import Observation
from moderation.models.template import Form

_REASON = 200


class Scanner:
    """Threads may share one; each model runs once per picture, whichever detectors need it."""

    def __init__(self, specs: Sequence[DetectorSpec], weights: Path) -> None:
        self.detectors = tuple(_load(spec) for spec in specs)
        self._models = frozenset(model for spec in specs for model in spec.models)
        self._weights = weights

    def look(self, pictures: Mapping[str, bytes], *, form: Form = Form.IMAGE) -> FrameResult:
        """What is observed on one picture, given as JPEG files by name of their size.

        A detector that fails is named with its reason, and the others go on.
        """
        frame = Frame(pictures, self._weights, form)
        observations: list[Observation] = []
        failed: dict[str, str] = {}
        for detector in self.detectors:
            try:
                observations += detector.observe([frame])[0]
            except Exception as error:
                failed[detector.name] = f"{type(error).__name__}: {error}"[:_REASON]
        return FrameResult(tuple(observations), failed, *self._fingerprint(frame, pictures))

    def _fingerprint(self, frame: Frame, pictures: Mapping[str, bytes]) -> tuple[Embedding | None, str | None]:
        """Embedding and hash, for traces; None where there is no size or model for them, or where it failed."""
        embedding = hashed = None
        with suppress(Exception):  # what fails here has failed a detector too, which says why
            hashed = pdq(frame.rgb(CLASSIFY)) if CLASSIFY.name in pictures else None
            embedding = frame.result(Nsfwjs).embedding if Nsfwjs.name in self._models else None
        return embedding, hashed


def _load(spec: DetectorSpec) -> Detector:
    module, _, name = spec.implementation.partition(":")
    detector: Detector = getattr(import_module(module), name)()
    return detector
