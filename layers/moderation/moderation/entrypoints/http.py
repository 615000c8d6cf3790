"""The HTTP side of every API function: scopes, errors, JSON. The only place where a scope is checked."""

import json
import re
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from moderation.entrypoints.logs import logger
from moderation.models.errors import ErrorCode, ModerationError, Transient
from moderation.ports import Conflict

SCOPES: Final = {
    "POST /v1/uploads": "upload",
    "POST /v1/uploads/{media_id}/complete": "upload",
    "POST /v1/uploads/{media_id}/abort": "upload",
    "GET /v1/media/{media_id}": "read",
    "DELETE /v1/media/{media_id}": "admin",
    "POST /v1/media/{media_id}/jobs": "review",
    "GET /v1/media/{media_id}/playback": "read",
    "GET /v1/media/{media_id}/reviews": "review",
    "GET /v1/jobs/{job_id}": "read",
    "POST /v1/reviews": "review",
    "GET /v1/reviews": "review",
    "POST /v1/feedback": "review",
    "GET /v1/feedback": "review",
}
"""Which scope each route asks for. A route that is not listed answers nobody."""

RESOURCE_SERVER: Final = "greenlight/"
"""Cognito puts the resource server before a scope; other issuers send the bare scope."""

_STATUS: Final = {
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.UNKNOWN_PROCEDURE: 400,
    ErrorCode.UNKNOWN_TEMPLATE: 400,
    ErrorCode.SIZE_MISMATCH: 400,
    ErrorCode.FORBIDDEN_SCOPE: 403,
    ErrorCode.NOT_PLAYABLE: 403,
    ErrorCode.MEDIA_NOT_FOUND: 404,
    ErrorCode.JOB_NOT_FOUND: 404,
    ErrorCode.UPLOAD_NOT_FOUND: 404,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}

MAX_BODY: Final = 256 * 1024
"""Characters. The longest request there is, the etags of 1,000 parts, is half of that."""

_PROBLEMS: Final = 10
"""How many of them an answer tells of a request."""

_JSON: Final = "application/json"
_HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""On every answer: most hold addresses that work for whoever has them."""


def api() -> APIGatewayHttpResolver:
    """A resolver that validates requests against the handlers' annotations and answers with our errors."""
    app = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=_parsed)

    def refused(error: ModerationError) -> Response[str]:
        return _error(app, error.code, error.message, **error.details)

    def invalid(error: RequestValidationError) -> Response[str]:
        problems = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:_PROBLEMS]]
        return _error(app, ErrorCode.INVALID_REQUEST, "; ".join(problems))

    def busy(error: Exception) -> Response[str]:
        logger.warning("unavailable", reason=str(error))
        return _error(app, ErrorCode.UNAVAILABLE, "try again in a moment")

    def unknown(error: NotFoundError) -> Response[str]:
        return _error(app, ErrorCode.NOT_FOUND, "there is no such route")

    app.exception_handler(ModerationError)(refused)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler([Transient, Conflict])(busy)
    app.not_found(unknown)
    return app


def serve(app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the caller's scope, then answer. Nothing of the request is parsed before the scope is known."""
    logger.append_keys(route=event.get("routeKey"), request_id=context.aws_request_id)
    try:
        answer = _answer(app, event, context)
    except Exception:
        logger.exception("unexpected error")
        message = "something went wrong on our side; quote the request id"
        answer = _refusal(ErrorCode.INTERNAL, message, context)
    return {**answer, "headers": {**answer["headers"], **_HEADERS}}


def _answer(app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    route = event.get("routeKey", "")
    needed = SCOPES.get(route)
    if needed is None or not _leads_to(event, route):
        return _refusal(ErrorCode.NOT_FOUND, "there is no such route", context)
    if needed not in scopes(event):
        return _refusal(ErrorCode.FORBIDDEN_SCOPE, f"this call needs the scope {needed!r}", context)
    if len(event.get("body") or "") > MAX_BODY:
        return _refusal(ErrorCode.INVALID_REQUEST, f"body: longer than {MAX_BODY} characters", context)
    content_type = event.get("headers", {}).get("content-type", _JSON).partition(";")[0].strip().lower()
    if event.get("body") and content_type != _JSON:
        return _refusal(ErrorCode.INVALID_REQUEST, f"body: only {_JSON} is understood", context)
    return app.resolve(event, context)


def _leads_to(event: dict[str, Any], route: str) -> bool:
    """Whether method and path are those of the route: the gateway names the route, but they choose what answers."""
    method, _, path = route.partition(" ")
    pattern = re.sub(r"\{\w+\}", r"[^/\\s]+", path)
    return event["requestContext"]["http"]["method"] == method and re.fullmatch(pattern, event["rawPath"]) is not None


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise ModerationError(ErrorCode.INVALID_REQUEST, "body: not JSON, or not of a reasonable kind") from error


def scopes(event: dict[str, Any]) -> frozenset[str]:
    """The scopes in the verified token of a request: none when its claim is not a text of words."""
    match event:
        case {"requestContext": {"authorizer": {"jwt": {"claims": {"scope": str(granted)}}}}}:
            return frozenset(scope.removeprefix(RESOURCE_SERVER) for scope in granted.split())
    return frozenset()


def caller(app: APIGatewayHttpResolver) -> str:
    """Who calls: the subject of the verified token."""
    claims = app.current_event["requestContext"]["authorizer"]["jwt"]["claims"]
    return str(claims.get("sub") or claims.get("client_id") or "unknown")


def _refusal(code: ErrorCode, message: str, context: LambdaContext) -> dict[str, Any]:
    return {
        "statusCode": _STATUS[code],
        "headers": {"content-type": _JSON},
        "body": _body(code, message, context.aws_request_id),
    }


def _error(app: APIGatewayHttpResolver, code: ErrorCode, message: str, **details: str) -> Response[str]:
    context = app.lambda_context
    return Response(_STATUS[code], _JSON, _body(code, message, context.aws_request_id, **details))


def _body(code: ErrorCode, message: str, request_id: str, **details: str) -> str:
    return json.dumps({"error": {"code": code, "message": message, "request_id": request_id, **details}})
