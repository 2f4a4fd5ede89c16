"""One HTTP request and its answer, as values. Nothing here reads or writes a socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus

__all__ = ["CORS", "Answer", "Headers", "Operation", "Request", "Response", "Route"]

Headers = tuple[tuple[str, str], ...]
"""Names and values, as they are sent."""

CORS: Headers = (("Access-Control-Allow-Origin", "*"),)
"""Everything here is public: a page of any origin may read it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request.

    ``path`` and ``query`` are as received (percent-escapes and all), split at the first ``?``;
    ``headers`` has lower-case names, and the values of a repeated name joined by ", ".
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``headers`` are those beside Content-Type, Content-Length and Date.

    ``head`` is made of them: status line and header lines, without Date and the blank line.
    """

    status: HTTPStatus
    body: bytes = b""
    media_type: str | None = None
    headers: Headers = CORS
    head: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        head = _encode_head(self.status, self.media_type, self.headers)
        if self.status is not HTTPStatus.NO_CONTENT:
            head += b"Content-Length: %d\r\n" % len(self.body)
        object.__setattr__(self, "head", head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What an answer of one status carries: its media type, and the JSON schema of its content."""

    status: HTTPStatus
    description: str
    media_type: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    ``takes``: media types of the body, empty if it has none; they are required to be stated if
    ``strict``. ``max_body`` is in bytes. ``query``: parameters and the values that they may have.
    ``problems``: statuses of problem documents, beside those that every path has.
    """

    name: str
    summary: str
    answer: Callable[[Request], Answer | Awaitable[Answer]]
    responses: tuple[Response, ...]
    takes: tuple[str, ...] = ()
    strict: bool = False
    max_body: int = 0
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[HTTPStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path, or all below one: ``path`` may end in a parameter in braces, slashes included.

    ``pattern`` is the regular expression of that parameter. ``operations`` are by method; HEAD
    and OPTIONS follow from them.
    """

    path: str
    operations: Mapping[str, Operation]
    pattern: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """What is allowed here, HEAD and OPTIONS included, sorted."""
        implied = ("HEAD", "OPTIONS") if "GET" in self.operations else ("OPTIONS",)
        return tuple(sorted({*self.operations, *implied}))


@lru_cache(maxsize=256)
def _encode_head(status: HTTPStatus, media_type: str | None, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    if media_type is not None:
        lines.append(f"Content-Type: {media_type}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")
