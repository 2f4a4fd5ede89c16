"""Ed25519 for signed notes: verification by the library, and refusal of low-order public keys.

Signatures are verified by ``cryptography`` (OpenSSL) by the rule of RFC 8032 section 5.1.7
without the cofactor; nothing is added to that rule. A public key of low order is refused when a
key is read, because a signature can be made for it without any private key.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verifier.errors import VerificationError

__all__ = ["PUBLIC_KEY_SIZE", "SIGNATURE_SIZE", "has_low_order", "verify_ed25519"]

PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_MASK = 2**255 - 1  # the top bit of an encoded point is the sign of x


def _square_roots(square: int) -> tuple[int, ...]:
    # p = 5 mod 8: RFC 8032 section 5.1.3, steps 2 and 3.
    root = pow(square, (_P + 3) // 8, _P)
    for candidate in (root, root * pow(2, (_P - 1) // 4, _P) % _P):
        if candidate * candidate % _P == square % _P:
            return candidate, _P - candidate
    return ()


def _low_order_y() -> frozenset[int]:
    # The points (x, y) of -x^2 + y^2 = 1 + d x^2 y^2 whose order divides 8: the neutral one has
    # y = 1, order 2 has y = -1, order 4 has y = 0. A point of order 8 doubles to y = 0, which
    # means x^2 = -y^2, and the curve equation becomes d y^4 + 2 y^2 - 1 = 0.
    inverse = pow(_D, -1, _P)
    squares = [(root - 1) * inverse for root in _square_roots(1 + _D)]
    return frozenset({1, _P - 1, 0}.union(*map(_square_roots, squares)))


_LOW_ORDER_Y = _low_order_y()


def has_low_order(public_key: bytes) -> bool:
    """Whether the encoded point, canonical or not, has an order that divides 8."""
    return (int.from_bytes(public_key, "little") & _MASK) % _P in _LOW_ORDER_Y


def verify_ed25519(*, public_key: bytes, signature: bytes, message: bytes, what: str) -> None:
    """Verify a signature of 64 bytes by a public key of 32 bytes. Raises VerificationError."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        got = "a signature that does not verify"
        raise VerificationError(what, expected="a valid Ed25519 signature", got=got) from None
