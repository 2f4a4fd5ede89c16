"""Errors as HTTP: the one place that knows which failure has which status (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

from log_server.errors import (
    BusyError,
    EntrySizeError,
    LogError,
    MediaTypeError,
    NotFoundError,
    PolicyRefusalError,
)
from log_server.exchange import CORS, Answer, Headers
from verifier.errors import AuditError, ParseError, UnsupportedError

__all__ = ["PROBLEM_MEDIA_TYPE", "problem", "refusal", "status_of"]

PROBLEM_MEDIA_TYPE = "application/problem+json"

_STATUSES: tuple[tuple[type[AuditError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (PolicyRefusalError, HTTPStatus.FORBIDDEN),
    (EntrySizeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (MediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (ParseError, HTTPStatus.BAD_REQUEST),
    (UnsupportedError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (BusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (LogError, HTTPStatus.SERVICE_UNAVAILABLE),
)

_RETRY: Headers = (("Retry-After", "1"),)


def status_of(error: AuditError) -> HTTPStatus | None:
    """The status of an error; None if no request can be the cause of it, nor its moment."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), None)


def refusal(error: AuditError) -> Answer:
    """The answer that says what was wrong. Raises the error again if it has no status."""
    status = status_of(error)
    if status is None:
        raise error
    headers = _RETRY if status is HTTPStatus.SERVICE_UNAVAILABLE else ()
    return problem(
        status,
        str(error),
        field=error.what,
        expected=error.expected,
        got=error.got,
        headers=headers,
    )


def problem(
    status: HTTPStatus, detail: str, *, field: str, expected: str, got: str, headers: Headers = ()
) -> Answer:
    """A problem document that names the field, what was expected there, and what came."""
    members = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "field": field,
        "expected": expected,
        "got": got,
    }
    # ASCII: what came is quoted, and need not be encodable.
    body = f"{json.dumps(members)}\n".encode("ascii")
    return Answer(status, body, PROBLEM_MEDIA_TYPE, (*CORS, *headers))
