"""HTTP/1.1 (RFC 9112) by h11, with limits and deadlines, over one attested session.

A request that h11 refuses, or that is too large, is answered and ends the connection.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import h11

from verifier.errors import AuditError, ParseError
from verifier.tlog.strict import excerpt, parse_decimal
from verifier.wire.sealed import MAX_SEALED

__all__ = ["PROBLEM_MEDIA_TYPE", "Answer", "HttpConnection", "Request", "Stream", "problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"

_MAX_HEAD = 8192  # bytes of the request line and all fields
_IDLE = 60.0  # seconds until the first byte of the next request
_TRANSFER = 30.0  # seconds for a whole request, and for a whole answer


class Stream(Protocol):
    """What a connection reads and writes; each raises FetchError when the deadline passes."""

    def receive(self, *, deadline: float) -> bytes:
        """Some bytes, or none at the end."""

    def send(self, content: bytes, *, deadline: float) -> None:
        """Write all of ``content``."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; ``media_type`` is empty if it names none."""

    method: str
    target: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; ``fields`` are further header fields."""

    status: HTTPStatus
    media_type: str
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()


def problem(
    status: HTTPStatus,
    error: AuditError,
    *,
    fields: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """The answer that says what was wrong (RFC 9457), with what was expected and what came."""
    document = {
        "detail": str(error),
        "expected": error.expected,
        "field": error.what,
        "got": error.got,
        "status": status.value,
        "title": status.phrase,
    }
    return Answer(status, PROBLEM_MEDIA_TYPE, json.dumps(document).encode("ascii"), fields)


class HttpConnection:
    """Requests and answers in turn, as a server."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)

    def receive_request(self) -> Request | Answer | None:
        """The next request; the answer to one that is not acceptable; None at the end.

        Raises FetchError for a client that is silent or gone.
        """
        try:
            return self._receive()
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            refused = ParseError("request", expected="HTTP/1.1", got=excerpt(str(error), 120))
            return problem(status, refused)

    def send_answer(self, answer: Answer, *, last: bool) -> None:
        """Write ``answer``; if it is not the ``last``, make ready for the next request.

        Raises FetchError.
        """
        fields = [
            ("Content-Type", answer.media_type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
            *answer.fields,
            *([("Connection", "close")] if last else []),
        ]
        head = h11.Response(
            status_code=answer.status.value,
            headers=fields,
            reason=answer.status.phrase.encode("ascii"),
        )
        content = b"".join(
            self._http.send(event) or b""
            for event in (head, h11.Data(data=answer.body), h11.EndOfMessage())
        )
        self._stream.send(content, deadline=time.monotonic() + _TRANSFER)
        if not last:
            self._http.start_next_cycle()

    @property
    def must_close(self) -> bool:
        """Whether the client asked for the end, or cannot keep a connection."""
        return self._http.their_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)

    def _receive(self) -> Request | Answer | None:
        deadline = time.monotonic() + _IDLE
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self._stream.receive(deadline=deadline))
                deadline = min(deadline, time.monotonic() + _TRANSFER)
            elif isinstance(event, h11.Request):
                head = event
                refusal = _refusal(head)
                if refusal is not None:
                    return refusal
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body))
            else:  # the client has ended the connection
                return None


def _refusal(head: h11.Request) -> Answer | None:
    """What is said before the body is read: h11 holds a body to its Content-Length."""
    if any(name in (b"transfer-encoding", b"expect") for name, _ in head.headers):
        refused = ParseError("request", expected="a Content-Length", got="another kind of body")
        return problem(HTTPStatus.LENGTH_REQUIRED, refused)
    text = dict(head.headers).get(b"content-length", b"0").decode("ascii")
    try:
        length = parse_decimal(text, what="Content-Length")
    except ParseError as error:
        return problem(HTTPStatus.BAD_REQUEST, error)
    if length <= MAX_SEALED:
        return None
    refused = ParseError("body", expected=f"at most {MAX_SEALED} bytes", got=text)
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, refused)


def _request(head: h11.Request, body: bytes) -> Request:
    types = [value for name, value in head.headers if name == b"content-type"]
    return Request(
        method=head.method.decode("ascii"),
        target=head.target.decode("ascii"),
        # Two of them are none that could be right.
        media_type=types[0].decode("latin-1") if len(types) == 1 else "",
        body=body,
    )
