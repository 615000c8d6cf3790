"""Sign uploads, complete and abort them."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from moderation.models.errors import ErrorCode, ModerationError
from moderation.models.media import MAX_SIZE, SINGLE_POST_LIMIT, MediaStatus, cover_key, source_key
from moderation.services.ingest import Arrival
from moderation.services.upload import (
    MAX_PARTS,
    MIN_PART,
    UNUSED_GRACE,
    CompleteUpload,
    PartDone,
    PartsForm,
    PostForm,
    SignUpload,
    part_sizes,
)
from tests.builders import NOON
from tests.world import EXPIRY, World

LARGE = SINGLE_POST_LIMIT + 1


def request(**changes: object) -> SignUpload:
    return SignUpload.model_validate(
        {"file_name": "clip.mp4", "content_type": "video/mp4", "size": 1000, "procedure": "standard_pre"} | changes
    )


@pytest.mark.parametrize("size", [LARGE, MIN_PART * MAX_PARTS, MIN_PART * MAX_PARTS + 1, MAX_SIZE - 1, MAX_SIZE])
def test_parts_add_up_and_s3_takes_them(size: int) -> None:
    sizes = part_sizes(size)
    assert sum(sizes) == size
    assert len(sizes) <= MAX_PARTS
    assert set(sizes[:-1]) == {sizes[0]}
    assert 5 * 1024**2 <= sizes[0] <= 5 * 1024**3  # what S3 allows for every part but the last
    assert 0 < sizes[-1] <= sizes[0]


def test_a_small_upload_is_one_form_for_one_random_key(world: World) -> None:
    # WHEN two uploads are signed
    first, second = (world.signing.sign(request(title="été", session_context="s")) for _ in range(2))
    # THEN each has a key of its own, and a media that waits for it
    assert isinstance(first.upload, PostForm)
    assert first.upload.fields["key"] == source_key(first.media_id)
    assert first.media_id != second.media_id
    media = world.media(first.media_id)
    assert (media.status, media.title, media.session_context) == (MediaStatus.UPLOADING, "été", "s")
    assert media.identity is None
    assert not media.playable


def test_signature_and_media_expire(world: World) -> None:
    signed = world.signing.sign(request())
    assert signed.expires_at == NOON + EXPIRY
    # The table forgets an upload that never came, but not while its signature may still be used.
    assert world.media(signed.media_id).expires_at == NOON + EXPIRY + UNUSED_GRACE
    assert timedelta(0) < UNUSED_GRACE


@pytest.mark.parametrize(("size", "form"), [(SINGLE_POST_LIMIT, PostForm), (LARGE, PartsForm)])
def test_above_100_mb_it_is_parts(world: World, size: int, form: type) -> None:
    signed = world.signing.sign(request(size=size))
    assert isinstance(signed.upload, form)
    assert (world.media(signed.media_id).upload_id is not None) is (form is PartsForm)


def test_parts_are_signed_with_their_lengths(world: World) -> None:
    signed = world.signing.sign(request(size=LARGE))
    assert isinstance(signed.upload, PartsForm)
    assert [part.number for part in signed.upload.parts] == list(range(1, len(signed.upload.parts) + 1))
    assert sum(part.size for part in signed.upload.parts) == LARGE
    assert all(part.headers["Content-Length"] == str(part.size) for part in signed.upload.parts)


def test_covers_get_forms_of_their_own(world: World) -> None:
    cover = {"content_type": "image/png", "size": 5}
    signed = world.signing.sign(request(covers=[cover, cover]))
    assert [form.fields["key"] for form in signed.covers] == [cover_key(signed.media_id, n) for n in (0, 1)]
    assert [c.identity for c in world.media(signed.media_id).covers] == [None, None]


def test_without_a_procedure_the_default_is_taken(world: World) -> None:
    media = world.media(world.signing.sign(request(procedure=None)).media_id)
    assert (media.procedure.name, media.procedure.template, media.procedure.mode) == ("default_pre", "default", "pre")


@pytest.mark.parametrize("name", ["default", "default_later", "nothing_pre", "_pre"[1:]])
def test_an_unknown_procedure_is_refused_before_anything_is_made(world: World, name: str) -> None:
    with pytest.raises(ModerationError) as refusal:
        world.signing.sign(request(procedure=name))
    assert refusal.value.code is ErrorCode.UNKNOWN_PROCEDURE
    assert world.ids.new() == f"{1:032x}"  # no id was used up


@pytest.mark.parametrize(
    ("field", "most", "too_much"),
    [
        ("title", "é" * 64, "é" * 64 + "a"),  # 128 bytes, not characters
        ("title", "a" * 128, "a" * 129),
        ("size", MAX_SIZE, MAX_SIZE + 1),
        ("size", 1, 0),
        ("session_context", "é" * 1000, "a" * 1001),
        ("source_context", "é" * 250, "a" * 251),
        ("file_name", "a" * 255, "a" * 256),
        ("file_name", "a", ""),
        ("content_type", "video/mp4", "text/html"),
        ("content_type", "audio/mpeg", "video/"),
        ("content_type", "video/x-matroska", "video/mp4\r\nx: y"),
        ("covers", [{"content_type": "image/jpeg", "size": 1}] * 5, [{"content_type": "image/jpeg", "size": 1}] * 6),
        (
            "covers",
            [{"content_type": "image/webp", "size": 20 * 1024**2}],
            [{"content_type": "image/webp", "size": 20 * 1024**2 + 1}],
        ),
        ("covers", [{"content_type": "image/gif", "size": 1}], [{"content_type": "image/svg+xml", "size": 1}]),
    ],
)
def test_limits(field: str, most: object, too_much: object) -> None:
    request(**{field: most})
    with pytest.raises(ValidationError) as refusal:
        request(**{field: too_much})
    assert refusal.value.errors()[0]["loc"][0] == field


def large_upload(world: World) -> tuple[str, list[PartDone]]:
    """A multipart upload of which every part has been sent. The store of parts is faked: nobody needs 100 MB here."""
    media_id = world.sign(size=LARGE)
    media = world.media(media_id)
    small = media.model_copy(update={"size": 32})  # two parts in the store, whatever the signature was for
    world.store.save(small)
    done = [world.uploads.receive_part(media.upload_id or "", 1, b"a" * 32)]
    return media_id, [PartDone(number=part.number, etag=part.etag) for part in done]


def test_complete_joins_the_parts_into_the_first_version(world: World) -> None:
    media_id, parts = large_upload(world)
    world.signing.complete(media_id, CompleteUpload(parts=tuple(parts)))
    first = world.uploads.first_version(source_key(media_id))
    assert world.uploads.get(world.uploads.identify(source_key(media_id), first)) == b"a" * 32


def test_complete_may_be_repeated(world: World) -> None:
    media_id, parts = large_upload(world)
    once = world.signing.complete(media_id, CompleteUpload(parts=tuple(parts)))
    # before S3's event has come in …
    assert world.signing.complete(media_id, CompleteUpload(parts=tuple(parts))) == once
    # … and after
    first = world.uploads.first_version(source_key(media_id))
    item = world.bring(source_key(media_id)).model_copy(update={"version_id": first})
    assert world.ingest.arrived(item) is Arrival.STARTED
    assert world.signing.complete(media_id, CompleteUpload(parts=tuple(parts))).status is MediaStatus.CHECKING


@pytest.mark.parametrize("numbers", [[2], [1, 2], [1, 1]])
def test_complete_takes_exactly_the_signed_parts(world: World, numbers: list[int]) -> None:
    media_id, _ = large_upload(world)
    with pytest.raises(ModerationError) as refusal:
        world.signing.complete(media_id, CompleteUpload(parts=tuple(PartDone(number=n, etag="e") for n in numbers)))
    assert refusal.value.code is ErrorCode.INVALID_REQUEST


def test_complete_refuses_another_size_than_signed(world: World) -> None:
    media_id, parts = large_upload(world)
    world.store.save(world.media(media_id).model_copy(update={"size": 33}))
    with pytest.raises(ModerationError) as refusal:
        world.signing.complete(media_id, CompleteUpload(parts=tuple(parts)))
    assert refusal.value.code is ErrorCode.SIZE_MISMATCH


def test_an_aborted_upload_is_over(world: World) -> None:
    # GIVEN a large upload that is given up, twice
    media_id, parts = large_upload(world)
    assert world.signing.abort(media_id).status is MediaStatus.DELETED
    assert world.signing.abort(media_id).status is MediaStatus.DELETED
    # THEN completing it changes nothing
    assert world.signing.complete(media_id, CompleteUpload(parts=tuple(parts))).status is MediaStatus.DELETED
    # AND a file that comes all the same is thrown away
    assert world.ingest.arrived(world.bring(source_key(media_id))) is Arrival.UNKNOWN_MEDIA
    assert world.workflow.started == {}


def test_covers_of_an_aborted_upload_are_purged(world: World) -> None:
    media_id = world.sign(covers=1)
    world.ingest.arrived(world.bring(cover_key(media_id, 0)))
    world.signing.abort(media_id)
    (told,) = world.events("Media Status Changed")
    world.publishing.reconcile(told.media_id)
    with pytest.raises(LookupError):
        world.uploads.first_version(cover_key(media_id, 0))


def test_what_has_arrived_cannot_be_aborted(world: World) -> None:
    job = world.checking()
    assert world.signing.abort(job.media_id).status is MediaStatus.CHECKING
    assert world.events("Media Status Changed") == []


def test_a_file_that_arrives_while_it_is_aborted_wins(world: World) -> None:
    media_id = world.sign()
    item = world.bring(source_key(media_id))
    world.store.before_save = lambda: world.ingest.arrived(item)
    with pytest.raises(ModerationError) as refusal:
        world.signing.abort(media_id)
    assert refusal.value.code is ErrorCode.CONFLICT
    assert world.media(media_id).status is MediaStatus.CHECKING


def test_an_unknown_upload_is_told_so(world: World) -> None:
    for call in (
        lambda: world.signing.abort("0" * 32),
        lambda: world.signing.complete("0" * 32, CompleteUpload(parts=(PartDone(number=1, etag="e"),))),
    ):
        with pytest.raises(ModerationError) as refusal:
            call()
        assert refusal.value.code is ErrorCode.UPLOAD_NOT_FOUND
