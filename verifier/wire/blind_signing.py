"""The signer's part of RSA blind signatures (RFC 9474 section 4.3), for the issuer of tokens.

Python's ``pow`` takes time that depends on its numbers. What a client sends is therefore
multiplied by a random number before the private key touches it (RFC 9474 section 8.1), so that the
time of an answer says nothing about how the key acts on the client's choice. Nor is a wrong result
ever given out: one of them would tell the factors of the modulus.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.errors import ParseError
from verifier.wire.blind_rsa import RsaKey

__all__ = ["SignerKey", "blind_sign", "signer_key"]


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A signer's key with its private half. Not to be shown. Made by ``signer_key``."""

    public: RsaKey
    prime_p: int = field(repr=False)
    prime_q: int = field(repr=False)
    exponent_p: int = field(repr=False)
    exponent_q: int = field(repr=False)
    coefficient: int = field(repr=False)


def signer_key(*, prime_p: int, prime_q: int, exponent: int) -> SignerKey:
    """The key of two secret primes and the public exponent; ValueError if they make none."""
    public = RsaKey(prime_p * prime_q, exponent)
    return SignerKey(
        public,
        prime_p,
        prime_q,
        exponent_p=pow(exponent, -1, prime_p - 1),
        exponent_q=pow(exponent, -1, prime_q - 1),
        coefficient=pow(prime_q, -1, prime_p),
    )


def blind_sign(key: SignerKey, blinded_message: bytes, *, factor: int) -> bytes:
    """Sign what a client blinded: as many bytes as the modulus has.

    ``factor`` is drawn uniformly from 1 to n - 1 for this signature alone (ValueError if it is
    none). Raises ParseError for a blinded message of another size or range.
    """
    modulus, what = key.public.modulus, "blinded message"
    if len(blinded_message) != key.public.size:
        got = f"{len(blinded_message)}"
        raise ParseError(what, expected=f"{key.public.size} bytes", got=got)
    message = int.from_bytes(blinded_message, "big")
    if message >= modulus:
        raise ParseError(what, expected="a number below the modulus", got="a larger one")
    if not 1 <= factor < modulus:
        text = "a factor in 1 to n - 1 is needed"
        raise ValueError(text)
    hidden = message * pow(factor, key.public.exponent, modulus) % modulus
    signature = _power(key, hidden) * pow(factor, -1, modulus) % modulus
    if pow(signature, key.public.exponent, modulus) != message:
        text = "the private key does not fit its public half, or the machine computed wrongly"
        raise AssertionError(text)
    return signature.to_bytes(key.public.size, "big")


def _power(key: SignerKey, number: int) -> int:
    """``number`` to the private exponent, by the Chinese remainder theorem (RFC 8017 5.1.2)."""
    at_p = pow(number, key.exponent_p, key.prime_p)
    at_q = pow(number, key.exponent_q, key.prime_q)
    return at_q + (at_p - at_q) * key.coefficient % key.prime_p * key.prime_q
