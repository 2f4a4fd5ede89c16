"""A simulated vendor: the keys that AMD would hold, for machines without SEV-SNP.

Everything is made as AMD makes it (RSA-4096 keys, RSASSA-PSS signatures, real extensions), under
names that no one can take for AMD's. Its root travels as a document that the auditor has to name
in the policy, and evidence under it is judged as simulated.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.platform.der_writer import name
from pipeline.platform.simulated_certificate import (
    CertificateFields,
    RawExtension,
    ca_extensions,
    make_certificate,
)
from pipeline.platform.simulated_crl import CrlFields, crl_number, make_crl
from verifier.evidence.simulated_root import ROOT_SCHEMA
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind

__all__ = [
    "SIMULATED_ORGANIZATION",
    "Authority",
    "Vendor",
    "VendorNames",
    "certify_vek",
    "generate_ca_key",
    "issue_crl",
    "issue_vek",
    "make_vendor",
    "root_document",
    "simulated_names",
]

SIMULATED_ORGANIZATION = "cvm-audit SIMULATED platform, NOT AMD"
_CA_YEARS, _VEK_YEARS, _CRL_YEARS = 25, 7, 1  # as AMD's


@dataclass(frozen=True, slots=True)
class VendorNames:
    """DER of the Names of the ARK, of the ASK or ASVK, and of every VEK."""

    ark: bytes
    signer: bytes
    vek: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of the vendor: its certificate (DER), its Name (DER) and its private key."""

    certificate: bytes
    name: bytes
    key: RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Vendor:
    """The two CAs above one kind of VEK of one product."""

    product: Product
    kind: VekKind
    ark: Authority
    signer: Authority
    vek_name: bytes


def simulated_names(product: Product, kind: VekKind) -> VendorNames:
    """The loud names of the simulated vendor."""
    line = "SEV-VLEK" if kind is VekKind.VLEK else "SEV"
    return VendorNames(
        ark=name(SIMULATED_ORGANIZATION, f"ARK-{product}-SIMULATED"),
        signer=name(SIMULATED_ORGANIZATION, f"{line}-{product}-SIMULATED"),
        vek=name(SIMULATED_ORGANIZATION, f"SEV-{kind}"),
    )


def generate_ca_key() -> RSAPrivateKey:
    """A new RSA-4096 key; takes a second or so."""
    return generate_private_key(public_exponent=65537, key_size=4096)


def make_vendor(
    product: Product,
    kind: VekKind,
    *,
    names: VendorNames,
    keys: tuple[RSAPrivateKey, RSAPrivateKey],
    start: datetime,
) -> Vendor:
    """Certify ``keys`` (of the ARK, and of the ASK or ASVK) for 25 years from ``start``."""
    certificates = [
        make_certificate(
            CertificateFields(
                serial=serial,
                issuer=names.ark,
                subject=subject,
                not_before=start,
                not_after=_years_after(start, _CA_YEARS),
                key=_spki(key),
                extensions=ca_extensions(),
            ),
            signer=keys[0],
        )
        for serial, subject, key in (
            (0x51000, names.ark, keys[0]),
            (0x51001, names.signer, keys[1]),
        )
    ]
    return Vendor(
        product=product,
        kind=kind,
        ark=Authority(certificates[0], names.ark, keys[0]),
        signer=Authority(certificates[1], names.signer, keys[1]),
        vek_name=names.vek,
    )


def issue_vek(
    vendor: Vendor,
    *,
    public_key: EllipticCurvePublicKey,
    extensions: tuple[RawExtension, ...],
    start: datetime,
) -> bytes:
    """As ``certify_vek``, under a vendor that is at hand as a whole."""
    return certify_vek(
        vendor.signer.key,
        issuer=vendor.signer.name,
        subject=vendor.vek_name,
        public_key=public_key,
        extensions=extensions,
        start=start,
    )


def certify_vek(
    key: RSAPrivateKey,
    *,
    issuer: bytes,
    subject: bytes,
    public_key: EllipticCurvePublicKey,
    extensions: tuple[RawExtension, ...],
    start: datetime,
) -> bytes:
    """The DER of a VEK certificate, valid for 7 years from ``start``, with AMD's serial number 0.

    ``key`` and ``issuer`` (the DER of a Name) are those of an ASK or ASVK; ``extensions`` come
    from ``vek_extensions``.
    """
    fields = CertificateFields(
        serial=0,
        issuer=issuer,
        subject=subject,
        not_before=start,
        not_after=_years_after(start, _VEK_YEARS),
        key=_spki(public_key),
        extensions=extensions,
    )
    return make_certificate(fields, signer=key)


def issue_crl(
    key: RSAPrivateKey, *, issuer: bytes, number: int, start: datetime, revoked: tuple[int, ...]
) -> bytes:
    """The DER of a CRL, current for one year from ``start``.

    ``key`` and ``issuer`` (the DER of a Name) are those of an ARK; ``revoked`` are serial numbers,
    revoked from ``start`` on.
    """
    fields = CrlFields(
        issuer=issuer,
        this_update=start,
        next_update=_years_after(start, _CRL_YEARS),
        revoked=tuple((serial, start) for serial in revoked),
        extensions=(crl_number(number),),
    )
    return make_crl(fields, signer=key)


def root_document(vendor: Vendor) -> bytes:
    """The public root document that a policy names (schema cvm-audit/snp-root/v1)."""
    document = {
        "schema": ROOT_SCHEMA,
        "platform": "simulated",
        "product": str(vendor.product),
        "kind": str(vendor.kind),
        "ark": base64.b64encode(vendor.ark.certificate).decode("ascii"),
        "signer": base64.b64encode(vendor.signer.certificate).decode("ascii"),
    }
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _years_after(start: datetime, years: int) -> datetime:
    return start + timedelta(days=365 * years)


def _spki(key: RSAPrivateKey | EllipticCurvePublicKey) -> bytes:
    public = key.public_key() if isinstance(key, RSAPrivateKey) else key
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
