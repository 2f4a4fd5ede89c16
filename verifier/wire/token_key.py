"""The public key of an issuer of tokens of type 0x0002, Blind RSA (2048-bit).

One spelling for a key (RFC 9578 section 6.5): a SubjectPublicKeyInfo in DER with the object
identifier of RSASSA-PSS and its parameters (SHA-384, MGF1 with SHA-384, salt of 48 bytes), a
modulus of 2048 bits and the exponent 65537. All of it but the modulus is therefore fixed, and a
key is told from others by the SHA-256 of these very bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.wire.blind_rsa import RsaKey

__all__ = [
    "EXPONENT",
    "MODULUS_SIZE",
    "TOKEN_KEY_SIZE",
    "TOKEN_TYPE",
    "TokenKey",
    "encode_token_key",
    "parse_token_key",
]

TOKEN_TYPE = 0x0002
"""Blind RSA (2048-bit), RFC 9578 section 8.2.2."""

MODULUS_SIZE = 256
"""Bytes of the modulus, a blinded message and a signature."""

EXPONENT = 65_537

_BEFORE = bytes.fromhex(
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f7"
    "0d010108300b0609608648016503040202a2030201300382010f003082010a0282010100"
)
_AFTER = bytes.fromhex("0203010001")

TOKEN_KEY_SIZE = len(_BEFORE) + MODULUS_SIZE + len(_AFTER)
"""Bytes of an encoded key."""

_WHAT = "token key"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """An issuer's public key. ``raw`` is its encoding; made by ``parse_token_key``."""

    raw: bytes
    rsa: RsaKey

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the encoding, 32 bytes (RFC 9578 section 6.5)."""
        return hashlib.sha256(self.raw).digest()

    @property
    def truncated_key_id(self) -> int:
        """The last byte of ``key_id``, which is all that a request for a token says of the key."""
        return self.key_id[-1]


def parse_token_key(raw: bytes) -> TokenKey:
    """Read a key. Raises ParseError for another size, algorithm, exponent or spelling."""
    if len(raw) != TOKEN_KEY_SIZE:
        raise ParseError(_WHAT, expected=f"{TOKEN_KEY_SIZE} bytes", got=f"{len(raw)}")
    modulus = int.from_bytes(raw[len(_BEFORE) : -len(_AFTER)], "big")
    if raw[: len(_BEFORE)] != _BEFORE or raw[-len(_AFTER) :] != _AFTER:
        expected = "a SubjectPublicKeyInfo of RSASSA-PSS with SHA-384 and exponent 65537"
        raise ParseError(_WHAT, expected=expected, got="another one")
    if modulus.bit_length() != 8 * MODULUS_SIZE or modulus % 2 == 0:
        expected = f"an odd modulus of {8 * MODULUS_SIZE} bits"
        got = f"{'an even' if modulus % 2 == 0 else 'an odd'} one of {modulus.bit_length()} bits"
        raise ParseError(_WHAT, expected=expected, got=got)
    return TokenKey(raw, RsaKey(modulus, EXPONENT))


def encode_token_key(modulus: int) -> bytes:
    """Write the key of a modulus, so that ``parse_token_key`` reads it; ValueError if none can."""
    if modulus.bit_length() != 8 * MODULUS_SIZE or modulus % 2 == 0:
        message = f"not an odd modulus of {8 * MODULUS_SIZE} bits"
        raise ValueError(message)
    return _BEFORE + modulus.to_bytes(MODULUS_SIZE, "big") + _AFTER
