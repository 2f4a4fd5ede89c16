"""HTTP/1.1 on one connection: bytes in, whole requests to an application, answers out in order.

The reading of HTTP is llhttp's (``httptools``), strict: it refuses two lengths, a length beside
chunks, and what follows a last request. This module adds the bounds: how large a head or a body may
be, how many bytes all connections together may hold, how long a client may take.

Why not an ASGI server: the event loop shares its interpreter with the sequencer, and a bare echo on
this protocol answers several times what one on uvicorn answers (``benchmarks/log_load.py`` prints
the echo beside the log).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from log_server.errors import BusyError
from log_server.exchange import Answer, Request
from log_server.problems import problem, refusal
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = [
    "IDLE_SECONDS",
    "MAX_CONNECTIONS",
    "MAX_HEAD",
    "MAX_HELD",
    "MAX_OWED",
    "REQUEST_SECONDS",
    "Application",
    "Connections",
    "HttpProtocol",
]

MAX_HEAD = 2**15
"""Bytes of request line and headers; more get 431."""

MAX_HELD = 2**27
"""Bytes of request bodies that all connections together may hold; more get 503."""

MAX_OWED = 2**27
"""Bytes of answers that clients who do not read may make wait; more get 503, but for small ones."""

MAX_CONNECTIONS = 4096
"""Connections at a time; more get 503."""

IDLE_SECONDS = 75.0
"""A connection without a request is closed after this time."""

REQUEST_SECONDS = 30.0
"""A request must arrive, and its answer be taken, within this time."""

_QUEUE = 16
_LINGER_SECONDS = 5.0
_SMALL = 2**14
_CLOSE = b"Connection: close\r\n\r\n"
_CHUNKED = 8  # a body in chunks of one byte takes six times its size


class Application(Protocol):
    """What answers requests."""

    def max_body(self, method: str, target: str) -> int:
        """The longest body of such a request that is read, in bytes."""

    def too_large(self, method: str, target: str, size: int) -> Answer:
        """The answer to a body of ``size`` bytes or more."""

    def answer(self, request: Request) -> Answer | Awaitable[Answer]:
        """The answer. An exception is a bug, and ends the connection."""


@dataclass(slots=True)
class Connections:
    """What all connections of a server share."""

    application: Application
    loop: asyncio.AbstractEventLoop
    open: set[HttpProtocol] = field(default_factory=set)
    held: int = 0
    owed: int = 0
    stopping: bool = False
    head_ends: tuple[bytes, bytes] = (_CLOSE, b"\r\n")
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    def tick(self) -> None:
        """Renew the date, and end what takes too long; to be called about once a second."""
        date = f"Date: {formatdate(usegmt=True)}\r\n".encode("ascii")
        self.head_ends = (date + _CLOSE, date + b"\r\n")
        now = self.loop.time()
        for connection in tuple(self.open):
            connection.expire(now)

    def stop(self) -> None:
        """Close what is idle; let the others end with the requests that they have sent.

        ``empty`` is set when the last connection is closed.
        """
        self.stopping = True
        if not self.open:
            self.empty.set()
        for connection in tuple(self.open):
            connection.leave()


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._queue: deque[tuple[Request, bool] | Answer] = deque()
        self._task: asyncio.Task[None] | None = None
        self._since = shared.loop.time()
        self._deaf = False  # no more is read: the answer to what was read ends the connection
        self._closing = False
        self._ended = False  # the client has sent its last byte
        self._blocked = False
        self._owed = 0
        self._waits = False
        self._receiving = False
        self._target = b""
        self._line = ("", "")
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = self._limit = self._received = self._head = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self._shared.open.add(self)
        if len(self._shared.open) > MAX_CONNECTIONS:
            expected = f"at most {MAX_CONNECTIONS}"
            self._end(refusal(BusyError("connections", expected=expected, got="more")))
            self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it. What waits for the sequencer is logged all the same."""
        del exc
        self._deaf = self._closing = True
        del self._parser  # which refers to this: freed now, not when the collector comes
        self._shared.held -= self._size
        self._forget_queue()
        self._owe(0)
        self._shared.open.discard(self)
        if self._shared.stopping and not self._shared.open:
            self._shared.empty.set()

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for answers."""
        self._ended = True
        if self._receiving and not self._deaf:
            status = HTTPStatus.BAD_REQUEST
            self._refuse(status, "request", "a whole request", "the beginning of one")
            self._pump()
        self._deaf = True
        return not self._closing and (self._task is not None or bool(self._queue))

    def pause_writing(self) -> None:
        """The client does not read: answer nothing more for now."""
        self._blocked = True
        self._owe(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client reads again."""
        self._blocked = False
        self._owe(0)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and answer what is whole."""
        if self._deaf:
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here. The request itself was whole, and is answered.
            self._deaf = True
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(HTTPStatus.BAD_REQUEST, "request", "HTTP/1.1", str(error))
        # What is not whole is not called back: this is what ends a header without an end.
        if self._receiving and self._received > MAX_HEAD + _CHUNKED * self._limit:
            self._refuse_head()
        self._pump()

    def on_message_begin(self) -> None:
        """A request starts."""
        self._target = b""
        self._headers = {}
        self._body = []
        self._size = self._limit = self._received = self._head = 0
        self._receiving = not self._deaf
        self._since = self._shared.loop.time()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._target += url
        self._head += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._head += len(name) + len(value)
        present = self._headers.get(key)
        self._headers[key] = text if present is None else f"{present}, {text}"

    def on_headers_complete(self) -> None:
        """Refuse what would be too large before it is received."""
        if self._deaf:
            return
        if self._head > MAX_HEAD:
            self._refuse_head()
            return
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self._refuse(HTTPStatus.BAD_REQUEST, "HTTP version", "1.0 or 1.1", version)
            return
        if version == "1.1" and "host" not in self._headers:
            self._refuse(HTTPStatus.BAD_REQUEST, "Host", "a host (RFC 9112 section 3.2)", "none")
            return
        self._line = (self._parser.get_method().decode("ascii"), self._path_and_query())
        if "content-length" not in self._headers and "transfer-encoding" not in self._headers:
            return  # no body (RFC 9112 section 6.3)
        self._limit = self._shared.application.max_body(*self._line)
        refused = self._too_large(self._headers.get("content-length"))
        if refused is not None:
            self._end(refused)
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._deaf:
            return
        self._body.append(body)
        self._size += len(body)
        self._shared.held += len(body)
        if self._size > self._limit:
            self._end(self._shared.application.too_large(*self._line, self._size))
        elif self._shared.held > MAX_HELD:
            expected = f"at most {MAX_HELD} bytes at a time"
            self._end(refusal(BusyError("request bodies", expected=expected, got="more")))

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._deaf:
            return
        method, target = self._line
        path, _, query = target.partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        keep = self._parser.should_keep_alive()
        self._queue.append((Request(method, path, query, self._headers, body), keep))
        self._body, self._size = [], 0
        self._receiving = False
        self._deaf = not keep

    def expire(self, now: float) -> None:
        """End the connection if it was silent for too long."""
        silent = now - self._since
        if self._closing:
            if silent > _LINGER_SECONDS:
                self._transport.abort()
        elif self._receiving and silent > REQUEST_SECONDS:
            expected = f"a whole request within {REQUEST_SECONDS:.0f} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "request", expected, "a part of one")
            self._pump()
        elif self._blocked and silent > REQUEST_SECONDS:
            self._transport.abort()
        elif self._task is None and not self._queue and silent > IDLE_SECONDS:
            self._transport.close()

    def leave(self) -> None:
        """Take no more requests; close when those that were sent are answered."""
        if self._task is None and not self._queue:
            self._transport.close()
        self._deaf = True

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    def _path_and_query(self) -> str:
        target = self._target
        if not target.startswith(b"/"):
            try:
                # The absolute form (RFC 9112 section 3.2.2), as a proxy sends it.
                url = httptools.parse_url(target)
                target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
            except httptools.HttpParserInvalidURLError:
                pass
        return target.decode("latin-1")

    def _refuse_head(self) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self._refuse(status, "headers", f"at most {MAX_HEAD} bytes", "more")

    def _too_large(self, stated: str | None) -> Answer | None:
        if stated is None:
            return None
        try:
            size = parse_decimal(stated, what="Content-Length")
        except ParseError as error:
            return refusal(error)
        if size <= self._limit:
            return None
        return self._shared.application.too_large(*self._line, size)

    def _refuse(self, status: HTTPStatus, what: str, expected: str, got: str) -> None:
        detail = f"{what}: {got} (expected {expected})"
        self._end(problem(status, detail, field=what, expected=expected, got=excerpt(got)))

    def _end(self, last: Answer) -> None:
        self._queue.append(last)
        self._deaf = True
        self._receiving = False
        self._shared.held -= self._size
        self._body, self._size = [], 0

    def _owe(self, size: int) -> None:
        self._shared.owed += size - self._owed
        self._owed = size

    def _pump(self) -> None:
        while self._queue and self._task is None and not self._blocked and not self._closing:
            item = self._queue.popleft()
            if isinstance(item, Answer):
                self._write(item, keep=False, head_only=False)
                return
            request, keep = item
            result = self._shared.application.answer(request)
            if isinstance(result, Answer):
                self._answered(request, result, keep=keep)
            else:
                self._task = self._shared.loop.create_task(self._wait(request, result, keep))
        if self._waits != (len(self._queue) >= _QUEUE) and not self._transport.is_closing():
            self._waits = not self._waits
            if self._waits:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    async def _wait(self, request: Request, result: Awaitable[Answer], keep: bool) -> None:
        try:
            answer = await result
        except BaseException:
            self._transport.abort()
            raise
        self._task = None
        self._answered(request, answer, keep=keep)
        self._pump()

    def _answered(self, request: Request, answer: Answer, *, keep: bool) -> None:
        self._shared.held -= len(request.body)
        if self._shared.owed > MAX_OWED and len(answer.body) > _SMALL:
            expected = f"at most {MAX_OWED} bytes at a time"
            answer = refusal(BusyError("unread answers", expected=expected, got="more"))
        ends = not keep or self._shared.stopping or (self._deaf and not self._queue)
        self._write(answer, keep=not ends, head_only=request.method == "HEAD")

    def _write(self, answer: Answer, *, keep: bool, head_only: bool) -> None:
        if self._transport.is_closing():
            return
        self._since = self._shared.loop.time()
        head = answer.head + self._shared.head_ends[keep]
        if len(answer.body) > _SMALL and not head_only:
            self._transport.writelines((head, answer.body))  # copying it would cost more
        else:
            self._transport.write(head if head_only else head + answer.body)
        if not keep:
            self._close()

    def _close(self) -> None:
        # Closing with unread bytes in the buffer resets the connection, and the client may lose
        # the answer; so our side ends first, and what still comes is thrown away for a while.
        self._deaf = self._closing = True
        self._forget_queue()
        if self._ended:
            self._transport.close()
            return
        self._transport.write_eof()
        if self._waits:
            self._waits = False
            self._transport.resume_reading()

    def _forget_queue(self) -> None:
        for item in self._queue:
            if not isinstance(item, Answer):
                self._shared.held -= len(item[0].body)
        self._queue.clear()
