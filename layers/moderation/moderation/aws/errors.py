"""What AWS answers when something goes wrong, in the words of the ports."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as AwsConnectionError

from moderation.models.errors import Transient
from moderation.ports import NotFound

# HEAD has no body, so S3's code is then the HTTP status. 405 is what a delete marker answers.
_MISSING = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"})
_BUSY = frozenset(
    {
        "InternalError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyInvalidationsInProgress",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


def code_of(error: ClientError) -> str:
    """The service's own code, such as `NoSuchKey`."""
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def port_errors(what: str = "") -> Iterator[None]:
    """Inside, AWS errors become NotFound or Transient where they mean that; others pass unchanged.

    NotFound says `what` was looked for, such as a key: it goes into the error of a job.

    Missing objects are told apart from forbidden ones only where the role may list the bucket. Of what AWS says, the
    operation and the code are kept: messages quote addresses and requests.
    """
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _MISSING:
            raise NotFound(" ".join(filter(None, (f"{error.operation_name}: {code}", what)))) from error
        if code in _BUSY or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(f"{error.operation_name}: {code}") from error
        raise
    except (AwsConnectionError, FlexibleChecksumError, HTTPClientError, IncompleteReadError) as error:
        raise Transient(type(error).__name__) from error
