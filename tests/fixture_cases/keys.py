"""Keys of the fixtures: known to everyone, and signing the same thing with the same bytes.

RSASSA-PSS is randomised by its salt and ECDSA by its nonce. Both are taken from the message here
(ECDSA as RFC 6979 says), so that fixtures can be made again to the byte. The RSA keys are stored,
because making one from a seed would take code that nothing else needs.
"""

from __future__ import annotations

import functools
import json
from hashlib import sha384
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    EllipticCurvePrivateNumbers,
    EllipticCurvePublicKey,
    EllipticCurveSignatureAlgorithm,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.padding import PSS
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicKey,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)

from tests.running import ROOT

__all__ = ["KEYS", "ec_key", "rsa_key"]

KEYS = ROOT / "fixtures" / "evidence" / "_vendor" / "keys.json"

_HASH = 48  # bytes of SHA-384, and of the salt


class _StoredKey(RSAPrivateKey):
    """An RSA key whose PSS signatures have the salt that follows from the message."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key

    @property
    def key_size(self) -> int:
        return self._key.key_size

    def public_key(self) -> RSAPublicKey:
        return self._key.public_key()

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        if not isinstance(padding, PSS):
            return self._key.sign(data, padding, algorithm)
        numbers = self._key.private_numbers()
        encoded = _emsa_pss(bytes(data), bits=self.key_size - 1)
        signature = _power(int.from_bytes(encoded), numbers)
        raw = signature.to_bytes(self.key_size // 8)
        self.public_key().verify(raw, data, padding, algorithm)
        return raw

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError

    decrypt = private_numbers = private_bytes = _refuse

    def __copy__(self) -> _StoredKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> _StoredKey:
        return self


def _power(base: int, key: RSAPrivateNumbers) -> int:
    """RFC 8017 section 5.2.1, by the Chinese remainder theorem."""
    by_p, by_q = pow(base, key.dmp1, key.p), pow(base, key.dmq1, key.q)
    return by_q + key.q * ((by_p - by_q) * key.iqmp % key.p)


def _emsa_pss(message: bytes, *, bits: int) -> bytes:
    """RFC 8017 section 9.1.1 with SHA-384 and MGF1-SHA-384."""
    salt = sha384(b"cvm-audit/fixtures/salt\0" + message).digest()
    size = (bits + 7) // 8
    digest = sha384(bytes(8) + sha384(message).digest() + salt).digest()
    block = bytes(size - 2 * _HASH - 2) + b"\x01" + salt
    blocks = range(-(-len(block) // _HASH))
    mask = b"".join(sha384(digest + counter.to_bytes(4)).digest() for counter in blocks)
    masked = bytearray(a ^ b for a, b in zip(block, mask, strict=False))
    masked[0] &= 0xFF >> (8 * size - bits)
    return bytes(masked) + digest + b"\xbc"


class _DerivedKey(EllipticCurvePrivateKey):
    """An ECDSA key whose signatures are those of RFC 6979."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key

    @property
    def key_size(self) -> int:
        return self._key.key_size

    @property
    def curve(self) -> EllipticCurve:
        return self._key.curve

    def public_key(self) -> EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, data: Any, signature_algorithm: EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm: Any = signature_algorithm.algorithm
        return self._key.sign(data, ECDSA(algorithm, deterministic_signing=True))

    def private_numbers(self) -> EllipticCurvePrivateNumbers:
        return self._key.private_numbers()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError

    exchange = private_bytes = _refuse

    def __copy__(self) -> _DerivedKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> _DerivedKey:
        return self


@functools.cache
def rsa_key(name: str) -> RSAPrivateKey:
    """The stored RSA key of this name."""
    p, q = (int(json.loads(KEYS.read_bytes())[name][prime], 16) for prime in "pq")
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa_crt_dmp1(d, p),
        dmq1=rsa_crt_dmq1(d, q),
        iqmp=rsa_crt_iqmp(p, q),
        public_numbers=RSAPublicNumbers(65537, p * q),
    )
    return _StoredKey(numbers.private_key())


@functools.cache
def ec_key(name: str) -> EllipticCurvePrivateKey:
    """A P-384 key for each name, the same each time."""
    secret = int.from_bytes(sha384(b"cvm-audit/fixtures/key\0" + name.encode()).digest()[:47])
    return _DerivedKey(derive_private_key(secret, SECP384R1()))
