"""RSA blind signatures (RFC 9474), RSABSSA-SHA384-PSS-Deterministic: the client's and public part.

A client blinds a message, a signer who learns nothing of it signs
(``verifier.wire.blind_signing``), the client takes the blinding off and has an ordinary signature
(RSASSA-PSS, SHA-384, salt of 48 bytes, RFC 8017) that the signer cannot tell from any other of its
own. The message must have entropy that nobody can guess; a token's nonce has.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384

from verifier.errors import ParseError, VerificationError

__all__ = [
    "SALT_SIZE",
    "BlindingSecret",
    "RsaKey",
    "blind",
    "finalize",
    "verify_signature",
]

SALT_SIZE = 48
"""Bytes of the salt of a signature, and of a digest of SHA-384."""

_DIGEST_SIZE = 48


@dataclass(frozen=True, slots=True)
class RsaKey:
    """A public key: ``modulus`` n (odd) and public ``exponent`` e."""

    modulus: int
    exponent: int

    @property
    def size(self) -> int:
        """Bytes of the modulus, and of every signature."""
        return (self.modulus.bit_length() + 7) // 8


@dataclass(frozen=True, slots=True)
class BlindingSecret:
    """What a client keeps until its signature comes: the message, and the inverse of the factor."""

    key: RsaKey
    message: bytes = field(repr=False)
    inverse: int = field(repr=False)


def blind(key: RsaKey, message: bytes, *, factor: int, salt: bytes) -> tuple[bytes, BlindingSecret]:
    """The blinded message, of ``key.size`` bytes, and what ``finalize`` needs.

    ``factor`` is drawn uniformly from 1 to n - 1, ``salt`` is ``SALT_SIZE`` random bytes, both for
    this message alone. Raises ValueError for others, and VerificationError if factor or message
    share a divisor with the modulus, which an honest key does not let happen. Source: RFC 9474
    section 4.2.
    """
    if not 1 <= factor < key.modulus or len(salt) != SALT_SIZE:
        text = f"a factor in 1 to n - 1 and a salt of {SALT_SIZE} bytes are needed"
        raise ValueError(text)
    encoded = int.from_bytes(_encode(message, salt, key.modulus.bit_length() - 1), "big")
    if math.gcd(encoded, key.modulus) != 1 or math.gcd(factor, key.modulus) != 1:
        what = "modulus of the signer's key"
        raise VerificationError(what, expected="a product of two large primes", got="another")
    blinded = encoded * pow(factor, key.exponent, key.modulus) % key.modulus
    inverse = pow(factor, -1, key.modulus)
    return blinded.to_bytes(key.size, "big"), BlindingSecret(key, message, inverse)


def finalize(secret: BlindingSecret, blind_signature: bytes) -> bytes:
    """The signature of the message, of ``key.size`` bytes, verified.

    Raises ParseError for another size, and VerificationError if the signer signed anything else.
    Source: RFC 9474 section 4.4.
    """
    key = secret.key
    if len(blind_signature) != key.size:
        what, got = "blind signature", f"{len(blind_signature)}"
        raise ParseError(what, expected=f"{key.size} bytes", got=got)
    unblinded = int.from_bytes(blind_signature, "big") * secret.inverse % key.modulus
    signature = unblinded.to_bytes(key.size, "big")
    verify_signature(key, secret.message, signature, what="blind signature")
    return signature


def verify_signature(key: RsaKey, message: bytes, signature: bytes, *, what: str) -> None:
    """Verify a signature over ``message``. Raises VerificationError. Source: RFC 8017 8.1.2."""
    public = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
    pss = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=SALT_SIZE)
    try:
        public.verify(signature, message, pss, SHA384())
    except InvalidSignature:
        expected, got = "a valid RSASSA-PSS signature", "one that does not verify"
        raise VerificationError(what, expected=expected, got=got) from None


def _encode(message: bytes, salt: bytes, bits: int) -> bytes:
    """EMSA-PSS-ENCODE of RFC 8017 section 9.1.1, for a modulus of ``bits`` + 1 bits."""
    size = (bits + 7) // 8
    digest = hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()
    block = bytes(size - SALT_SIZE - _DIGEST_SIZE - 2) + b"\x01" + salt
    mask = _mask(digest, len(block))
    masked = int.from_bytes(block, "big") ^ int.from_bytes(mask, "big")
    masked &= (1 << (bits - 8 * (_DIGEST_SIZE + 1))) - 1
    return masked.to_bytes(len(block), "big") + digest + b"\xbc"


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 of RFC 8017 appendix B.2.1."""
    blocks = -(-size // _DIGEST_SIZE)
    hashed = (hashlib.sha384(seed + count.to_bytes(4, "big")).digest() for count in range(blocks))
    return b"".join(hashed)[:size]
