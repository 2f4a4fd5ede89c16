"""Errors as HTTP: the one place that knows which failure has which status (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from log_server.errors import (
    BusyError,
    EntrySizeError,
    LogError,
    MediaTypeError,
    NotFoundError,
)
from verifier.errors import AuditError, ParseError, UnsupportedError

__all__ = ["CORS", "PROBLEM_HANDLERS"]

CORS = {"Access-Control-Allow-Origin": "*"}
"""Everything here is public: a page of any origin may read it."""

_STATUSES: tuple[tuple[type[AuditError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (EntrySizeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (MediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (ParseError, HTTPStatus.BAD_REQUEST),
    (UnsupportedError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (BusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (LogError, HTTPStatus.SERVICE_UNAVAILABLE),
)

_RETRY = {"Retry-After": "1"}


async def _refused(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, AuditError):
        raise error
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), None)
    if status is None:
        raise error
    members = {"field": error.what, "expected": error.expected, "got": error.got}
    headers = _RETRY if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _problem(status, str(error), members, headers)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        members = {"field": "method", "expected": allowed, "got": request.method}
    else:
        members = {"field": "path", "expected": "a resource of this log", "got": request.url.path}
    return _problem(HTTPStatus(error.status_code), error.detail, members, error.headers or {})


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody reads this answer; without it the server would log a stack trace.
    del request, error
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _problem(
    status: HTTPStatus, detail: str, members: dict[str, str], headers: Mapping[str, str]
) -> Response:
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        **members,
    }
    return Response(
        json.dumps(body, ensure_ascii=False) + "\n",
        status_code=status.value,
        media_type="application/problem+json",
        headers={**CORS, **headers},
    )


PROBLEM_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    AuditError: _refused,
    HTTPException: _http,
    ClientDisconnect: _gone,
}
"""Exception class to its answer, for ``Starlette(exception_handlers=...)``."""
