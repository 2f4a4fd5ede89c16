"""The tunnel from a client through the gateway to a CVM, as binary HTTP inside Oblivious HTTP.

Three requests: open a tunnel with a token, go on in it with a number, close it. Their content, and
the content of the answers, are bytes of the TLS connection between client and CVM, which neither
this module nor the gateway reads. Every message is padded to a bucket, so that its length says no
more than which. There is one spelling for each request: fields besides those named here are
refused, for they could tell one client from another. Source: docs/spec/private-path.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.strict import excerpt, parse_decimal, parse_hex
from verifier.wire.bhttp import BinaryRequest, Field, encode_request, pad_message, parse_request
from verifier.wire.token import Token, encode_authorization, parse_authorization

__all__ = [
    "BUCKETS",
    "MAX_RECORDS",
    "MAX_SEQUENCE",
    "RECORDS_MEDIA_TYPE",
    "TUNNEL_ID_SIZE",
    "TUNNEL_PATH",
    "CloseTunnel",
    "ContinueTunnel",
    "OpenTunnel",
    "TunnelPlace",
    "TunnelRequest",
    "advance_tunnel",
    "encode_tunnel_request",
    "padded_size",
    "parse_tunnel_request",
]

TUNNEL_PATH = "/v1/tunnel"
RECORDS_MEDIA_TYPE = "application/octet-stream"

TUNNEL_ID_SIZE = 16
"""Bytes of the identifier of a tunnel, which the gateway draws at random."""

BUCKETS = tuple(1 << power for power in range(10, 19))
"""Lengths that a binary message may have: the powers of two from 1 KiB to 256 KiB."""

MAX_RECORDS = BUCKETS[-1] - 4096
"""Most bytes of TLS records in one message; more goes into several."""

MAX_SEQUENCE = 65_535
"""Highest number of a request in a tunnel; the one that opens it has none, the next is 1."""

_WHAT = "tunnel request"
_ID = re.compile(rf"{re.escape(TUNNEL_PATH)}/([0-9a-f]{{{2 * TUNNEL_ID_SIZE}}})")


@dataclass(frozen=True, slots=True)
class OpenTunnel:
    """``POST /v1/tunnel``: a token, and the first bytes for the CVM (one or more)."""

    authority: str
    token: Token
    records: bytes


@dataclass(frozen=True, slots=True)
class ContinueTunnel:
    """``POST /v1/tunnel/{id}``: further bytes for the CVM, or none, to ask for what it said."""

    authority: str
    tunnel: bytes
    sequence: int
    records: bytes


@dataclass(frozen=True, slots=True)
class CloseTunnel:
    """``DELETE /v1/tunnel/{id}``."""

    authority: str
    tunnel: bytes


TunnelRequest = OpenTunnel | ContinueTunnel | CloseTunnel


@dataclass(frozen=True, slots=True)
class TunnelPlace:
    """How far a tunnel is: the number of its last request (0: opened), and the SHA-256 of that."""

    sequence: int
    digest: bytes


def parse_tunnel_request(raw: bytes) -> TunnelRequest:
    """Read a binary request to a gateway. Raises ParseError.

    UnsupportedError if the token is of another scheme or type. Whether ``authority`` is the
    gateway's own is for the gateway to compare.
    """
    if len(raw) not in BUCKETS:
        expected = f"a power of two from {BUCKETS[0]} to {BUCKETS[-1]} bytes"
        raise ParseError(f"length of the {_WHAT}", expected=expected, got=f"{len(raw)}")
    request = parse_request(raw)
    if request.scheme != "https" or not request.authority or request.trailers:
        got = f"{request.scheme}://{excerpt(request.authority)}, {len(request.trailers)} trailers"
        raise ParseError(_WHAT, expected="https://, an authority and no trailers", got=got)
    if len(request.content) > MAX_RECORDS:
        what, got = f"content of the {_WHAT}", f"{len(request.content)}"
        raise ParseError(what, expected=f"at most {MAX_RECORDS} bytes", got=got)
    if (request.method, request.path) == ("POST", TUNNEL_PATH):
        return _opening(request)
    named = _ID.fullmatch(request.path)
    if named is None or request.method not in ("POST", "DELETE"):
        expected = f"POST {TUNNEL_PATH}, or POST or DELETE {TUNNEL_PATH}/ and an identifier"
        got = f"{request.method} {excerpt(request.path)}"
        raise ParseError(_WHAT, expected=expected, got=got)
    tunnel = parse_hex(named[1], what=f"identifier of the {_WHAT}", size=TUNNEL_ID_SIZE)
    return _closing(request, tunnel) if request.method == "DELETE" else _next(request, tunnel)


def encode_tunnel_request(request: TunnelRequest) -> bytes:
    """Write a request in its bucket, so that ``parse_tunnel_request`` reads the same.

    Raises ValueError if none can say it.
    """
    fields, content = _fields(request)
    path = (
        TUNNEL_PATH if isinstance(request, OpenTunnel) else f"{TUNNEL_PATH}/{request.tunnel.hex()}"
    )
    message = BinaryRequest(
        method="DELETE" if isinstance(request, CloseTunnel) else "POST",
        scheme="https",
        authority=request.authority,
        path=path,
        fields=tuple(Field(name, value.encode("ascii")) for name, value in fields),
        content=content,
        trailers=(),
    )
    raw = encode_request(message)
    raw = pad_message(raw, size=padded_size(len(raw)))
    try:
        read = parse_tunnel_request(raw)
    except (ParseError, UnsupportedError) as error:
        text = f"not a tunnel request: {error}"
        raise ValueError(text) from error
    if read != request:
        text = "not a tunnel request: it would be read as another"
        raise ValueError(text)
    return raw


def padded_size(size: int) -> int:
    """The bucket of a message of ``size`` bytes; ValueError if it is longer than every bucket."""
    for bucket in BUCKETS:
        if size <= bucket:
            return bucket
    message = f"{size} bytes fit into no bucket"
    raise ValueError(message)


def advance_tunnel(place: TunnelPlace, request: ContinueTunnel) -> TunnelPlace:
    """Where ``request`` brings a tunnel: the next place, or the same if it is the last one again.

    In the same place the gateway gives the same answer and sends nothing to the CVM. Raises
    VerificationError if the number does not follow, or comes again with other bytes.
    """
    digest = hashlib.sha256(request.records).digest()
    what, got = f"sequence of the {_WHAT}", f"{request.sequence}"
    if request.sequence == place.sequence:
        if digest != place.digest:
            raise VerificationError(what, expected="the same bytes again", got=f"{got}, others")
        return place
    if request.sequence != place.sequence + 1:
        expected = f"{place.sequence + 1}, or {place.sequence} again"
        raise VerificationError(what, expected=expected, got=got)
    return TunnelPlace(request.sequence, digest)


def _opening(request: BinaryRequest) -> OpenTunnel:
    authorization, media_type = _values(request, "authorization", "content-type")
    _require_media_type(media_type)
    if not request.content:
        raise ParseError(f"content of the {_WHAT}", expected="1 byte or more", got="0")
    return OpenTunnel(request.authority, parse_authorization(authorization), request.content)


def _next(request: BinaryRequest, tunnel: bytes) -> ContinueTunnel:
    media_type, number = _values(request, "content-type", "sequence")
    _require_media_type(media_type)
    what = f"sequence of the {_WHAT}"
    sequence = parse_decimal(number, what=what, maximum=MAX_SEQUENCE)
    if sequence == 0:
        raise ParseError(what, expected=f"1 to {MAX_SEQUENCE}", got="0")
    return ContinueTunnel(request.authority, tunnel, sequence, request.content)


def _closing(request: BinaryRequest, tunnel: bytes) -> CloseTunnel:
    _values(request)
    if request.content:
        what, got = f"content of the {_WHAT}", f"{len(request.content)}"
        raise ParseError(what, expected="0 bytes", got=got)
    return CloseTunnel(request.authority, tunnel)


def _values(request: BinaryRequest, *names: str) -> tuple[str, ...]:
    found = tuple(field.name for field in request.fields)
    if found != names:
        what, got = f"fields of the {_WHAT}", excerpt(" ".join(found))
        raise ParseError(what, expected=" and ".join(names) or "none", got=got)
    # Every byte has a character in Latin-1; the parser of each value refuses what it must.
    return tuple(field.value.decode("latin-1") for field in request.fields)


def _require_media_type(media_type: str) -> None:
    if media_type != RECORDS_MEDIA_TYPE:
        what = f"content-type of the {_WHAT}"
        raise ParseError(what, expected=RECORDS_MEDIA_TYPE, got=excerpt(media_type))


def _fields(request: TunnelRequest) -> tuple[tuple[tuple[str, str], ...], bytes]:
    media_type = ("content-type", RECORDS_MEDIA_TYPE)
    if isinstance(request, OpenTunnel):
        authorization = encode_authorization(request.token)
        return (("authorization", authorization), media_type), request.records
    if isinstance(request, ContinueTunnel):
        return (media_type, ("sequence", f"{request.sequence}")), request.records
    return (), b""
