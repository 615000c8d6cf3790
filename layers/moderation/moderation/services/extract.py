"""The extract step: decode one segment once, into the pictures and the sound that detectors need."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from moderation.detectors.catalog import needed, sizes
from moderation.media.ffmpeg import MediaRefused, SourceUnavailable
from moderation.media.frames import extract_segment
from moderation.models.errors import Permanent, Transient
from moderation.models.plan import Plan
from moderation.models.template import SOUND_FORMS
from moderation.ports import MediaStore, Objects, Uploads
from moderation.services.plan import SOURCE_LIFE
from moderation.services.work import Work


@dataclass(frozen=True)
class Extraction:
    """The use case of the extract function."""

    store: MediaStore
    uploads: Uploads
    objects: Objects

    def run(self, job_id: str, index: int, seconds: float) -> bool:
        """Decode a segment or window within `seconds`. Returns whether there is sound to listen to.

        Raises Permanent when it cannot be decoded.
        """
        job = self.store.job(job_id)
        work = Work(job.media_id, job.job_id)
        plan = Plan.model_validate_json(self.objects.get(work.plan))
        specs = needed(job.template, "frames")
        is_first_look = index < len(plan.segments)
        if not is_first_look:
            plan = Plan.model_validate_json(self.objects.get(work.refinement))
        with tempfile.TemporaryDirectory(prefix="extract-") as name:
            folder = Path(name)
            try:
                segment = extract_segment(
                    self.uploads.source(job.identity, SOURCE_LIFE),
                    plan,
                    index,
                    sizes=sizes(specs),
                    with_clips=is_first_look and any(spec.clips for spec in specs),
                    with_sound=job.template.asks_about(SOUND_FORMS),
                    deadline=time.monotonic() + seconds,
                    folder=folder,
                )
            except SourceUnavailable as error:
                raise Transient(str(error)) from error
            except MediaRefused as refusal:
                raise Permanent(refusal.code, refusal.message) from refusal
            self.objects.put_file(work.frames(index), segment.archive, "application/zip")
            for sound in segment.sounds:
                self.objects.put_file(work.sound(index, sound.track), sound.path, "audio/wav")
        return bool(segment.sounds)
