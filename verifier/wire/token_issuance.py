"""What a client and an issuer of tokens say to one another (RFC 9578 sections 4 and 6).

This is all that an issuer may see. It sees who asks, and 256 bytes that are random to it. It cannot
see the token, nor what it is for.
"""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from typing import Any

import rfc8785

from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_base64url, parse_json
from verifier.wire.token_key import MODULUS_SIZE, TOKEN_TYPE, TokenKey, parse_token_key

__all__ = [
    "DIRECTORY_MEDIA_TYPE",
    "DIRECTORY_PATH",
    "MAX_DIRECTORY",
    "REQUEST_MEDIA_TYPE",
    "RESPONSE_MEDIA_TYPE",
    "TOKEN_REQUEST_SIZE",
    "TOKEN_RESPONSE_SIZE",
    "DirectoryKey",
    "IssuerDirectory",
    "TokenRequest",
    "encode_directory",
    "encode_token_request",
    "parse_directory",
    "parse_token_request",
    "parse_token_response",
]

DIRECTORY_PATH = "/.well-known/private-token-issuer-directory"
DIRECTORY_MEDIA_TYPE = "application/private-token-issuer-directory"
REQUEST_MEDIA_TYPE = "application/private-token-request"
RESPONSE_MEDIA_TYPE = "application/private-token-response"

TOKEN_REQUEST_SIZE = 3 + MODULUS_SIZE
"""Bytes of a request for a token."""

TOKEN_RESPONSE_SIZE = MODULUS_SIZE
"""Bytes of its answer, a blind signature."""

MAX_DIRECTORY = 16_384
"""Most bytes of an issuer's directory."""

_MAX_KEYS = 16
_HEAD = struct.Struct("> H B")
_DIRECTORY = "issuer directory"
_URI = re.compile(r"(?:https?://[a-z0-9.\-\[\]:]{1,255})?/[!-~]{0,255}")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request for one token: the last byte of the key's identifier, and 256 blinded bytes."""

    truncated_key_id: int
    blinded_message: bytes


@dataclass(frozen=True, slots=True)
class DirectoryKey:
    """A key in a directory; ``not_before`` is in seconds since 1970, 0 if it is not said."""

    key: TokenKey
    not_before: int


@dataclass(frozen=True, slots=True)
class IssuerDirectory:
    """Where an issuer takes requests (a path, or a whole URI), and its keys, the first preferred.

    Believed by no one: a client takes no key from here that is not in the log.
    """

    request_uri: str
    keys: tuple[DirectoryKey, ...]


def parse_token_request(raw: bytes) -> TokenRequest:
    """Read a request. Raises ParseError; UnsupportedError for a token type that is not ours."""
    what = "token request"
    token_type = int.from_bytes(raw[:2], "big")
    if len(raw) >= 2 and token_type != TOKEN_TYPE:
        got = f"{token_type:#06x}"
        raise UnsupportedError(f"type of the {what}", expected=f"{TOKEN_TYPE:#06x}", got=got)
    if len(raw) != TOKEN_REQUEST_SIZE:
        raise ParseError(what, expected=f"{TOKEN_REQUEST_SIZE} bytes", got=f"{len(raw)}")
    _, truncated_key_id = _HEAD.unpack_from(raw)
    return TokenRequest(truncated_key_id, raw[_HEAD.size :])


def encode_token_request(request: TokenRequest) -> bytes:
    """Write a request; ValueError if the blinded message has not 256 bytes."""
    if len(request.blinded_message) != MODULUS_SIZE:
        message = f"a blinded message of {len(request.blinded_message)} bytes"
        raise ValueError(message)
    return _HEAD.pack(TOKEN_TYPE, request.truncated_key_id) + request.blinded_message


def parse_token_response(raw: bytes) -> bytes:
    """The blind signature of an answer, which is all of it. Raises ParseError."""
    if len(raw) != TOKEN_RESPONSE_SIZE:
        expected = f"{TOKEN_RESPONSE_SIZE} bytes"
        raise ParseError("token response", expected=expected, got=f"{len(raw)}")
    return raw


def parse_directory(raw: bytes) -> IssuerDirectory:
    """Read an issuer's directory (RFC 9578 section 4), without the keys of other token types.

    Raises ParseError, also for a member that the standard does not name; UnsupportedError if no
    key is left.
    """
    if len(raw) > MAX_DIRECTORY:
        expected = f"at most {MAX_DIRECTORY} bytes"
        raise ParseError(_DIRECTORY, expected=expected, got=f"{len(raw)} bytes")
    document = JsonObject(parse_json(raw, what=_DIRECTORY), what=_DIRECTORY)
    request_uri = document.text("issuer-request-uri", pattern=_URI.pattern)
    items = document.objects("token-keys", minimum=1)
    document.end()
    if len(items) > _MAX_KEYS:
        got = str(len(items))
        raise document.refuse("token-keys", expected=f"1 to {_MAX_KEYS} members", got=got)
    read = [_key(item) for item in items]
    keys = tuple(key for key in read if key is not None)
    if not keys:
        what, got = f"{_DIRECTORY}.token-keys", f"{len(items)} of other types"
        raise UnsupportedError(what, expected=f"a key of type {TOKEN_TYPE}", got=got)
    return IssuerDirectory(request_uri, keys)


def encode_directory(directory: IssuerDirectory) -> bytes:
    """Write a directory in its canonical form (RFC 8785); ValueError if none can say it."""
    members = [_encoded(item) for item in directory.keys]
    raw = rfc8785.dumps({"issuer-request-uri": directory.request_uri, "token-keys": members})
    try:
        parse_directory(raw)
    except ParseError as error:
        message = f"not an issuer directory: {error}"
        raise ValueError(message) from error
    return raw


def _key(item: JsonObject) -> DirectoryKey | None:
    token_type = item.integer("token-type", maximum=0xFFFF)
    encoded = item.text("token-key", pattern=r"[A-Za-z0-9_=\-]{1,2048}")
    not_before = item.integer("not-before") if item.has("not-before") else 0
    item.end()
    if token_type != TOKEN_TYPE:
        return None
    raw = parse_base64url(encoded, what=f"{item.what}.token-key", padded=True)
    return DirectoryKey(parse_token_key(raw), not_before)


def _encoded(item: DirectoryKey) -> dict[str, Any]:
    member: dict[str, Any] = {
        "token-key": base64.urlsafe_b64encode(item.key.raw).decode("ascii"),
        "token-type": TOKEN_TYPE,
    }
    return member | ({"not-before": item.not_before} if item.not_before else {})
