"""HTTP as every role speaks it: exact routes, whole bodies of bounded size, answers of fixed form.

A route sees the body of a request and, if it asks for it, the Authorization field. It never sees an
address, a cookie or any other field: what a role is not given it can neither keep nor pass on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.role.counts import Counts
from pipeline.role.problem import Answer, RefusalError, problem
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = ["BODY_SECONDS", "MAX_THREADS", "Application", "Asked", "Route"]

BODY_SECONDS = 15.0
"""How long a client may take to send a body."""

MAX_THREADS = 64
"""Most requests that are answered at a time; further ones wait."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route is given of a request.

    ``authorization`` is empty if there is no such field, or if the route does not take it.
    """

    body: bytes
    authorization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is answered to ``method`` on exactly ``path``, without a query.

    A body is of ``media_type``, at most ``limit`` bytes, and not empty; a limit of 0 means none.
    """

    method: str
    path: str
    media_type: str
    limit: int
    answer: Callable[[Asked], Answer]
    takes_authorization: bool = False


class Application:
    """The ASGI application of a role; each request is answered in a thread."""

    def __init__(self, routes: Sequence[Route], counts: Counts) -> None:
        self._routes = tuple(routes)
        self._counts = counts
        self._threads = ThreadPoolExecutor(MAX_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        with _Unforeseen(self._counts):
            answer = await self._answer(Request(scope, receive))
            fields = {"Content-Type": answer.media_type, "Cache-Control": "no-store"}
            response = Response(answer.body, answer.status.value, fields | dict(answer.fields))
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        try:
            route = self._route(request)
            asked = Asked(await _body(request, route), _authorization(request, route))
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, route.answer, asked)
        except RefusalError as refusal:
            self._counts.add("refusals")
            answer = problem(refusal)
            # Its body may not have been read, and nobody waits for the rest of it.
            return Answer(
                answer.status,
                answer.media_type,
                answer.body,
                (*answer.fields, ("Connection", "close")),
            )
        self._counts.add("answers")
        return answer

    def _route(self, request: Request) -> Route:
        path = request.scope["raw_path"].decode("latin-1")
        if request.scope["query_string"]:
            path += "?" + request.scope["query_string"].decode("latin-1")
        found = [route for route in self._routes if route.path == path]
        if not found:
            expected = " or ".join(sorted({route.path for route in self._routes}))
            status = HTTPStatus.NOT_FOUND
            raise RefusalError(status, "target", "target", expected=expected, got=excerpt(path))
        for route in found:
            if route.method == request.method:
                return route
        allowed = ", ".join(route.method for route in found)
        raise RefusalError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method",
            "method",
            expected=allowed,
            got=excerpt(request.method),
            fields=(("Allow", allowed),),
        )


def _only(request: Request, name: str) -> str:
    """The value of a field; empty if it is not there, or twice: then none could be the right one.

    uvicorn gives names in lower case.
    """
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _authorization(request: Request, route: Route) -> str:
    return _only(request, "authorization") if route.takes_authorization else ""


async def _body(request: Request, route: Route) -> bytes:
    length = _length(request, route)
    media_type = _only(request, "content-type")
    if length and media_type != route.media_type:
        raise RefusalError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "Content-Type",
            expected=route.media_type or "no body",
            got=excerpt(media_type) if media_type else "none, or several",
        )
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
    except (TimeoutError, ClientDisconnect):
        raise RefusalError(
            HTTPStatus.REQUEST_TIMEOUT,
            "slow-body",
            "body",
            expected=f"{length} bytes within {BODY_SECONDS:g} s",
            got=f"{len(body)}",
        ) from None
    return bytes(body)


def _length(request: Request, route: Route) -> int:
    """The length that the request says; the server holds the body to it (RFC 9112 section 6.3)."""
    if "transfer-encoding" in request.headers:
        raise _refuse_length(HTTPStatus.LENGTH_REQUIRED, "a Content-Length", "Transfer-Encoding")
    try:
        length = parse_decimal(_only(request, "content-length") or "0", what="Content-Length")
    except ParseError as error:
        raise _refuse_length(HTTPStatus.BAD_REQUEST, error.expected, error.got) from None
    if length > route.limit:
        expected = f"at most {route.limit} bytes"
        raise _refuse_length(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, expected, str(length))
    if route.limit and not length:
        raise _refuse_length(HTTPStatus.LENGTH_REQUIRED, "a body with a Content-Length", "none")
    return length


def _refuse_length(status: HTTPStatus, expected: str, got: str) -> RefusalError:
    return RefusalError(status, "length", "body", expected=expected, got=got)


class _Unforeseen:
    """Counts what an answer died of, and lets the server answer 500 without a word."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):  # and not the end of the role
            self._counts.add_failure(error)
