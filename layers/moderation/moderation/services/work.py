"""Where the steps of a job leave what the next steps need. Steps pass keys, never payloads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from moderation.models.base import Model
from moderation.models.media import MediaId
from moderation.ports import NotFound, Objects

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Work:
    """The keys of one job in the results bucket."""

    media_id: MediaId
    job_id: str

    @property
    def _place(self) -> str:
        return f"{self.media_id}/{self.job_id}"

    @property
    def plan(self) -> str:
        return f"work/{self._place}/plan.json"

    @property
    def refinement(self) -> str:
        """The plan, with the windows that are looked at a second time. Those have places as segments have."""
        return f"work/{self._place}/refine.json"

    def frames(self, index: int) -> str:
        """The frames archive of a segment."""
        return f"work/{self._place}/segments/{index:05d}/frames.zip"

    def sound(self, index: int, track: int) -> str:
        """The sound of one track of a segment, 16 kHz mono PCM."""
        return f"work/{self._place}/segments/{index:05d}/sound-{track}.wav"

    def scan(self, index: int) -> str:
        """What was seen in a segment."""
        return f"work/{self._place}/segments/{index:05d}/scan.json"

    def hearing(self, index: int) -> str:
        """What was heard in a segment."""
        return f"work/{self._place}/segments/{index:05d}/hearing.json"

    @property
    def reading(self) -> str:
        """What was read in all texts."""
        return f"work/{self._place}/reading.json"

    def cover(self, index: int) -> str:
        """What was seen on a cover."""
        return f"work/{self._place}/covers/{index}.json"

    def cover_picture(self, index: int) -> str:
        """A cover, decoded and made small, for evidence."""
        return f"work/{self._place}/covers/{index}.jpg"

    def trace(self, index: int) -> str:
        """The traces of a segment."""
        return f"traces/{self._place}/{index:05d}.jsonl.gz"

    def evidence(self, number: int) -> str:
        """An evidence picture."""
        return f"evidence/{self._place}/{number:04d}.jpg"

    @property
    def verdict(self) -> str:
        return f"verdicts/{self._place}/verdict.json"

    @property
    def transcript(self) -> str:
        """What is said, as WebVTT."""
        return f"verdicts/{self._place}/transcript.vtt"

    @property
    def texts(self) -> str:
        """What pictures show in writing, as WebVTT."""
        return f"verdicts/{self._place}/texts.vtt"


def left(objects: Objects, kind: type[M], keys: Iterable[str]) -> Iterator[M]:
    """What steps have left behind. One that failed left nothing, and what is broken is none: coverage shows the gap."""
    for key in keys:
        try:
            yield kind.model_validate_json(objects.get(key))
        except (NotFound, ValidationError):
            continue


def library(kind: str, name: str) -> str:
    """A document of the owner's: `kind` is the field of a template that names it, such as images."""
    return f"libraries/{kind}/{name}.json"


def derived_prefixes(media_id: str) -> tuple[str, ...]:
    """Everything in the results bucket that was made from a media."""
    return tuple(f"{kind}/{media_id}/" for kind in ("work", "traces", "evidence", "verdicts"))
