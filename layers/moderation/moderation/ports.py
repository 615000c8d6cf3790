"""What the use cases need from the outside, as protocols. `aws/` and `memory/` implement them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from moderation.models.event import Event
from moderation.models.job import Job
from moderation.models.media import Media, ObjectIdentity
from moderation.models.review import Feedback, Review
from moderation.models.template import Template

MAX_DOCUMENT_BYTES = 390 * 1024
"""An item of the table holds 400 KB; the rest is for its keys and conditions."""


class NotFound(LookupError):
    """The object or item is not there."""


class Conflict(Exception):
    """Somebody else wrote first; read again and decide again."""


class Spent(Exception):
    """The budget of the day has no room for a booking."""


class Clock(Protocol):
    """The time, always aware and in UTC."""

    def now(self) -> datetime: ...


class Ids(Protocol):
    """Unguessable identifiers."""

    def new(self) -> str:
        """32 lower-case hexadecimal digits from a cryptographic source."""
        ...


@dataclass(frozen=True)
class SignedPost:
    """A form that a browser posts as multipart/form-data, the file last."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class SignedPart:
    """One part of a multipart upload; PUT exactly `size` bytes to `url` with `headers`."""

    number: int
    size: int
    url: str
    headers: dict[str, str]


@dataclass(frozen=True)
class UploadedPart:
    """What the uploader reports of a part it has sent."""

    number: int
    etag: str


@dataclass(frozen=True)
class Booking:
    """Some seconds of video out of what a UTC day may take, which is `limit` seconds.

    A day on which nothing is booked takes any one booking, so that a video longer than `limit` has its day, too.
    """

    day: date
    seconds: int
    limit: int


@dataclass(frozen=True)
class Run:
    """How the run of a job stands (RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED) and, if it ended badly, why."""

    status: str
    cause: str = ""


class Objects(Protocol):
    """Object storage: the results bucket, where steps leave their work for the next step."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises NotFound."""
        ...

    def put(self, key: str, body: bytes, content_type: str) -> None: ...

    def put_file(self, key: str, path: Path, content_type: str) -> None: ...

    def fetch(self, key: str, path: Path) -> None:
        """Write the object to `path` without holding it in memory. Raises NotFound."""
        ...

    def url(self, key: str, expires: timedelta) -> str:
        """A time-limited URL to read the object."""
        ...

    def delete_prefix(self, prefix: str) -> None:
        """Every object below the prefix, all versions, however many."""
        ...


class Uploads(Protocol):
    """The bucket that uploaders write to, and from which originals are read by exact version."""

    def sign_post(
        self, key: str, content_type: str, size: int, expires: timedelta, sha256: str | None = None
    ) -> SignedPost:
        """A form for exactly this key, content type and size, with the encryption field.

        With `sha256` (base64, as the uploader measured it) the form takes only those very bytes. Without it no
        checksum field can be signed: a form field that names an algorithm needs the value beside it, and the
        store computes its default checksum (CRC64NVME) by itself.
        """
        ...

    def start_multipart(self, key: str, content_type: str) -> str:
        """The upload id."""
        ...

    def sign_parts(self, key: str, upload_id: str, sizes: Sequence[int], expires: timedelta) -> list[SignedPart]: ...

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[UploadedPart], size: int) -> None:
        """Check that the parts add up to `size` bytes, then complete.

        Raises ModerationError size_mismatch, or invalid_request for a part that was never sent;
        NotFound when there is no such upload (any more).
        """
        ...

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Idempotent."""
        ...

    def identify(self, key: str, version_id: str) -> ObjectIdentity:
        """Size, checksum and etag of one version. Raises NotFound."""
        ...

    def first_version(self, key: str) -> str:
        """The version id of the oldest version under a key. Raises NotFound."""
        ...

    def source(self, identity: ObjectIdentity, expires: timedelta) -> "Path | str":
        """What ffmpeg reads: a short-lived https URL of this very version, or a local path."""
        ...

    def get(self, identity: ObjectIdentity) -> bytes:
        """The whole of one small object (a cover) by version. Raises NotFound."""
        ...

    def delete(self, key: str) -> None:
        """All versions of a key. Idempotent."""
        ...


class Publisher(Protocol):
    """The playback bucket, which no uploader can write."""

    def copy(self, identity: ObjectIdentity, key: str, content_type: str) -> None:
        """Copy exactly this version (multipart above 5 GB), with the given content type. Raises NotFound."""
        ...

    def delete(self, key: str) -> None:
        """Delete all versions of the copy and drop it from caches. Idempotent."""
        ...

    def copies(self, media_id: str) -> list[str]:
        """Keys of all copies of a media, also of those that nobody has written down."""
        ...


class Signer(Protocol):
    """Signs playback URLs."""

    def sign(self, key: str, expires_at: datetime) -> str: ...


class Templates(Protocol):
    """Where templates are found by name; the newest revision."""

    def get(self, name: str) -> Template:
        """Raises NotFound."""
        ...


class MediaStore(Protocol):
    """Media with everything that belongs to them, in one table.

    Every write of a media is conditional on the `version` it was read with: `Conflict` when somebody wrote since.
    A document above `MAX_DOCUMENT_BYTES` raises Permanent `document_too_large`.
    Events are written in the same transaction (the outbox) and leave later, at least once, with the same id.
    """

    def add_media(self, media: Media) -> None:
        """Raises Conflict when the id is taken."""
        ...

    def media(self, media_id: str) -> Media:
        """Strongly consistent. Raises NotFound."""
        ...

    def save(
        self,
        media: Media,
        *,
        events: Sequence[Event] = (),
        job: Job | None = None,
        new_job: Job | None = None,
        review: Review | None = None,
        booking: Booking | None = None,
    ) -> Media:
        """Write the media, and what comes with it, in one transaction, and give it back with its next `version`.

        Raises Conflict when the stored `version` is not `media.version`, when `job` has no stored job to replace or
        one that has ended (FINISH or ABORTED), or when `new_job` exists already; Spent when only the `booking` has
        no room.
        """
        ...

    def job(self, job_id: str) -> Job:
        """Strongly consistent. Raises NotFound."""
        ...

    def jobs(self, media_id: str) -> list[Job]:
        """Oldest first."""
        ...

    def open_jobs(self, due_before: datetime, limit: int) -> list[str]:
        """Ids of jobs that have not ended, of any media, longest due first. What has just changed may not show yet."""
        ...

    def waiting(self, kind: str, limit: int) -> list[str]:
        """Ids of media whose `waits` is this, longest since changed first. What has just changed may not show yet."""
        ...

    def reviews(self, media_id: str) -> list[Review]:
        """Oldest first."""
        ...

    def add_feedback(self, feedback: Feedback) -> None:
        """Raises Conflict when its job is gone: it was deleted with its media."""
        ...

    def feedback(self, media_id: str) -> list[Feedback]:
        """Oldest first."""
        ...

    def forget(self, media_id: str) -> None:
        """Delete jobs, reviews and feedback of a deleted media, however many; META and OUTBOX# stay. Idempotent."""
        ...


class EventBus(Protocol):
    """Sends events out of the application."""

    def send(self, events: Iterable[Event]) -> None:
        """Raises Transient when any event was not accepted."""
        ...


class Workflow(Protocol):
    """The state machine."""

    def start(self, media_id: str, job_id: str) -> None:
        """Start the run named after the job; a run of that name that exists already is success."""
        ...

    def run(self, job_id: str) -> Run | None:
        """The run named after the job; None when there is none."""
        ...
