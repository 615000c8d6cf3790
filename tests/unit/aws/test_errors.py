"""AWS errors in the words of the ports."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from moderation.aws.errors import port_errors
from moderation.models.errors import Transient
from moderation.ports import NotFound


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client_error("NoSuchKey", 404), NotFound),
        (client_error("NoSuchVersion", 404), NotFound),
        (client_error("404", 404), NotFound),
        (client_error("405", 405), NotFound),
        (client_error("NoSuchUpload", 404), NotFound),
        (client_error("SlowDown", 503), Transient),
        (client_error("ThrottlingException", 400), Transient),
        (client_error("Unheard", 500), Transient),
        (client_error("Unheard", 429), Transient),
        (EndpointConnectionError(endpoint_url="https://s3"), Transient),
        (ReadTimeoutError(endpoint_url="https://s3"), Transient),
        (client_error("AccessDenied", 403), ClientError),
        (client_error("NoSuchBucket", 404), ClientError),
        (client_error("ResourceNotFoundException", 400), ClientError),
    ],
    ids=str,
)
def test_an_error_says_whether_to_try_again(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, port_errors():
        raise error
    assert caught.value is error or caught.value.__cause__ is error
