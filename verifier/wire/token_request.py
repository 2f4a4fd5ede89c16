"""The client's part of getting a token (RFC 9578 section 6): ask blinded, finish, have a token."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.wire.blind_rsa import BlindingSecret, blind, finalize
from verifier.wire.token import Token, parse_token, token_input
from verifier.wire.token_challenge import TokenChallenge
from verifier.wire.token_issuance import TokenRequest, encode_token_request, parse_token_response
from verifier.wire.token_key import TokenKey

__all__ = ["PendingToken", "finish_token", "request_token"]


@dataclass(frozen=True, slots=True)
class PendingToken:
    """What the client keeps until the issuer has answered. Made by ``request_token``."""

    secret: BlindingSecret


def request_token(
    challenge: TokenChallenge, key: TokenKey, *, nonce: bytes, factor: int, salt: bytes
) -> tuple[bytes, PendingToken]:
    """The request for one token (259 bytes), and what ``finish_token`` needs.

    ``nonce`` (32 bytes), ``salt`` (48 bytes) and ``factor`` (uniform in 1 to n - 1) are random and
    for this token alone. ``key`` is one that everyone is given: a key for one client alone would
    mark its tokens. Raises ValueError and VerificationError as ``blind``.
    """
    message = token_input(nonce=nonce, challenge=challenge, key=key)
    blinded, secret = blind(key.rsa, message, factor=factor, salt=salt)
    return encode_token_request(TokenRequest(key.truncated_key_id, blinded)), PendingToken(secret)


def finish_token(pending: PendingToken, response: bytes) -> Token:
    """The token, with its signature verified. Raises ParseError and VerificationError."""
    signature = finalize(pending.secret, parse_token_response(response))
    return parse_token(pending.secret.message + signature)
