"""The certificate that a CVM shows in TLS: self-signed, made at its start, vouched for by evidence.

Nobody but the evidence says whose it is, so no name and no date in it means anything; only its key
is looked at, and that its holder signed it (ATK-045). Source: RFC 5280 section 4.1.
"""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.errors import ParseError, VerificationError

__all__ = ["open_self_signed"]

_WHAT = "TLS certificate"
_MALFORMED = (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm)


def open_self_signed(der: bytes) -> bytes:
    """SHA-256 (32 bytes) of the SubjectPublicKeyInfo of a self-signed certificate.

    Raises ParseError if it is no certificate, VerificationError if its own key did not sign it.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        raise VerificationError(
            _WHAT, expected="a signature by its own key", got="not one"
        ) from None
    except _MALFORMED as error:
        raise ParseError(_WHAT, expected="a self-signed certificate", got=str(error)) from None
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()
