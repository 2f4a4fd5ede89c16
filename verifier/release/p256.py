"""ECDSA over P-256 with SHA-256: one spelling for a key, and one for a signature.

Source: FIPS 186-5 and SEC 1. A key is a SubjectPublicKeyInfo in DER with the named curve and the
uncompressed point (RFC 5480), a signature is the DER of ``Ecdsa-Sig-Value`` (RFC 3279). Whoever
sees a signature (r, s) can write (r, n - s), which also verifies: only the lower of the two is
taken, or anybody could log a signed entry a second time as another one.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from verifier.errors import ParseError, VerificationError

__all__ = ["ORDER", "parse_p256_key", "verify_p256"]

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n, the order of the group (SP 800-186, section 3.2.1.3)."""

_SPKI = "91 bytes of DER of a P-256 SubjectPublicKeyInfo, uncompressed"


def parse_p256_key(spki: bytes, *, what: str) -> ec.EllipticCurvePublicKey:
    """Read a public key. Raises ParseError for another algorithm, curve or spelling."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise ParseError(what, expected=_SPKI, got=f"{len(spki)} bytes that are no key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ParseError(what, expected=_SPKI, got="a key of another kind")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise ParseError(what, expected=_SPKI, got="another spelling of a P-256 key")
    return key


def verify_p256(*, spki: bytes, signature: bytes, message: bytes, what: str) -> None:
    """Verify a signature over SHA-256 of ``message``. Raises VerificationError.

    Raises ParseError if ``spki`` is not a key that ``parse_p256_key`` takes.
    """
    key = parse_p256_key(spki, what=f"key of {what}")
    expected = "a valid ECDSA P-256 signature"
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        raise VerificationError(what, expected="DER of (r, s)", got="something else") from None
    if not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        got = "a number out of range"
        raise VerificationError(what, expected="0 < r < n and 0 < s <= n / 2", got=got)
    if encode_dss_signature(r, s) != signature:
        got = "another spelling of them"
        raise VerificationError(what, expected="DER of (r, s)", got=got)
    try:
        key.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        got = "a signature that does not verify"
        raise VerificationError(what, expected=expected, got=got) from None
