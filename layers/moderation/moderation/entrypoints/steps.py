"""The errors of workflow steps: the state machine knows `Transient` (try again) and `Permanent` (never)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.models.errors import ModerationError, Permanent, Transient
from moderation.ports import Conflict, NotFound

logger = Logger()

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def step(handler: Handler) -> Handler:
    """A step's handler, with its log keys set and its errors sorted into the two kinds."""

    @wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        logger.set_correlation_id(event.get("job_id"))
        logger.append_keys(index=event.get("index"))
        try:
            return handler(event, context)
        except (Transient, Permanent):
            logger.exception("step failed")
            raise
        except Conflict as error:
            raise Transient(str(error)) from error
        except NotFound as error:
            raise Permanent("missing_object", f"an object of an earlier step is gone: {error}") from error
        except ModerationError as error:
            raise Permanent(error.code, error.message) from error

    return run


def seconds_left(context: LambdaContext) -> float:
    """Seconds until Lambda ends this call, less what it takes to tell of a failure."""
    return context.get_remaining_time_in_millis() / 1000 - 5.0
