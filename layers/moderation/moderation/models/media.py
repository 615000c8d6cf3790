"""One uploaded file: who it is, what state it is in, and whether it may be played."""

import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from moderation.models.base import Model

MAX_SIZE = 10 * 1024**3
MAX_COVERS = 5
MAX_COVER_SIZE = 20 * 1024**2
SINGLE_POST_LIMIT = 100 * 1024**2


def _within_bytes(limit: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value.encode()) > limit:
            raise ValueError(f"longer than {limit} bytes in UTF-8")
        return value

    return AfterValidator(check)


def _in_one_line(value: str) -> str:
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in value):
        raise ValueError("holds a control character, a line break or half a sign")
    return value


Line = Annotated[str, AfterValidator(_in_one_line)]
"""Shown in lists, terminals and logs of others: nothing in it moves a cursor or begins a header."""

Title = Annotated[Line, _within_bytes(128)]
Reason = Annotated[Line, _within_bytes(128)]
FileName = Annotated[Line, StringConstraints(min_length=1, max_length=255)]
Comment = Annotated[str, _within_bytes(512)]
MediaId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
MediaType = Annotated[str, StringConstraints(pattern=r"^(video|audio)/[a-z0-9][a-z0-9.+-]{0,100}$")]
ImageType = Annotated[str, StringConstraints(pattern=r"^image/(jpeg|png|webp|gif)$")]
ProcedureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class MediaStatus(StrEnum):
    """Where a media stands. Only `normal` plays."""

    UPLOADING = "uploading"
    CHECKING = "checking"
    REVIEWING = "reviewing"
    NORMAL = "normal"
    BLOCKED = "blocked"
    REFUSED = "refused"
    DELETED = "deleted"


class ObjectIdentity(Model):
    """One immutable version of one S3 object; carried unchanged from the event to playback."""

    bucket: str
    key: str
    version_id: str
    size: int = Field(ge=0)
    checksum: str | None = Field(default=None, description="as S3 stores it, e.g. `sha256:…` or `crc64nvme:…`")
    etag: str | None = Field(default=None, description="informational only")


class Cover(Model):
    """A picture shown for the media; moderated with it."""

    index: int = Field(ge=0, lt=MAX_COVERS)
    content_type: ImageType
    size: int = Field(gt=0, le=MAX_COVER_SIZE)
    identity: ObjectIdentity | None = Field(default=None, description="set by the first version that arrives")


class Procedure(Model):
    """The task flow chosen at signing: which template judges, and whether media plays before its verdict."""

    name: ProcedureName
    template: str
    mode: Literal["pre", "post"]


class Media(Model):
    """The META item of a media.

    `revision` is the decision revision: it grows with every change of status. `version` grows with every
    write, and every write is conditional on it.
    """

    media_id: MediaId
    status: MediaStatus
    file_name: str
    content_type: MediaType
    size: int = Field(gt=0, le=MAX_SIZE)
    title: Title = ""
    procedure: Procedure
    session_context: str = ""
    source_context: str = ""
    covers: tuple[Cover, ...] = ()
    upload_id: str | None = Field(default=None, description="the open multipart upload, when there is one")
    identity: ObjectIdentity | None = None
    later_versions: tuple[str, ...] = Field(default=(), description="recorded, never moderated or published")
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = Field(default=None, description="only while nothing has arrived")
    version: int = Field(default=0, ge=0)
    revision: int = Field(default=0, ge=0)
    decided_by: str | None = Field(default=None, description="the person whose decision stands over the machine's")
    waits: Literal["block", "review"] | None = Field(
        default=None, description="what it waits for a person with: the machine's suggestion, or that it has none"
    )
    latest_job: str | None = None
    published_revision: int | None = None
    published_key: str | None = None
    playback_content_type: str | None = Field(default=None, description="from the probe, never from the uploader")

    @property
    def source_key(self) -> str:
        return source_key(self.media_id)

    @property
    def playable(self) -> bool:
        """True when a playback URL may exist: decided normal, and this very decision is published."""
        return self.status is MediaStatus.NORMAL and self.published_revision == self.revision


def source_key(media_id: str) -> str:
    """Where the video of a media is uploaded."""
    return f"media/{media_id}/source"


def cover_key(media_id: str, index: int) -> str:
    """Where cover `index` of a media is uploaded."""
    return f"media/{media_id}/cover-{index}"
