"""The one logger of all functions, and what may be in a log.

A line says where something failed and of which kind, never what it was about: titles, comments, file names, tokens
and signed URLs reach the text of exceptions, of ours and of libraries alike. So no exception's own text is logged
but of those that we word ourselves, and that is decided where records are made, for whatever logger makes them.
"""

import errno
import logging
import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, TypeAlias

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from pydantic import ValidationError

from moderation.models.errors import ModerationError, Permanent, Transient
from moderation.ports import Conflict

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

_SIGNED = re.compile(r"(?<=\S)\?\S+=\S*")
"""The query of a URL, which is where a signature is."""

logger: Final = Logger()


def told(error: BaseException) -> str:
    """A traceback without a word of the exceptions' own, innermost cause first."""
    return "\nled to\n".join(
        "".join(traceback.format_tb(one.__traceback__))
        + f"{type(one).__module__}.{type(one).__qualname__}{_detail(one)}"
        for one in reversed(list(_chain(error)))
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _detail(error: BaseException) -> str:
    """What is known to hold nothing of anybody: words of ours, codes of AWS, numbers of the system."""
    match error:
        case Permanent() | ModerationError():
            return f": {error.code}"
        case Transient() | Conflict():
            return f": {_SIGNED.sub('?…', str(error))}"
        case ClientError():
            metadata = error.response.get("ResponseMetadata", {})
            code = error.response.get("Error", {}).get("Code")
            return f": {error.operation_name} {code}, request {metadata.get('RequestId')}"
        case ValidationError():
            return f": {error.title}, {', '.join(sorted({problem['type'] for problem in error.errors()}))}"
        case OSError():
            return f": {errno.errorcode.get(error.errno or 0, 'unknown')}"
    return ""


def _careful(make: Any) -> Any:
    """Records of our own logger keep their words; those of libraries keep the pattern without what was filled in."""

    def record(
        name: str,
        level: int,
        path: str,
        line: int,
        message: object,
        arguments: Any,
        exc_info: _ExcInfo | tuple[None, None, None] | None,
        *more: Any,
        **named: Any,
    ) -> logging.LogRecord:
        if level < logging.INFO:
            made: logging.LogRecord = make(name, level, path, line, message, arguments, exc_info, *more, **named)
            return made
        if name != logger.name:
            message, arguments = _SIGNED.sub("?…", str(message)), ()
        made = make(name, level, path, line, message, arguments, None, *more, **named)
        if exc_info is not None and exc_info[1] is not None:
            made.exception, made.exception_name = told(exc_info[1]), type(exc_info[1]).__name__
        return made

    record.wraps = make  # type: ignore[attr-defined]
    return record


# A line that a handler cannot write it would print to the standard error output, with the whole traceback.
logging.raiseExceptions = False
if not hasattr(logging.getLogRecordFactory(), "wraps"):
    logging.setLogRecordFactory(_careful(logging.getLogRecordFactory()))
