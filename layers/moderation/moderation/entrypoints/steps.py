"""The errors of workflow steps: the state machine knows `Transient` (try again) and `Permanent` (never)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints.logs import logger
from moderation.models.errors import ModerationError, Permanent, Transient, Unforeseen
from moderation.ports import Conflict, NotFound

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def step(handler: Handler) -> Handler:
    """A step's handler, with its log keys set and its errors sorted into the two kinds.

    What leaves a step goes into the runtime's log, the history of the run and the job's error, so any other error
    leaves as `Unforeseen`, without its text.
    """

    @wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        logger.set_correlation_id(event.get("job_id"))
        logger.append_keys(index=event.get("index"))
        try:
            return handler(event, context)
        except Exception as error:
            logger.exception("step failed")
            raise _sorted(error) from None

    return run


def _sorted(error: Exception) -> Exception:
    match error:
        case Transient() | Permanent():
            return error
        case Conflict():
            return Transient(str(error))
        case NotFound():
            return Permanent("missing_object", f"an object of an earlier step is gone: {error}")
        case ModerationError():
            return Permanent(error.code, error.message)
        case _:
            return Unforeseen(type(error).__name__)


def seconds_left(context: LambdaContext) -> float:
    """Seconds until Lambda ends this call, less what it takes to tell of a failure."""
    return context.get_remaining_time_in_millis() / 1000 - 5.0
