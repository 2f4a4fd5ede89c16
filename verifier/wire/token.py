"""Tokens of type 0x0002 (RFC 9577 section 2.2), and how a request carries one.

A token is good for one challenge and one issuer's key, says nothing of who asked for it, and is
spent once: who takes it remembers its nonce until the key is no longer valid.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field

from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.strict import excerpt, parse_base64url
from verifier.wire.auth_scheme import parse_credentials
from verifier.wire.blind_rsa import verify_signature
from verifier.wire.token_challenge import SCHEME, TokenChallenge
from verifier.wire.token_key import MODULUS_SIZE, TOKEN_TYPE, TokenKey

__all__ = [
    "NONCE_SIZE",
    "TOKEN_SIZE",
    "AuthenticToken",
    "Token",
    "encode_authorization",
    "parse_authorization",
    "parse_token",
    "token_input",
    "verify_token",
]

NONCE_SIZE = 32
"""Bytes of the nonce."""

_INPUT = struct.Struct("> H 32s 32s 32s")

TOKEN_SIZE = _INPUT.size + MODULUS_SIZE
"""Bytes of a token."""

_FIELD = "Authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, believed by no one. ``raw`` has 354 bytes; nonce and digests have 32 each.

    Whoever reads it can spend it, so it is not to be shown before it is spent.
    """

    raw: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    challenge_digest: bytes
    key_id: bytes
    authenticator: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthenticToken:
    """A token that its issuer signed, for the challenge that was asked about.

    Whether it was spent before is for the owner of the list of nonces to say. Made by
    ``verify_token``.
    """

    token: Token


def token_input(*, nonce: bytes, challenge: TokenChallenge, key: TokenKey) -> bytes:
    """What an issuer signs, 98 bytes; ``nonce`` is random, 32 bytes, else ValueError."""
    if len(nonce) != NONCE_SIZE:
        message = f"a nonce of {len(nonce)} bytes; {NONCE_SIZE} are needed"
        raise ValueError(message)
    return _INPUT.pack(TOKEN_TYPE, nonce, challenge.digest, key.key_id)


def parse_token(raw: bytes) -> Token:
    """Read a token. Raises ParseError; UnsupportedError for a token type that is not ours."""
    what = "token"
    token_type = int.from_bytes(raw[:2], "big")
    if len(raw) >= 2 and token_type != TOKEN_TYPE:
        got = f"{token_type:#06x}"
        raise UnsupportedError(f"type of the {what}", expected=f"{TOKEN_TYPE:#06x}", got=got)
    if len(raw) != TOKEN_SIZE:
        raise ParseError(what, expected=f"{TOKEN_SIZE} bytes", got=f"{len(raw)}")
    _, nonce, challenge_digest, key_id = _INPUT.unpack_from(raw)
    return Token(
        raw=raw,
        nonce=nonce,
        challenge_digest=challenge_digest,
        key_id=key_id,
        authenticator=raw[_INPUT.size :],
    )


def verify_token(
    token: Token, *, keys: tuple[TokenKey, ...], challenge: TokenChallenge
) -> AuthenticToken:
    """The token, if one of ``keys`` signed it and it is for ``challenge``.

    Raises VerificationError, never with the token in it. Source: RFC 9578 section 6.4.
    """
    if token.challenge_digest != challenge.digest:
        expected, got = challenge.digest.hex(), token.challenge_digest.hex()
        raise VerificationError("challenge of the token", expected=expected, got=got)
    key = next((key for key in keys if key.key_id == token.key_id), None)
    if key is None:
        expected = " or ".join(key.key_id.hex() for key in keys)
        raise VerificationError("key of the token", expected=expected, got=token.key_id.hex())
    signed = token.raw[: _INPUT.size]
    verify_signature(key.rsa, signed, token.authenticator, what="authenticator of the token")
    return AuthenticToken(token)


def parse_authorization(text: str) -> Token:
    """Read the value of ``Authorization``: the scheme PrivateToken with its ``token``.

    Unknown parameters are passed over (RFC 9577 section 2.2). Raises ParseError; UnsupportedError
    for another scheme or token type.
    """
    credentials = parse_credentials(text, what=_FIELD)
    if credentials.scheme != SCHEME.lower():
        what, got = f"scheme of {_FIELD}", excerpt(credentials.scheme)
        raise UnsupportedError(what, expected=SCHEME, got=got)
    encoded = credentials.parameters.get("token")
    if encoded is None:
        raise ParseError(f"token of {_FIELD}", expected="the parameter", got="it is missing")
    return parse_token(parse_base64url(encoded, what=f"token of {_FIELD}", padded=True))


def encode_authorization(token: Token) -> str:
    """Write the value of ``Authorization`` that carries ``token``."""
    return f'{SCHEME} token="{base64.urlsafe_b64encode(token.raw).decode("ascii")}"'
