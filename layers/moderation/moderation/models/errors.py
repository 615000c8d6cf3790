"""The closed set of errors that callers of the API and of the workflow can meet."""

from enum import StrEnum

_MAX_REASON = 200


class ErrorCode(StrEnum):
    """Stable, machine-readable codes of the HTTP API (`error.code`)."""

    INVALID_REQUEST = "invalid_request"
    FORBIDDEN_SCOPE = "forbidden_scope"
    MEDIA_NOT_FOUND = "media_not_found"
    JOB_NOT_FOUND = "job_not_found"
    UPLOAD_NOT_FOUND = "upload_not_found"
    UNKNOWN_PROCEDURE = "unknown_procedure"
    UNKNOWN_TEMPLATE = "unknown_template"
    SIZE_MISMATCH = "size_mismatch"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    NOT_PLAYABLE = "not_playable"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ModerationError(Exception):
    """A request that cannot be carried out, with its code and a sentence that says what to do.

    `details` holds only values that the caller may see (for example the status of a media).
    """

    def __init__(self, code: ErrorCode, message: str, **details: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


def reason(error: Exception) -> str:
    """Why a detector failed, short enough to be kept for every frame."""
    return f"{type(error).__name__}: {error}"[:_MAX_REASON]


class Transient(Exception):
    """A step failed for a reason outside the media and the code: worth retrying with jitter."""


class Permanent(Exception):
    """A step can never succeed on this input; `code` says why and the job ends with it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unforeseen(Exception):
    """A handler met an error that nobody foresaw. It names the kind only; where it was is in the log."""
