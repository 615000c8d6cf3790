"""Sign uploads: the only way in. The key is random, so one signature makes one media."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from moderation.models.base import Model
from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import (
    MAX_COVER_SIZE,
    MAX_COVERS,
    MAX_SIZE,
    SINGLE_POST_LIMIT,
    Cover,
    FileName,
    ImageType,
    Media,
    MediaId,
    MediaStatus,
    MediaType,
    ProcedureName,
    Title,
    cover_key,
    source_key,
)
from moderation.ports import Clock, Conflict, Ids, MediaStore, NotFound, Templates, UploadedPart, Uploads
from moderation.services.settle import with_status
from moderation.services.templates import procedure

MIN_PART = 16 * 1024**2
MAX_PARTS = 1000
"""S3 allows 10,000; fewer keep the answer of the API small."""
UNUSED_GRACE = timedelta(days=15)
"""How long after its signature has expired an upload that never came is forgotten.

Longer than the queues keep the news of its arrival (14 days): what arrived is not lost while nobody takes it in.
"""


Sha256 = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$"),
    Field(description="SHA-256 of the file, base64; S3 then takes no other bytes"),
]


class CoverRequest(Model):
    """A cover that will be uploaded beside the video. Upload covers first: the video starts the moderation."""

    content_type: ImageType
    size: int = Field(gt=0, le=MAX_COVER_SIZE, strict=True)
    sha256: Sha256 | None = None


class SignUpload(Model):
    """`POST /v1/uploads`"""

    file_name: FileName
    content_type: MediaType
    size: int = Field(gt=0, le=MAX_SIZE, strict=True, description="in bytes, exactly")
    sha256: Sha256 | None = Field(default=None, description="for files of at most 100 MiB, which are posted whole")
    title: Title = ""
    procedure: ProcedureName | None = None
    covers: tuple[CoverRequest, ...] = Field(default=(), max_length=MAX_COVERS)
    session_context: str = Field(default="", max_length=1000)
    source_context: str = Field(default="", max_length=250)


class PostForm(Model):
    """Post these fields as multipart/form-data to `url`, the file last, as `file`."""

    method: Literal["post"] = "post"
    url: str
    fields: dict[str, str]


class Part(Model):
    """PUT exactly `size` bytes to `url` with `headers`, and keep the ETag of the answer."""

    number: int
    size: int
    url: str
    headers: dict[str, str]


class PartsForm(Model):
    """PUT every part, then call complete with the ETags, or abort."""

    method: Literal["multipart"] = "multipart"
    parts: tuple[Part, ...]


class CoverForm(Model):
    """Where a cover is posted."""

    index: int
    url: str
    fields: dict[str, str]


class SignedUpload(Model):
    """What the uploader needs; nothing in it is of use for any other key, type or size."""

    media_id: MediaId
    expires_at: datetime
    upload: Annotated[PostForm | PartsForm, Field(discriminator="method")]
    covers: tuple[CoverForm, ...] = ()


class PartDone(Model):
    """One part that was sent."""

    number: int = Field(ge=1, le=MAX_PARTS)
    etag: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class CompleteUpload(Model):
    """`POST /v1/uploads/{media_id}/complete`"""

    parts: tuple[PartDone, ...] = Field(min_length=1, max_length=MAX_PARTS)


def part_sizes(size: int) -> list[int]:
    """Sizes of the parts of an upload, in bytes: equal but for the last, at most `MAX_PARTS`."""
    part = max(MIN_PART, math.ceil(size / MAX_PARTS))
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest else [])


@dataclass(frozen=True)
class UploadSigning:
    """The use cases of the upload function."""

    store: MediaStore
    uploads: Uploads
    templates: Templates
    clock: Clock
    ids: Ids
    default_procedure: str
    expiry: timedelta

    def sign(self, request: SignUpload) -> SignedUpload:
        """Make a media that waits for its file, and sign the ways to bring it."""
        chosen = procedure(request.procedure or self.default_procedure, self.templates)
        now = self.clock.now()
        media_id = self.ids.new()
        key = source_key(media_id)
        upload: PostForm | PartsForm
        upload_id = None
        if request.size <= SINGLE_POST_LIMIT:
            post = self.uploads.sign_post(key, request.content_type, request.size, self.expiry, request.sha256)
            upload = PostForm(url=post.url, fields=post.fields)
        else:
            upload_id = self.uploads.start_multipart(key, request.content_type)
            parts = self.uploads.sign_parts(key, upload_id, part_sizes(request.size), self.expiry)
            upload = PartsForm(
                parts=tuple(Part(number=p.number, size=p.size, url=p.url, headers=p.headers) for p in parts)
            )
        covers = [
            self.uploads.sign_post(
                cover_key(media_id, index), cover.content_type, cover.size, self.expiry, cover.sha256
            )
            for index, cover in enumerate(request.covers)
        ]
        self.store.add_media(
            Media(
                media_id=media_id,
                status=MediaStatus.UPLOADING,
                file_name=request.file_name,
                content_type=request.content_type,
                size=request.size,
                title=request.title,
                procedure=chosen,
                session_context=request.session_context,
                source_context=request.source_context,
                covers=tuple(
                    Cover(index=index, content_type=cover.content_type, size=cover.size)
                    for index, cover in enumerate(request.covers)
                ),
                upload_id=upload_id,
                created_at=now,
                updated_at=now,
                expires_at=now + self.expiry + UNUSED_GRACE,
            )
        )
        return SignedUpload(
            media_id=media_id,
            expires_at=now + self.expiry,
            upload=upload,
            covers=tuple(CoverForm(index=index, url=post.url, fields=post.fields) for index, post in enumerate(covers)),
        )

    def complete(self, media_id: str, request: CompleteUpload) -> Media:
        """Join the parts, if they are exactly as large as was signed for."""
        media = self._media(media_id)
        if media.upload_id is None or media.status is not MediaStatus.UPLOADING:
            return media  # completed before
        numbers = [part.number for part in request.parts]
        if sorted(numbers) != list(range(1, len(part_sizes(media.size)) + 1)):
            raise ModerationError(
                ErrorCode.INVALID_REQUEST, f"parts must be 1 to {len(part_sizes(media.size))}, each once"
            )
        parts = [UploadedPart(p.number, p.etag) for p in sorted(request.parts, key=lambda part: part.number)]
        try:
            self.uploads.complete_multipart(media.source_key, media.upload_id, parts, media.size)
        except NotFound as error:
            raise ModerationError(
                ErrorCode.UPLOAD_NOT_FOUND, "this upload was completed, aborted or expired"
            ) from error
        try:
            return self.store.save(media.model_copy(update={"upload_id": None}))
        except Conflict:
            return self._media(media_id)  # S3's event has overtaken this call

    def abort(self, media_id: str) -> Media:
        """Give an upload up. Later calls and files under its key change nothing any more."""
        media = self._media(media_id)
        if media.upload_id is not None:
            self.uploads.abort_multipart(media.source_key, media.upload_id)
        if media.status is not MediaStatus.UPLOADING:
            return media
        deleted, events = with_status(media, MediaStatus.DELETED, self.clock, "owner")
        try:
            return self.store.save(deleted, events=events)
        except Conflict as error:
            raise ModerationError(ErrorCode.CONFLICT, "the file has just arrived; delete the media instead") from error

    def _media(self, media_id: str) -> Media:
        try:
            return self.store.media(media_id)
        except NotFound as error:
            raise ModerationError(ErrorCode.UPLOAD_NOT_FOUND, f"there is no upload {media_id}") from error
