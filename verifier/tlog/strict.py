"""Strict readers for the primitive encodings that every format here is made of.

This is the only module of the project that calls ``int()`` on text, ``b64decode`` or
``json.loads``. Python's own are lenient: ``int`` takes ``"+5"``, ``" 5 "``, ``"1_000"``, ``"007"``
and Arabic digits, ``b64decode`` skips foreign characters and ignores stray bits, ``json.loads``
keeps the last of two equal keys and takes NaN. Two texts that decode to one value are two
documents with one meaning, and that is how signatures get detached from what people read.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from verifier.errors import ParseError

__all__ = [
    "JSON_MAX_DEPTH",
    "excerpt",
    "first_repeated",
    "parse_base64",
    "parse_base64url",
    "parse_decimal",
    "parse_hex",
    "parse_hex_integer",
    "parse_json",
    "parse_octal",
    "parse_timestamp",
    "parse_utf8",
]

_T = TypeVar("_T", bound=Hashable)

JSON_MAX_DEPTH = 32
"""Deepest nesting of arrays and objects that ``parse_json`` follows."""

_INTEGER_MAX = 2**53 - 1  # RFC 8785 section 3.2.2.3: larger JSON numbers are not interoperable
_DECIMAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]", re.ASCII)
_OCTAL = re.compile(r"[0-7]{1,11}", re.ASCII)
_HEX_INTEGER = re.compile(r"0x[0-9a-fA-F]{1,16}", re.ASCII)


def excerpt(value: str | bytes, limit: int = 60) -> str:
    """Quote foreign input for an error message: escaped, on one line, at most ``limit`` long."""
    text = repr(value[: limit + 1])
    return text if len(value) <= limit else f"{text[:limit]}… ({len(value)} long)"


def first_repeated(values: Iterable[_T]) -> _T | None:
    """The first value that was there before, None if each is there once. None is no value here."""
    seen: set[_T] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def parse_decimal(text: str, *, what: str, maximum: int = 2**63 - 1) -> int:
    """Read a decimal without sign, space, underscore or leading zero, at most ``maximum``.

    Raises ParseError. Source: C2SP tlog-checkpoint and tlog-tiles ("ASCII decimal with no
    leading zeroes").
    """
    # The length is bounded first: converting a long digit string costs quadratic time.
    if len(text) > 20 or _DECIMAL.fullmatch(text) is None:
        raise ParseError(what, expected="a decimal without leading zeros", got=excerpt(text))
    value = int(text)
    if value > maximum:
        raise ParseError(what, expected=f"a decimal up to {maximum}", got=text)
    return value


def parse_base64(text: str, *, what: str, size: int | None = None) -> bytes:
    """Read canonical, padded standard base64 (RFC 4648 section 4), of ``size`` bytes if given.

    Raises ParseError for foreign characters, missing padding and non-zero stray bits.
    """
    expected = "canonical base64" if size is None else f"canonical base64 of {size} bytes"
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ParseError(what, expected=expected, got=excerpt(text)) from None
    # Re-encoding is what catches stray bits in the last character, which Python ignores.
    if base64.b64encode(value).decode("ascii") != text:
        raise ParseError(what, expected=expected, got=excerpt(text))
    if size is not None and len(value) != size:
        raise ParseError(what, expected=expected, got=f"{len(value)} bytes")
    return value


def parse_base64url(text: str, *, what: str, padded: bool, size: int | None = None) -> bytes:
    """Read canonical base64url (RFC 4648 section 5), of ``size`` bytes if given.

    ``padded`` says whether the padding must be there; JOSE leaves it out (RFC 7515 section 2).
    Raises ParseError.
    """
    expected = f"canonical base64url {'with' if padded else 'without'} padding"
    if any(foreign in text for foreign in "+/") or (not padded and "=" in text):
        raise ParseError(what, expected=expected, got=excerpt(text))
    filling = "" if padded else "=" * (-len(text) % 4)
    return parse_base64(text.replace("-", "+").replace("_", "/") + filling, what=what, size=size)


def parse_hex(text: str, *, what: str, size: int | None = None) -> bytes:
    """Read lower-case hexadecimal without separators, of ``size`` bytes if given.

    Raises ParseError.
    """
    expected = "lower-case hex" if size is None else f"{2 * size} lower-case hex digits"
    if _HEX.fullmatch(text) is None or (size is not None and len(text) != 2 * size):
        raise ParseError(what, expected=expected, got=excerpt(text))
    return bytes.fromhex(text)


def parse_hex_integer(text: str, *, what: str, maximum: int = 2**64 - 1) -> int:
    """Read an integer written as ``0x`` and 1 to 16 hex digits. Raises ParseError."""
    if _HEX_INTEGER.fullmatch(text) is None:
        raise ParseError(what, expected="0x and 1 to 16 hex digits", got=excerpt(text))
    value = int(text, 16)
    if value > maximum:
        raise ParseError(what, expected=f"at most {maximum:#x}", got=text)
    return value


def parse_octal(text: str, *, what: str) -> int:
    """Read 1 to 11 octal digits, as headers of tar hold numbers. Raises ParseError."""
    if _OCTAL.fullmatch(text) is None:
        raise ParseError(what, expected="1 to 11 octal digits", got=excerpt(text))
    return int(text, 8)


def parse_timestamp(text: str, *, what: str) -> datetime:
    """Read an RFC 3339 instant in UTC to the second, ``YYYY-MM-DDThh:mm:ssZ``.

    One spelling for one instant: offsets, fractions and leap seconds are refused. Raises
    ParseError.
    """
    expected = "an instant as YYYY-MM-DDThh:mm:ssZ"
    if _TIMESTAMP.fullmatch(text) is None:
        raise ParseError(what, expected=expected, got=excerpt(text))
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ParseError(what, expected=expected, got=excerpt(text)) from None


def parse_utf8(data: bytes, *, what: str) -> str:
    """Decode UTF-8 without replacement. Raises ParseError."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(what, expected="UTF-8", got=f"byte {error.start} is not") from None


def parse_json(data: bytes, *, what: str) -> Any:
    """Read JSON as I-JSON (RFC 7493): no duplicate key, no float, no number beyond 2**53 - 1.

    Nesting is at most ``JSON_MAX_DEPTH``. Raises ParseError. The result is made of dict, list,
    str, int, bool and None; the caller checks its shape.
    """
    text = parse_utf8(data, what=what)
    _check_depth(text, what)

    def integer(token: str) -> int:
        value = parse_decimal(token.removeprefix("-"), what=what, maximum=_INTEGER_MAX)
        if token.startswith("-") and value == 0:
            raise ParseError(what, expected="an integer", got="-0")
        return -value if token.startswith("-") else value

    def refuse(token: str) -> NoReturn:
        raise ParseError(what, expected="integers only", got=excerpt(token))

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            twice = first_repeated(key for key, _ in pairs)
            raise ParseError(what, expected="each key once", got=f"{excerpt(twice or '')} twice")
        return members

    try:
        value = json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
        )
    except json.JSONDecodeError as error:
        got = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise ParseError(what, expected="JSON", got=got) from None
    if _SURROGATE.search(text) is not None:
        _refuse_lone_surrogate(value, what)
    return value


def _refuse_lone_surrogate(value: Any, what: str) -> None:
    # Only an escape can bring one in (the text itself is UTF-8), so this walk is rarely taken.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ParseError(what, expected="Unicode text", got="a lone surrogate") from None


def _check_depth(text: str, what: str) -> None:
    # What has too few brackets for it, as most documents, needs no closer look.
    if text.count("{") + text.count("[") <= JSON_MAX_DEPTH:
        return
    # Counted before parsing, because the parser recurses. Brackets inside strings are skipped.
    # A string need not end: else each of its quotes would be tried as a start, in quadratic time.
    # Nothing is given back (*+): else a long string costs a hundred times its size in memory.
    depth = 0
    for token in re.finditer(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', text, re.DOTALL):
        opens = token[0] in ("[", "{")
        depth += opens - (token[0] in ("]", "}"))
        if depth > JSON_MAX_DEPTH:
            expected = f"at most {JSON_MAX_DEPTH} levels of nesting"
            raise ParseError(what, expected=expected, got="more")
