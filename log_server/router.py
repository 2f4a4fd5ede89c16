"""From a table of routes to answers: which operation a request means, and what it may carry.

Every refusal is a problem document (RFC 9457); nothing that a request can say makes a 500.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from http import HTTPStatus

from log_server.errors import EntrySizeError, MediaTypeError, NotFoundError
from log_server.exchange import CORS, Answer, Operation, Request, Route
from log_server.problems import problem, refusal
from verifier.errors import AuditError, ParseError
from verifier.tlog.strict import excerpt

__all__ = ["Router"]

_UNREAD_BODY = 2**16
"""Bytes of a body that is read although nobody asked for it."""


class Router:
    """An application (see ``protocol.Application``) made of a table of routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Route] = {}
        self._below: list[tuple[str, Route]] = []
        for route in routes:
            prefix, brace, _ = route.path.partition("{")
            if brace:
                self._below.append((prefix, route))
            else:
                self._exact[route.path] = route

    def max_body(self, method: str, target: str) -> int:
        """The longest body of such a request that is read, in bytes."""
        operation = self._operation(method, target)
        return operation.max_body if operation and operation.takes else _UNREAD_BODY

    def too_large(self, method: str, target: str, size: int) -> Answer:
        """The answer to a body of ``size`` bytes or more."""
        limit = self.max_body(method, target)
        operation = self._operation(method, target)
        what = "entry" if operation and limit < _UNREAD_BODY else "body"
        expected = f"1 to {limit} bytes"
        return refusal(EntrySizeError(what, expected=expected, got=f"{size} bytes"))

    def answer(self, request: Request) -> Answer | Awaitable[Answer]:
        """The answer to a whole request."""
        route = self._route(request.path)
        if route is None:
            got = request.path
            return refusal(NotFoundError("path", expected="a resource of this log", got=got))
        if request.method == "OPTIONS":
            return _options(route)
        name = "GET" if request.method == "HEAD" else request.method
        operation = route.operations.get(name)
        if operation is None:
            return _not_allowed(route, request)
        try:
            _require_query(operation, request.query)
            if operation.strict:
                _require_media_type(operation, request.headers.get("content-type", ""))
            result = operation.answer(request)
        except AuditError as error:
            return refusal(error)
        return result if isinstance(result, Answer) else _guarded(result)

    def _operation(self, method: str, target: str) -> Operation | None:
        route = self._route(target.partition("?")[0])
        return None if route is None else route.operations.get(method)

    def _route(self, path: str) -> Route | None:
        route = self._exact.get(path)
        if route is not None:
            return route
        for prefix, below in self._below:
            if path.startswith(prefix):
                return below
        return None


async def _guarded(result: Awaitable[Answer]) -> Answer:
    try:
        return await result
    except AuditError as error:
        return refusal(error)


def _options(route: Route) -> Answer:
    allowed = ", ".join(route.methods)
    headers = (
        *CORS,
        ("Allow", allowed),
        ("Access-Control-Allow-Methods", allowed),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Max-Age", "86400"),
    )
    return Answer(HTTPStatus.NO_CONTENT, headers=headers)


def _not_allowed(route: Route, request: Request) -> Answer:
    allowed = ", ".join(route.methods)
    return problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"method: {request.method} (expected {allowed})",
        field="method",
        expected=allowed,
        got=request.method,
        headers=(("Allow", allowed),),
    )


def _require_query(operation: Operation, query: str) -> None:
    # A read path ignores what it does not know (caches are told apart by it); a write path that
    # ignored a word could promise something that it does not do.
    if not query or not operation.takes:
        return
    seen: set[str] = set()
    for part in query.split("&"):
        name, _, value = part.partition("=")
        values = operation.query.get(name)
        if values is None or name in seen:
            expected = "once each: " + ", ".join(operation.query) if operation.query else "none"
            raise ParseError("query parameter", expected=expected, got=excerpt(name))
        if value not in values:
            raise ParseError(name, expected=" or ".join(values), got=excerpt(value))
        seen.add(name)


def _require_media_type(operation: Operation, stated: str) -> None:
    if stated.partition(";")[0].strip().lower() not in operation.takes:
        got = excerpt(stated) if stated else "none"
        raise MediaTypeError("Content-Type", expected=" or ".join(operation.takes), got=got)
