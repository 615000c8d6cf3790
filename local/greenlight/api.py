"""A client of Greenlight's HTTP API: sign, upload, wait, play, review."""

import base64
import hashlib
import mimetypes
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from moderation.models.job import Job, JobState
from moderation.models.media import SINGLE_POST_LIMIT, Media, MediaStatus
from moderation.models.review import Feedback, Review
from moderation.services.feedback import GiveFeedback
from moderation.services.media import MediaView
from moderation.services.playback import PlaybackUrl
from moderation.services.upload import (
    CompleteUpload,
    CoverRequest,
    Part,
    PartDone,
    PartsForm,
    SignedUpload,
    SignUpload,
)

Progress = Callable[[int], None]
"""Told how many more bytes were sent; negative when a part has to be sent again."""

CHUNK = 256 * 1024
PARALLEL_PARTS = 4
PART_TRIES = 3
POLL_SECONDS = 0.5


class ApiError(Exception):
    """The API, or the bucket behind it, answered with an error.

    `status` is the HTTP status; `code` and `details` are as documented, or the bucket's own.
    """

    def __init__(self, status: int, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.details = details or {}


class Api:
    """One caller of the API.

    url    where the API answers, without /v1
    token  gives a fresh access token; called at first, and again when one is no longer accepted
    """

    def __init__(self, url: str, token: Callable[[], str], timeout: float = 30.0) -> None:
        self._api = httpx.Client(base_url=url, auth=_Bearer(token), timeout=timeout)
        self._storage = httpx.Client(timeout=httpx.Timeout(timeout, read=300.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._storage.close()

    def sign(self, request: SignUpload) -> SignedUpload:
        """Ask for the ways to bring a file. Raises ApiError."""
        return SignedUpload.model_validate(self._call("POST", "/v1/uploads", request.model_dump(mode="json")))

    def upload(
        self,
        file: Path,
        *,
        title: str = "",
        procedure: str | None = None,
        covers: Sequence[Path] = (),
        content_type: str | None = None,
        progress: Progress = lambda sent: None,
    ) -> str:
        """Sign, send covers and file straight from disk, and give the media's id. Raises ApiError.

        A multipart upload that cannot be finished is given up, so that its parts do not stay.
        """
        request = SignUpload(
            file_name=file.name,
            content_type=content_type or _type_of(file, ("video/", "audio/"), "video/mp4"),
            size=file.stat().st_size,
            sha256=_sha256(file) if file.stat().st_size <= SINGLE_POST_LIMIT else None,
            title=title,
            procedure=procedure,
            covers=tuple(
                CoverRequest(
                    content_type=_type_of(cover, ("image/",), "image/jpeg"),
                    size=cover.stat().st_size,
                    sha256=_sha256(cover),
                )
                for cover in covers
            ),
        )
        signed = self.sign(request)
        for form in signed.covers:  # first: the arrival of the video starts the moderation
            self.post(form.url, form.fields, covers[form.index])
        if isinstance(signed.upload, PartsForm):
            try:
                done = self.put_parts(signed.upload, file, progress)
                self.complete(signed.media_id, done)
            except BaseException:
                with suppress(ApiError, httpx.HTTPError):
                    self.abort(signed.media_id)
                raise
        else:
            self.post(signed.upload.url, signed.upload.fields, file, progress)
        return signed.media_id

    def post(self, url: str, fields: dict[str, str], file: Path, progress: Progress = lambda sent: None) -> None:
        """Post a file as a signed form, streamed from disk. Raises ApiError with the bucket's code."""
        with _Counting(file, progress) as body:
            _storage_answer(self._storage.post(url, data=fields, files={"file": (file.name, body)}))

    def put_parts(self, form: PartsForm, file: Path, progress: Progress = lambda sent: None) -> list[PartDone]:
        """Send all parts, some at a time, each again when the connection fails. Raises ApiError."""
        starts: list[int] = []
        offset = 0
        for part in form.parts:
            starts.append(offset)
            offset += part.size
        with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
            return list(pool.map(lambda part, start: self._put_part(part, file, start, progress), form.parts, starts))

    def complete(self, media_id: str, parts: Sequence[PartDone]) -> Media:
        """Join the parts of a multipart upload."""
        body = CompleteUpload(parts=tuple(parts)).model_dump(mode="json")
        return Media.model_validate(self._call("POST", f"/v1/uploads/{media_id}/complete", body))

    def abort(self, media_id: str) -> Media:
        """Give an upload up."""
        return Media.model_validate(self._call("POST", f"/v1/uploads/{media_id}/abort"))

    def media(self, media_id: str) -> MediaView:
        """A media with its latest job."""
        return MediaView.model_validate(self._call("GET", f"/v1/media/{media_id}"))

    def job(self, job_id: str) -> Job:
        """A job with its verdict, if it has one."""
        return Job.model_validate(self._call("GET", f"/v1/jobs/{job_id}"))

    def captions(self, view: MediaView) -> tuple[str, str]:
        """What is said in a media and what its pictures show in writing, as WebVTT; empty where there is nothing."""
        verdict = view.job.verdict if view.job else None
        urls = (verdict.transcript_file, verdict.texts_file) if verdict else (None, None)
        said, shown = (_storage_answer(self._storage.get(url)).content.decode() if url else "" for url in urls)
        return said, shown

    def wait(
        self, media_id: str, timeout: float = 600.0, until: Callable[[MediaView], bool] | None = None
    ) -> MediaView:
        """Poll until the latest job has ended, or `until` says so. Raises TimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (until or judged)(view := self.media(media_id)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"media {media_id} is still {view.media.status} after {timeout:.0f} s")
            time.sleep(POLL_SECONDS)
        # Media and job are read one after the other: only what is read after the job has ended shows what it did.
        return view if until else self.media(media_id)

    def playback(self, media_id: str) -> PlaybackUrl:
        """A URL to play from. Raises ApiError not_playable."""
        return PlaybackUrl.model_validate(self._call("GET", f"/v1/media/{media_id}/playback"))

    def moderate_again(self, media_id: str, template: str | None = None) -> Job:
        """Start another job, by default with the media's own template."""
        return Job.model_validate(self._call("POST", f"/v1/media/{media_id}/jobs", {"template": template}))

    def review(
        self, media_id: str, decision: Literal["normal", "blocked"], reason: str = "", comment: str = ""
    ) -> Review:
        """Decide over the machine."""
        body = {"media_id": media_id, "decision": decision, "reason": reason, "comment": comment}
        return Review.model_validate(self._call("POST", "/v1/reviews", body))

    def queue(self, limit: int = 20) -> list[Media]:
        """What waits for a person: first what the machine would block, each kind with the oldest first."""
        return [Media.model_validate(one) for one in self._call("GET", f"/v1/reviews?limit={limit}")]

    def reviews(self, media_id: str) -> list[Review]:
        """Every decision on a media, oldest first."""
        return [Review.model_validate(each) for each in self._call("GET", f"/v1/media/{media_id}/reviews")]

    def give_feedback(self, feedback: GiveFeedback) -> Feedback:
        """Say what a verdict got right or wrong."""
        return Feedback.model_validate(self._call("POST", "/v1/feedback", feedback.model_dump(mode="json")))

    def feedback(self, media_id: str) -> list[Feedback]:
        """What was said of a media's verdicts."""
        return [Feedback.model_validate(each) for each in self._call("GET", f"/v1/feedback?media_id={media_id}")]

    def delete(self, media_id: str) -> Media:
        """Delete a media with everything made of it."""
        return Media.model_validate(self._call("DELETE", f"/v1/media/{media_id}"))

    def _call(self, method: str, path: str, body: object = None) -> Any:
        response = self._api.request(method, path, json=body) if body is not None else self._api.request(method, path)
        if response.is_success:
            return response.json()
        try:
            told = response.json().get("error") or {}
        except (ValueError, AttributeError):
            told = {}
        raise ApiError(
            response.status_code,
            told.get("code", response.reason_phrase.lower().replace(" ", "_")),
            told.get("message", f"the API answered {response.status_code}"),
            told,
        )

    def _put_part(self, part: Part, file: Path, start: int, progress: Progress) -> PartDone:
        for left in reversed(range(PART_TRIES)):
            sent = _Tally(progress)
            try:
                response = self._storage.put(
                    part.url, content=_slice(file, start, part.size, sent), headers=part.headers
                )
                if left and response.status_code >= 500:
                    sent.take_back()
                    continue
                return PartDone(number=part.number, etag=_storage_answer(response).headers["ETag"])
            except httpx.TransportError:
                sent.take_back()
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")


def judged(view: MediaView) -> bool:
    """True when nothing more will come by itself: the latest job has ended, or the upload was given up."""
    if view.media.status is MediaStatus.DELETED:
        return True
    return view.job is not None and view.job.state in (JobState.FINISH, JobState.ABORTED)


class _Bearer(httpx.Auth):
    """Sends the token, and a fresh one when it is no longer accepted."""

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        known = self._token is not None
        self._token = self._token or self._fetch()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and known:
            self._token = self._fetch()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


class _Counting(FileIO):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path)
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        self._progress(len(data))
        return data


class _Tally:
    """Progress that can be taken back."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._sent = 0

    def __call__(self, sent: int) -> None:
        self._sent += sent
        self._progress(sent)

    def take_back(self) -> None:
        self._progress(-self._sent)


def _slice(file: Path, start: int, size: int, progress: Progress) -> Iterator[bytes]:
    with file.open("rb") as source:
        source.seek(start)
        while size > 0 and (chunk := source.read(min(CHUNK, size))):
            size -= len(chunk)
            progress(len(chunk))
            yield chunk


def _storage_answer(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    text = response.text
    code = text.partition("<Code>")[2].partition("</Code>")[0] or "storage_error"
    message = text.partition("<Message>")[2].partition("</Message>")[0] or f"storage answered {response.status_code}"
    raise ApiError(response.status_code, code, message)


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return base64.b64encode(hashlib.file_digest(source, "sha256").digest()).decode()


def _type_of(file: Path, kinds: tuple[str, ...], otherwise: str) -> str:
    """The type that the name suggests, if it is of these kinds. What the file really is, moderation finds out."""
    guess = mimetypes.guess_type(file.name)[0] or ""
    return guess if guess.startswith(kinds) else otherwise
