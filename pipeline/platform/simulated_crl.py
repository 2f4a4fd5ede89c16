"""Certificate revocation lists in AMD's profile, signed by keys of the simulated vendor.

Source: RFC 5280 section 5.1; the lists that AMD's key distribution service gives out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA384

from pipeline.platform.der_writer import bit_string, explicit, integer, sequence, time
from pipeline.platform.simulated_certificate import PSS_SHA384, RawExtension, write_extensions

__all__ = ["CrlFields", "crl_number", "make_crl"]

_SHA384 = SHA384()
_VERSION_2 = integer(1)
_CRL_NUMBER = (2, 5, 29, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlFields:
    """What goes into a list; ``issuer`` is the DER of a Name, ``revoked`` (serial, since when)."""

    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    revoked: tuple[tuple[int, datetime], ...]
    extensions: tuple[RawExtension, ...]
    version: bytes = _VERSION_2
    algorithm: bytes = PSS_SHA384


def crl_number(number: int) -> RawExtension:
    """The extension that counts the lists of an issuer."""
    return RawExtension(_CRL_NUMBER, integer(number))


def make_crl(fields: CrlFields, *, signer: RSAPrivateKey) -> bytes:
    """The DER of a list, signed with RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48."""
    entries = b"".join(sequence(integer(serial) + time(at)) for serial, at in fields.revoked)
    tbs = sequence(
        fields.version
        + fields.algorithm
        + fields.issuer
        + time(fields.this_update)
        + (time(fields.next_update) if fields.next_update is not None else b"")
        + (sequence(entries) if entries else b"")
        + explicit(0, write_extensions(fields.extensions))
    )
    signature = signer.sign(tbs, PSS(mgf=MGF1(_SHA384), salt_length=48), _SHA384)
    return sequence(tbs + fields.algorithm + bit_string(signature))
