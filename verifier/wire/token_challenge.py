"""What a token is for: the TokenChallenge of Privacy Pass (RFC 9577 section 2.1).

A gateway that wants a token says so in ``WWW-Authenticate: PrivateToken``. The token carries the
SHA-256 of the challenge, so it can be spent for nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.strict import excerpt, parse_base64url, parse_decimal
from verifier.wire.auth_scheme import Challenge, parse_challenges
from verifier.wire.token_key import TOKEN_TYPE, TokenKey, parse_token_key

__all__ = [
    "CONTEXT_SIZE",
    "MAX_CHALLENGE",
    "MAX_ORIGINS",
    "SCHEME",
    "OfferedChallenge",
    "TokenChallenge",
    "encode_offered_challenge",
    "encode_token_challenge",
    "parse_offered_challenges",
    "parse_token_challenge",
]

SCHEME = "PrivateToken"

CONTEXT_SIZE = 32
"""Bytes of a redemption context, if there is one."""

MAX_ORIGINS = 16
"""Most origins that a challenge names."""

_MAX_NAME = 255
_NAME = re.compile(rb"[a-z0-9](?:[a-z0-9.\-]{0,248}[a-z0-9])?(?::[1-9][0-9]{0,4})?")
_SHORT = struct.Struct("> H")
_WHAT = "token challenge"
_FIELD = "WWW-Authenticate"

MAX_CHALLENGE = 2 + 2 + _MAX_NAME + 1 + CONTEXT_SIZE + 2 + MAX_ORIGINS * (_MAX_NAME + 1)
"""Most bytes of an encoded challenge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChallenge:
    """A challenge of type 0x0002.

    ``issuer_name`` is the issuer's host, perhaps with a port, in lower case. ``context`` is empty
    or has 32 bytes, ``origins`` is empty if every origin may take the token. ``raw`` is the
    encoding as received.
    """

    raw: bytes
    issuer_name: str
    context: bytes
    origins: tuple[str, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the encoding, 32 bytes, which a token carries."""
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class OfferedChallenge:
    """A challenge as a gateway sends it.

    ``key`` is the issuer's, if the gateway names it: a client compares it with the logged one.
    ``max_age``: for how many seconds the gateway takes a token for it, if it says so.
    """

    challenge: TokenChallenge
    key: TokenKey | None
    max_age: int | None


def parse_token_challenge(raw: bytes) -> TokenChallenge:
    """Read a challenge. Raises ParseError; UnsupportedError for a token type that is not ours."""
    if len(raw) > MAX_CHALLENGE:
        raise ParseError(_WHAT, expected=f"at most {MAX_CHALLENGE} bytes", got=f"{len(raw)} bytes")
    token_type, offset = _number(raw, 0, 2, "token type")
    if token_type != TOKEN_TYPE:
        got = f"{token_type:#06x}"
        raise UnsupportedError(f"token type of the {_WHAT}", expected=f"{TOKEN_TYPE:#06x}", got=got)
    issuer, offset = _sized(raw, offset, 2, "issuer name")
    context, offset = _sized(raw, offset, 1, "redemption context")
    origins, offset = _sized(raw, offset, 2, "origin info")
    if offset != len(raw):
        got = f"{len(raw) - offset} more"
        raise ParseError(_WHAT, expected=f"{offset} bytes", got=got)
    if len(context) not in (0, CONTEXT_SIZE):
        what, got = f"redemption context of the {_WHAT}", f"{len(context)}"
        raise ParseError(what, expected=f"0 or {CONTEXT_SIZE} bytes", got=got)
    return TokenChallenge(
        raw=raw,
        issuer_name=_name(issuer, "issuer name"),
        context=context,
        origins=_origins(origins),
    )


def encode_token_challenge(
    *, issuer_name: str, context: bytes, origins: tuple[str, ...]
) -> TokenChallenge:
    """Write a challenge, so that ``parse_token_challenge`` reads the same; ValueError if none."""
    name, info = issuer_name.encode("utf-8"), ",".join(origins).encode("utf-8")
    if max(len(name), len(info)) > MAX_CHALLENGE:
        message = f"not a token challenge: names of {len(name)} and {len(info)} bytes"
        raise ValueError(message)
    raw = _SHORT.pack(TOKEN_TYPE) + _SHORT.pack(len(name)) + name
    raw += bytes((len(context),)) + context + _SHORT.pack(len(info)) + info
    try:
        challenge = parse_token_challenge(raw)
    except ParseError as error:
        message = f"not a token challenge: {error}"
        raise ValueError(message) from error
    if challenge.origins != origins:
        message = "not a token challenge: an origin has a comma in it, or is empty"
        raise ValueError(message)
    return challenge


def parse_offered_challenges(text: str) -> tuple[OfferedChallenge, ...]:
    """Read the value of ``WWW-Authenticate``: its challenges of our token type, in their order.

    Other schemes, other token types and unknown parameters are passed over (RFC 9577 section
    2.1). Raises ParseError for anything malformed.
    """
    offered: list[OfferedChallenge] = []
    for challenge in parse_challenges(text, what=_FIELD):
        if challenge.scheme == SCHEME.lower():
            try:
                offered.append(_offered(challenge))
            except UnsupportedError:
                continue
    return tuple(offered)


def encode_offered_challenge(offered: OfferedChallenge) -> str:
    """Write the value of ``WWW-Authenticate`` for one challenge."""
    encoded = base64.urlsafe_b64encode(offered.challenge.raw).decode("ascii")
    parameters = [f'challenge="{encoded}"']
    if offered.key is not None:
        key = base64.urlsafe_b64encode(offered.key.raw).decode("ascii")
        parameters.append(f'token-key="{key}"')
    if offered.max_age is not None:
        parameters.append(f'max-age="{offered.max_age}"')
    return f"{SCHEME} {', '.join(parameters)}"


def _offered(challenge: Challenge) -> OfferedChallenge:
    parameters = challenge.parameters
    encoded = parameters.get("challenge")
    if encoded is None:
        raise ParseError(f"challenge of {_FIELD}", expected="the parameter", got="it is missing")
    raw = parse_base64url(encoded, what=f"challenge of {_FIELD}", padded=True)
    parsed = parse_token_challenge(raw)
    key, max_age = parameters.get("token-key"), parameters.get("max-age")
    what = f"token-key of {_FIELD}"
    return OfferedChallenge(
        parsed,
        None if key is None else parse_token_key(parse_base64url(key, what=what, padded=True)),
        None if max_age is None else parse_decimal(max_age, what=f"max-age of {_FIELD}"),
    )


def _number(raw: bytes, offset: int, size: int, part: str) -> tuple[int, int]:
    encoded = raw[offset : offset + size]
    if len(encoded) != size:
        what, got = f"{part} of the {_WHAT}", f"{len(encoded)}"
        raise ParseError(what, expected=f"a number of {size} bytes", got=got)
    return int.from_bytes(encoded, "big"), offset + size


def _sized(raw: bytes, offset: int, width: int, part: str) -> tuple[bytes, int]:
    size, start = _number(raw, offset, width, part)
    if start + size > len(raw):
        what, got = f"{part} of the {_WHAT}", f"{len(raw) - start}"
        raise ParseError(what, expected=f"{size} bytes", got=got)
    return raw[start : start + size], start + size


def _name(raw: bytes, part: str) -> str:
    if _NAME.fullmatch(raw) is None:
        what = f"{part} of the {_WHAT}"
        raise ParseError(what, expected="a host in lower case, or with a port", got=excerpt(raw))
    return raw.decode("ascii")


def _origins(raw: bytes) -> tuple[str, ...]:
    if not raw:
        return ()
    names = raw.split(b",")
    if len(names) > MAX_ORIGINS:
        what, got = f"origin info of the {_WHAT}", f"{len(names)}"
        raise ParseError(what, expected=f"at most {MAX_ORIGINS} origins", got=got)
    return tuple(_name(name, "origin info") for name in names)
