"""One picture before all the detectors that a template needs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from moderation.detectors.base import Detector, Embedding, Follower, Frame, FrameResult
from moderation.detectors.catalog import CLASSIFY, DetectorSpec
from moderation.detectors.nsfwjs import Nsfwjs
from moderation.detectors.pdq import pdq
from moderation.models.errors import reason
from moderation.models.observation import Observation
from moderation.models.template import Form

Owned = Mapping[str, Mapping[str, bytes | None]]
"""What the owner of a template added to what is shipped: by kind and name a document, None for one that is missing."""


class Scanner:
    """Threads may share one; each model runs once per picture, whichever detectors need it."""

    def __init__(self, specs: Sequence[DetectorSpec], weights: Path, owned: Owned | None = None) -> None:
        made = [(spec, _load(spec, owned or {})) for spec in specs]
        self.detectors: tuple[Detector, ...] = tuple(one for spec, one in made if not spec.follows)
        self.followers: tuple[Follower[Any], ...] = tuple(one for spec, one in made if spec.follows)
        self._models = frozenset(model for spec in specs for model in spec.models)
        self._weights = weights

    def look(self, pictures: Mapping[str, bytes], *, form: Form = Form.IMAGE) -> FrameResult:
        """What is observed on one picture, given as JPEG files by name of their size.

        A detector that fails is named with its reason, and the others go on. A cover is followed by nothing.
        """
        frame = Frame(pictures, self._weights, form)
        observations: list[Observation] = []
        failed: dict[str, str] = {}
        notes: dict[str, Any] = {}
        for detector in self.detectors:
            try:
                observations += detector.observe([frame])[0]
            except Exception as error:
                failed[detector.name] = reason(error)
        for follower in self.followers if form is not Form.COVER else ():
            try:
                notes[follower.name] = follower.note(frame)
            except Exception as error:
                failed[follower.name] = reason(error)
        return FrameResult(tuple(observations), failed, *self._fingerprint(frame, pictures), notes)

    def _fingerprint(self, frame: Frame, pictures: Mapping[str, bytes]) -> tuple[Embedding | None, str | None]:
        """Embedding and hash, for traces; None where there is no size or model for them, or where it failed."""
        embedding = hashed = None
        with suppress(Exception):  # what fails here has failed a detector too, which says why
            hashed = pdq(frame.rgb(CLASSIFY)) if CLASSIFY.name in pictures else None
            embedding = frame.result(Nsfwjs).embedding if Nsfwjs.name in self._models else None
        return embedding, hashed


def _load(spec: DetectorSpec, owned: Owned) -> Any:
    implementation = resolve_name(spec.implementation)
    return implementation(owned.get(spec.owned, {})) if spec.owned else implementation()
