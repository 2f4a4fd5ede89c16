"""Certificates in AMD's SEV-SNP profile, signed by keys of the simulated vendor.

Source: AMD publication 57230 (VCEK certificate format); RFC 5280 section 4.1; RFC 4055.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA384

from pipeline.platform.der_writer import (
    bit_string,
    boolean,
    element,
    explicit,
    ia5_string,
    integer,
    object_identifier,
    octet_string,
    sequence,
    time,
)
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind

__all__ = [
    "PSS_SHA384",
    "CertificateFields",
    "RawExtension",
    "ca_extensions",
    "make_certificate",
    "vek_extensions",
    "write_extensions",
]

_SHA384 = SHA384()
_AMD = (1, 3, 6, 1, 4, 1, 3704, 1)
_BASIC_CONSTRAINTS = (2, 5, 29, 19)
_KEY_USAGE = (2, 5, 29, 15)
_SHA384_ID = sequence(object_identifier((2, 16, 840, 1, 101, 3, 4, 2, 2)) + element(0x05, b""))
_MGF1 = sequence(object_identifier((1, 2, 840, 113549, 1, 1, 8)) + _SHA384_ID)
PSS_SHA384 = sequence(
    object_identifier((1, 2, 840, 113549, 1, 1, 10))
    + sequence(explicit(0, _SHA384_ID) + explicit(1, _MGF1) + explicit(2, integer(48)))
)
"""The AlgorithmIdentifier of every signature that AMD makes on certificates and CRLs."""


@dataclass(frozen=True, slots=True)
class RawExtension:
    """An extension as it is written: the arcs of its identifier, and the content bytes."""

    arcs: tuple[int, ...]
    content: bytes
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFields:
    """What goes into a certificate; ``issuer``, ``subject`` and ``key`` are DER."""

    serial: int
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    key: bytes
    extensions: tuple[RawExtension, ...]
    algorithm: bytes = PSS_SHA384


def make_certificate(fields: CertificateFields, *, signer: RSAPrivateKey) -> bytes:
    """The DER of a certificate, signed with RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48."""
    tbs = sequence(
        explicit(0, integer(2))
        + integer(fields.serial)
        + fields.algorithm
        + fields.issuer
        + sequence(time(fields.not_before) + time(fields.not_after))
        + fields.subject
        + fields.key
        + explicit(3, write_extensions(fields.extensions))
    )
    signature = signer.sign(tbs, PSS(mgf=MGF1(_SHA384), salt_length=48), _SHA384)
    return sequence(tbs + fields.algorithm + bit_string(signature))


def ca_extensions() -> tuple[RawExtension, ...]:
    """The extensions of a CA certificate: it may sign certificates."""
    return (
        RawExtension(_BASIC_CONSTRAINTS, sequence(boolean(value=True)), critical=True),
        RawExtension(_KEY_USAGE, element(0x03, b"\x01\x06"), critical=True),
    )


def vek_extensions(
    kind: VekKind, product: Product, *, product_name: str, tcb: Tcb, identity: bytes
) -> tuple[RawExtension, ...]:
    """AMD's extensions in AMD's order and encodings.

    ``identity`` is the hwID of a VCEK (64 bytes, 8 for Turin), which is not wrapped in DER, or
    the ASCII cspID of a VLEK.
    """
    turin = product is Product.TURIN
    first, snp = [(1, tcb.bootloader), (2, tcb.tee)], (3, tcb.snp)
    if tcb.fmc is not None:
        first.insert(0, (9, tcb.fmc))
    rest = [snp, (5, 0), (6, 0), (7, 0)] if turin else [(4, 0), (5, 0), (6, 0), (7, 0), snp]
    levels = [*first, *rest, (8, tcb.microcode)]
    return (
        RawExtension((*_AMD, 1), integer(1 if turin else 0)),
        RawExtension((*_AMD, 2), ia5_string(product_name)),
        *(RawExtension((*_AMD, 3, number), integer(level)) for number, level in levels),
        RawExtension((*_AMD, 4), identity)
        if kind is VekKind.VCEK
        else RawExtension((*_AMD, 5), ia5_string(identity.decode("ascii"))),
    )


def write_extensions(extensions: tuple[RawExtension, ...]) -> bytes:
    """The DER of the SEQUENCE OF Extension."""
    return sequence(b"".join(_extension(each) for each in extensions))


def _extension(extension: RawExtension) -> bytes:
    return sequence(
        object_identifier(extension.arcs)
        + (boolean(value=True) if extension.critical else b"")
        + octet_string(extension.content)
    )
