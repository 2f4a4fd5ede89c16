"""Binary HTTP (RFC 9292), ``message/bhttp``: whole requests and responses as bytes.

Messages of known and of indeterminate length are read; those of known length are written. Where
the standard leaves a choice, the strict one is made: field names are in lower case and hold no
colon (no pseudo-field is defined for this format), values follow the grammar of RFC 9110 section
5.5, padding is looked at, and a CONNECT request, which could have no effect, is refused. A message
may end where a field section or content would begin (section 3.8), and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from verifier.errors import ParseError
from verifier.tlog.strict import excerpt
from verifier.wire.varint import encode_varint, parse_varint

__all__ = [
    "BHTTP_MEDIA_TYPE",
    "MAX_CHUNKS",
    "MAX_CONTENT",
    "MAX_FIELDS",
    "MAX_INFORMATIONAL",
    "MAX_MESSAGE",
    "MAX_SECTION",
    "BinaryRequest",
    "BinaryResponse",
    "Field",
    "InformationalResponse",
    "encode_request",
    "encode_response",
    "pad_message",
    "parse_request",
    "parse_response",
]

BHTTP_MEDIA_TYPE = "message/bhttp"

MAX_CONTENT = 262_144
"""Most bytes of content."""

MAX_CHUNKS = 4096
"""Most chunks of content of indeterminate length."""

MAX_SECTION = 32_768
"""Most bytes of a field section."""

MAX_MESSAGE = MAX_CONTENT + 131_072
"""Most bytes of a message with its padding."""

MAX_FIELDS = 64
"""Most fields of a section."""

MAX_INFORMATIONAL = 8
"""Most informational responses before the final one."""

_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
_SCHEME = re.compile(rb"[a-z][a-z0-9+.\-]{0,15}")
_AUTHORITY = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=:\[\]]{0,255}")
_PATH = re.compile(rb'/[!"$-~]{0,2047}|\*')
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]{1,256}")
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,8190}[!-~\x80-\xff])?)?")
# Of each part of control data: name, most bytes, form, in the order of the format.
_CONTROL = (
    ("method", 32, _METHOD),
    ("scheme", 16, _SCHEME),
    ("authority", 255, _AUTHORITY),
    ("path", 2048, _PATH),
)
_MAX_NAME, _MAX_VALUE = 256, 8192
_REQUEST, _RESPONSE = "binary request", "binary response"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Field:
    """One field line. ``name`` is in lower case; ``value`` has no white space at its ends."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryRequest:
    """A request. ``authority`` may be empty; ``path`` begins with ``/`` or is ``*``."""

    method: str
    scheme: str
    authority: str
    path: str
    fields: tuple[Field, ...]
    content: bytes
    trailers: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class InformationalResponse:
    """One response before the final one; ``status`` is 100 to 199."""

    status: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryResponse:
    """A response with those that preceded it; ``status`` is 200 to 599."""

    informational: tuple[InformationalResponse, ...]
    status: int
    fields: tuple[Field, ...]
    content: bytes
    trailers: tuple[Field, ...]


class _Reader:
    """A message being read, and how far."""

    def __init__(self, raw: bytes, what: str) -> None:
        if len(raw) > MAX_MESSAGE:
            raise ParseError(what, expected=f"at most {MAX_MESSAGE} bytes", got=f"{len(raw)} bytes")
        self.raw, self.what, self.offset = raw, what, 0
        self.known_length = True

    def ended(self) -> bool:
        return self.offset == len(self.raw)

    def integer(self, part: str) -> int:
        value, self.offset = parse_varint(self.raw, self.offset, what=f"{part} of the {self.what}")
        return value

    def take(self, part: str, size: int, *, most: int) -> bytes:
        what = f"{part} of the {self.what}"
        if size > most:
            raise ParseError(what, expected=f"at most {most} bytes", got=f"{size}")
        if size > len(self.raw) - self.offset:
            got = f"{len(self.raw) - self.offset}"
            raise ParseError(what, expected=f"{size} bytes", got=got)
        start, self.offset = self.offset, self.offset + size
        return self.raw[start : self.offset]

    def text(self, part: str, form: re.Pattern[bytes], *, size: int, most: int) -> bytes:
        text = self.take(part, size, most=most)
        if form.fullmatch(text) is None:
            what = f"{part} of the {self.what}"
            raise ParseError(what, expected="the form of RFC 9110", got=excerpt(text))
        return text


def parse_request(raw: bytes) -> BinaryRequest:
    """Read a request of known or indeterminate length. Raises ParseError."""
    reader = _framed(raw, _REQUEST, known_length=0)
    method, scheme, authority, path = (
        reader.text(part, form, size=reader.integer(part), most=most).decode("ascii")
        for part, most, form in _CONTROL
    )
    if method == "CONNECT":
        raise ParseError(f"method of the {_REQUEST}", expected="no CONNECT", got=method)
    request = BinaryRequest(
        method=method,
        scheme=scheme,
        authority=authority,
        path=path,
        fields=_section(reader, "fields"),
        content=_content(reader),
        trailers=_section(reader, "trailers"),
    )
    _end(reader)
    return request


def parse_response(raw: bytes) -> BinaryResponse:
    """Read a response of known or indeterminate length. Raises ParseError."""
    reader = _framed(raw, _RESPONSE, known_length=1)
    informational: list[InformationalResponse] = []
    while (status := reader.integer("status")) in range(100, 200):
        if len(informational) == MAX_INFORMATIONAL:
            what = f"informational responses of the {_RESPONSE}"
            raise ParseError(what, expected=f"at most {MAX_INFORMATIONAL}", got="more")
        informational.append(InformationalResponse(status, _section(reader, "fields")))
    if status not in range(200, 600):
        raise ParseError(f"status of the {_RESPONSE}", expected="100 to 599", got=f"{status}")
    response = BinaryResponse(
        informational=tuple(informational),
        status=status,
        fields=_section(reader, "fields"),
        content=_content(reader),
        trailers=_section(reader, "trailers"),
    )
    _end(reader)
    return response


def encode_request(request: BinaryRequest) -> bytes:
    """Write a request of known length, so that ``parse_request`` gives back the same.

    Raises ValueError if no message can say it.
    """
    control = (request.method, request.scheme, request.authority, request.path)
    head = b"".join(_sized(part.encode("utf-8")) for part in control)
    raw = encode_varint(0) + head + _rest(request)
    return _readable(raw, parse_request, request)


def encode_response(response: BinaryResponse) -> bytes:
    """Write a response of known length, so that ``parse_response`` gives back the same.

    Raises ValueError if no message can say it.
    """
    before = b"".join(
        encode_varint(each.status) + _encoded_section(each.fields)
        for each in response.informational
    )
    raw = encode_varint(1) + before + encode_varint(response.status) + _rest(response)
    return _readable(raw, parse_response, response)


def pad_message(raw: bytes, *, size: int) -> bytes:
    """Fill a whole message with zero bytes up to ``size``; ValueError if it is longer.

    It says the same: each zero is padding, or stands for a part that was left out at the end (RFC
    9292 section 3.8).
    """
    if len(raw) > size:
        message = f"a message of {len(raw)} bytes does not fit into {size}"
        raise ValueError(message)
    return raw + bytes(size - len(raw))


def _framed(raw: bytes, what: str, *, known_length: int) -> _Reader:
    reader = _Reader(raw, what)
    framing = reader.integer("framing indicator")
    if framing not in (known_length, known_length + 2):
        expected = f"{known_length} or {known_length + 2}"
        raise ParseError(f"framing indicator of the {what}", expected=expected, got=f"{framing}")
    reader.known_length = framing == known_length
    return reader


def _section(reader: _Reader, part: str) -> tuple[Field, ...]:
    # An informational response is never last: where its fields are missing, so is the final status.
    if reader.ended():
        return ()
    what = f"{part} of the {reader.what}"
    end = _known_end(reader, part) if reader.known_length else None
    start = reader.offset
    lines: list[Field] = []
    while reader.offset != end:
        if (size := reader.integer(part)) == 0 and end is None:
            return tuple(lines)
        if len(lines) == MAX_FIELDS:
            raise ParseError(what, expected=f"at most {MAX_FIELDS} fields", got="more")
        name = reader.text(f"name in the {part}", _NAME, size=size, most=_MAX_NAME)
        size = reader.integer(f"value in the {part}")
        value = reader.text(f"value in the {part}", _VALUE, size=size, most=_MAX_VALUE)
        lines.append(Field(name.decode("ascii"), value))
        if end is not None and reader.offset > end:
            expected = f"field lines of {end - start} bytes"
            raise ParseError(what, expected=expected, got=f"{reader.offset - start}")
        if reader.offset - start > MAX_SECTION:
            raise ParseError(what, expected=f"at most {MAX_SECTION} bytes", got="more")
    return tuple(lines)


def _known_end(reader: _Reader, part: str) -> int:
    size = reader.integer(part)
    start = reader.offset
    reader.take(part, size, most=MAX_SECTION)
    reader.offset = start
    return start + size


def _content(reader: _Reader) -> bytes:
    if reader.ended():
        return b""
    if reader.known_length:
        return reader.take("content", reader.integer("content"), most=MAX_CONTENT)
    chunks: list[bytes] = []
    room = MAX_CONTENT
    while size := reader.integer("content"):
        if len(chunks) == MAX_CHUNKS:
            what = f"content of the {reader.what}"
            raise ParseError(what, expected=f"at most {MAX_CHUNKS} chunks", got="more")
        chunks.append(reader.take("content", size, most=room))
        room -= size
    return b"".join(chunks)


def _end(reader: _Reader) -> None:
    if any(reader.raw[reader.offset :]):
        what = f"padding of the {reader.what}"
        raise ParseError(what, expected="zero bytes", got="another byte")


def _rest(message: BinaryRequest | BinaryResponse) -> bytes:
    fields, trailers = _encoded_section(message.fields), _encoded_section(message.trailers)
    return fields + _sized(message.content) + trailers


def _encoded_section(fields: tuple[Field, ...]) -> bytes:
    return _sized(
        b"".join(_sized(field.name.encode("utf-8")) + _sized(field.value) for field in fields)
    )


def _sized(content: bytes) -> bytes:
    return encode_varint(len(content)) + content


def _readable(raw: bytes, parse: Callable[[bytes], _T], message: _T) -> bytes:
    try:
        read = parse(raw)
    except ParseError as error:
        text = f"no binary message can say this: {error}"
        raise ValueError(text) from error
    if read != message:
        text = "no binary message can say this: it would be read as another"
        raise ValueError(text)
    return raw
