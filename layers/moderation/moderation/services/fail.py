"""A job that cannot go on ends here: with a code and a reason, and with nothing unchecked left playing."""

import json
from dataclasses import dataclass

from moderation.models.errors import Permanent
from moderation.models.job import JobError, media_of
from moderation.models.media import MediaStatus
from moderation.ports import MediaStore, NotFound
from moderation.services.settle import Settlement

MAX_REASON = 500

_CODES = {
    "Transient": "unavailable",
    "Permanent": "step_failed",
    "States.Timeout": "timeout",
    "Sandbox.Timedout": "timeout",
    "execution_timed_out": "timeout",
    "execution_aborted": "aborted",
    "execution_failed": "step_failed",
}
"""What Step Functions calls an error → the closed set of codes of failed jobs; all else is `internal`."""


def reason(cause: str) -> str:
    """The message in an error's cause, without stack trace, cut short."""
    try:
        parsed = json.loads(cause)
    except ValueError:
        parsed = None
    message = parsed.get("errorMessage", "") if isinstance(parsed, dict) else cause
    return str(message)[:MAX_REASON]


@dataclass(frozen=True)
class Failure:
    """The use case of the fail_job function."""

    store: MediaStore
    settlement: Settlement

    def run(self, job_id: str, error: str, cause: str) -> bool:
        """End the job as failed. Does nothing to a job that has ended, so it may be called late and often.

        False when its media has been deleted meanwhile: then nothing has failed that anybody still wants.
        """
        deleted = self._deleted(media_of(job_id))
        try:
            job = self.store.job(job_id)
        except NotFound as missing:
            if deleted:
                return False  # its jobs were forgotten while this one ran
            raise Permanent("unknown_job", f"there is no job {job_id}") from missing
        self.settlement.failed(job, JobError(code=_CODES.get(error, "internal"), message=reason(cause)))
        return not deleted

    def _deleted(self, media_id: str) -> bool:
        try:
            return self.store.media(media_id).status is MediaStatus.DELETED
        except NotFound:
            return False
