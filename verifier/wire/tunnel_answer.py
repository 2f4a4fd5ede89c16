"""What a gateway answers in a tunnel: bytes of the CVM, or why not.

An answer is 200 with the tunnel's identifier and bytes of the TLS connection, maybe none; 204 to a
request that closes; or a problem document (RFC 9457) under a status of its own. As requests, all
are padded to a bucket. Source: docs/spec/private-path.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rfc8785

from verifier.errors import ParseError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_hex, parse_json
from verifier.wire.bhttp import BinaryResponse, Field, encode_response, pad_message, parse_response
from verifier.wire.tunnel import (
    BUCKETS,
    MAX_RECORDS,
    RECORDS_MEDIA_TYPE,
    TUNNEL_ID_SIZE,
    padded_size,
)

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "PROBLEM_STATUSES",
    "TunnelAnswer",
    "TunnelClosed",
    "TunnelProblem",
    "TunnelReply",
    "encode_tunnel_answer",
    "parse_tunnel_answer",
]

PROBLEM_MEDIA_TYPE = "application/problem+json"

PROBLEM_STATUSES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    409: "Conflict",
    410: "Gone",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
"""Which statuses a problem has, with their titles: malformed; token refused; no such tunnel; a
sequence that does not follow; the CVM has closed; too many tunnels; the CVM is not reached; the
gateway stops."""

_WHAT = "tunnel answer"
_TEXT = r"[ -~]{0,512}"


@dataclass(frozen=True, slots=True)
class TunnelAnswer:
    """Bytes of the CVM since the last answer; ``tunnel`` has 16 bytes."""

    tunnel: bytes
    records: bytes


@dataclass(frozen=True, slots=True)
class TunnelClosed:
    """The tunnel is closed, as was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelProblem:
    """Why not. ``status`` is one of ``PROBLEM_STATUSES``.

    ``what``, ``expected`` and ``got`` are those of the gateway's error, in printable ASCII.
    ``challenge`` is the value of ``WWW-Authenticate`` if the status is 401, else empty.
    """

    status: int
    what: str
    expected: str
    got: str
    challenge: str


TunnelReply = TunnelAnswer | TunnelClosed | TunnelProblem


def parse_tunnel_answer(raw: bytes) -> TunnelReply:
    """Read a binary response of a gateway. Raises ParseError."""
    if len(raw) not in BUCKETS:
        expected = f"a power of two from {BUCKETS[0]} to {BUCKETS[-1]} bytes"
        raise ParseError(f"length of the {_WHAT}", expected=expected, got=f"{len(raw)}")
    response = parse_response(raw)
    if response.informational or response.trailers:
        got = f"{len(response.informational)} and {len(response.trailers)}"
        expected = "no informational responses and no trailers"
        raise ParseError(_WHAT, expected=expected, got=got)
    if response.status == 200:
        return _records(response)
    if response.status == 204:
        _values(response)
        if response.content:
            got = f"{len(response.content)}"
            raise ParseError(f"content of the {_WHAT}", expected="0 bytes", got=got)
        return TunnelClosed()
    if response.status not in PROBLEM_STATUSES:
        expected = ", ".join(map(str, (200, 204, *PROBLEM_STATUSES)))
        raise ParseError(f"status of the {_WHAT}", expected=expected, got=f"{response.status}")
    return _problem(response)


def encode_tunnel_answer(answer: TunnelReply) -> bytes:
    """Write an answer in its bucket, so that ``parse_tunnel_answer`` reads the same.

    Raises ValueError if none can say it.
    """
    status, fields, content = _parts(answer)
    response = BinaryResponse(
        informational=(),
        status=status,
        fields=tuple(Field(name, value.encode("utf-8")) for name, value in fields),
        content=content,
        trailers=(),
    )
    raw = encode_response(response)
    raw = pad_message(raw, size=padded_size(len(raw)))
    try:
        read = parse_tunnel_answer(raw)
    except ParseError as error:
        text = f"not a tunnel answer: {error}"
        raise ValueError(text) from error
    if read != answer:
        text = "not a tunnel answer: it would be read as another"
        raise ValueError(text)
    return raw


def _parts(answer: TunnelReply) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    if isinstance(answer, TunnelAnswer):
        fields = (("content-type", RECORDS_MEDIA_TYPE), ("tunnel", answer.tunnel.hex()))
        return 200, fields, answer.records
    if isinstance(answer, TunnelClosed):
        return 204, (), b""
    document: dict[str, Any] = {
        "expected": answer.expected,
        "field": answer.what,
        "got": answer.got,
        "status": answer.status,
        "title": PROBLEM_STATUSES.get(answer.status, ""),
    }
    media_type = ("content-type", PROBLEM_MEDIA_TYPE)
    challenge = (("www-authenticate", answer.challenge),) if answer.challenge else ()
    return answer.status, (media_type, *challenge), rfc8785.dumps(document)


def _records(response: BinaryResponse) -> TunnelAnswer:
    media_type, tunnel = _values(response, "content-type", "tunnel")
    _require_media_type(media_type, RECORDS_MEDIA_TYPE)
    if len(response.content) > MAX_RECORDS:
        what, got = f"content of the {_WHAT}", f"{len(response.content)}"
        raise ParseError(what, expected=f"at most {MAX_RECORDS} bytes", got=got)
    identifier = parse_hex(tunnel, what=f"tunnel of the {_WHAT}", size=TUNNEL_ID_SIZE)
    return TunnelAnswer(identifier, response.content)


def _problem(response: BinaryResponse) -> TunnelProblem:
    names = ("content-type", "www-authenticate")[: 2 if response.status == 401 else 1]
    media_type, *challenge = _values(response, *names)
    _require_media_type(media_type, PROBLEM_MEDIA_TYPE)
    what = f"problem of the {_WHAT}"
    document = JsonObject(parse_json(response.content, what=what), what=what)
    problem = TunnelProblem(
        status=document.integer("status", minimum=response.status, maximum=response.status),
        what=document.text("field", pattern=_TEXT),
        expected=document.text("expected", pattern=_TEXT),
        got=document.text("got", pattern=_TEXT),
        challenge="".join(challenge),
    )
    document.choice("title", (PROBLEM_STATUSES[response.status],))
    document.end()
    return problem


def _values(response: BinaryResponse, *names: str) -> tuple[str, ...]:
    found = tuple(field.name for field in response.fields)
    if found != names:
        what, got = f"fields of the {_WHAT}", excerpt(" ".join(found))
        raise ParseError(what, expected=" and ".join(names) or "none", got=got)
    # Every byte has a character in Latin-1; the reader of each value refuses what it must.
    return tuple(field.value.decode("latin-1") for field in response.fields)


def _require_media_type(media_type: str, expected: str) -> None:
    if media_type != expected:
        what = f"content-type of the {_WHAT}"
        raise ParseError(what, expected=expected, got=excerpt(media_type))
