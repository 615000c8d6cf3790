"""A file has arrived: give it its identity once, and start its job once.

Events come twice, late and out of order. Which version is the media is not taken from the event: it is the
first version under the signed key, whatever the events say.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from moderation.detectors.catalog import model_set, needed
from moderation.models.event import MediaUploaded
from moderation.models.job import UPLOAD_TRIGGER, Job, JobState, job_id_for
from moderation.models.media import Media, MediaStatus, ObjectIdentity, cover_key
from moderation.models.notification import ArrivedObject
from moderation.models.template import Template
from moderation.ports import Clock, Conflict, MediaStore, NotFound, Templates, Uploads, Workflow
from moderation.services.settle import ATTEMPTS

_KEY = re.compile(r"media/(?P<media_id>[0-9a-f]{32})/(?:source|cover-(?P<cover>\d))")


class Arrival(StrEnum):
    """What became of one event."""

    STARTED = "started"
    COVER_NOTED = "cover_noted"
    DUPLICATE = "duplicate"
    LATER_VERSION = "later_version"
    FOREIGN_KEY = "foreign_key"
    UNKNOWN_MEDIA = "unknown_media"


def new_job(media: Media, identity: ObjectIdentity, template: Template, trigger: str, clock: Clock) -> Job:
    """The job over one identity of a media and its covers so far; its id depends on nothing but its inputs."""
    models = model_set(needed(template))
    return Job(
        job_id=job_id_for(media.media_id, identity, template, models, trigger),
        media_id=media.media_id,
        trigger=trigger,
        identity=identity,
        covers={cover.index: cover.identity for cover in media.covers if cover.identity is not None},
        template=template,
        mode=media.procedure.mode,
        created_at=clock.now(),
    )


@dataclass(frozen=True)
class Ingest:
    """The use case of the ingest function."""

    store: MediaStore
    uploads: Uploads
    templates: Templates
    workflow: Workflow
    clock: Clock

    def arrived(self, item: ArrivedObject) -> Arrival:
        """Take note of one object version. Idempotent; raises Conflict or Transient to be called again."""
        for _ in range(ATTEMPTS - 1):
            with suppress(Conflict):  # the call that completes an upload writes to the media, too, and so do covers
                return self._take(item)
        return self._take(item)

    def _take(self, item: ArrivedObject) -> Arrival:
        match = _KEY.fullmatch(item.key)
        if match is None:
            return Arrival.FOREIGN_KEY
        try:
            media = self.store.media(match["media_id"])
            first = self.uploads.first_version(item.key)
        except NotFound:
            return Arrival.UNKNOWN_MEDIA
        if media.status is MediaStatus.DELETED:
            self.uploads.delete(item.key)
            return Arrival.UNKNOWN_MEDIA
        if item.version_id != first:
            media = self._note_later(media, f"{item.key}?versionId={item.version_id}")
        arrival = (
            self._source(media, first) if match["cover"] is None else self._cover(media, int(match["cover"]), first)
        )
        return Arrival.LATER_VERSION if arrival is Arrival.DUPLICATE and item.version_id != first else arrival

    def _note_later(self, media: Media, version: str) -> Media:
        if version in media.later_versions or len(media.later_versions) >= 100:
            return media
        return self.store.save(media.model_copy(update={"later_versions": (*media.later_versions, version)}))

    def _source(self, media: Media, version_id: str) -> Arrival:
        if media.identity is not None:
            return self._restart(media)
        identity = self.uploads.identify(media.source_key, version_id)
        job = new_job(media, identity, self.templates.get(media.procedure.template), UPLOAD_TRIGGER, self.clock)
        now = self.clock.now()
        arrived = media.model_copy(
            update={
                "identity": identity,
                "status": MediaStatus.CHECKING,
                "revision": media.revision + 1,
                "updated_at": now,
                "expires_at": None,
                "upload_id": None,
                "latest_job": job.job_id,
            }
        )
        event = MediaUploaded(
            event_id=f"uploaded-{job.job_id}",
            occurred_at=now,
            media_id=media.media_id,
            size=identity.size,
            version_id=identity.version_id,
            session_context=media.session_context,
            source_context=media.source_context,
        )
        self.store.save(arrived, events=[event], new_job=job)
        self.workflow.start(media.media_id, job.job_id)
        return Arrival.STARTED

    def _cover(self, media: Media, index: int, version_id: str) -> Arrival:
        cover = next((cover for cover in media.covers if cover.index == index), None)
        if cover is None:
            return Arrival.FOREIGN_KEY
        if cover.identity is not None:
            return self._restart(media)
        identity = self.uploads.identify(cover_key(media.media_id, index), version_id)
        covers = tuple(c.model_copy(update={"identity": identity}) if c.index == index else c for c in media.covers)
        noted = media.model_copy(update={"covers": covers, "updated_at": self.clock.now()})
        if media.identity is None or media.status is MediaStatus.REFUSED:
            self.store.save(noted)
            return Arrival.COVER_NOTED
        # The job began without this cover and cannot pass; one more job sees everything.
        template = self.templates.get(media.procedure.template)
        job = new_job(noted, media.identity, template, f"cover-{index}", self.clock)
        self.store.save(noted.model_copy(update={"latest_job": job.job_id}), new_job=job)
        self.workflow.start(media.media_id, job.job_id)
        return Arrival.STARTED

    def _restart(self, media: Media) -> Arrival:
        """A repeated event starts a job whose start was lost between the table and the state machine."""
        if media.latest_job and self.store.job(media.latest_job).state is JobState.WAITING:
            self.workflow.start(media.media_id, media.latest_job)
        return Arrival.DUPLICATE
