"""One boot of a simulated secure processor: a key of its own, one launch measurement, reports.

The key is made when the guest is launched and is never written down, so no report of another boot
verifies under this boot's certificate. Sources: SNP firmware ABI (AMD publication 56860), SNP_GUEST
requests; GHCB specification (56421), SNP Extended Guest Request, for the certificate table.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from pipeline.platform.simulated_certificate import vek_extensions
from pipeline.platform.simulated_report import ReportFields, encode_signed_part, sign_report
from pipeline.platform.simulated_vendor import certify_vek
from verifier.evidence.guid import GUID_SIZE, guid
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.snp_root import SnpRoot

__all__ = [
    "CHIP_ID_SIZE",
    "CURRENT_TCB",
    "REPORT_DATA_SIZE",
    "Launch",
    "SecureProcessor",
    "certificate_table",
    "launch_guest",
]

REPORT_DATA_SIZE = 64
"""Bytes of REPORT_DATA, which is all that a guest may choose."""

CURRENT_TCB = {
    Product.MILAN: Tcb(None, 4, 0, 24, 219),
    Product.GENOA: Tcb(None, 10, 0, 23, 84),
    Product.TURIN: Tcb(1, 1, 1, 4, 81),
}
"""What a simulated chip runs unless it is told otherwise."""

CHIP_ID_SIZE = {Product.MILAN: 64, Product.GENOA: 64, Product.TURIN: 8}
"""Bytes of a chip's identity that its certificate names."""

_VCEK = guid("63da758d-e664-4564-adc5-f4b93be8accd")
_ENTRY = struct.Struct(f"< {GUID_SIZE}s I I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What one guest is launched with, and on which chip.

    ``measurement`` is the launch digest (48 bytes); ``policy`` the guest's POLICY; ``host_data``
    has 32 bytes; ``chip_id`` as many as ``CHIP_ID_SIZE`` says.
    """

    measurement: bytes
    policy: int
    host_data: bytes
    vmpl: int
    tcb: Tcb
    chip_id: bytes


@dataclass(frozen=True, slots=True)
class SecureProcessor:
    """A launched guest's side of the chip. ``vek`` is the DER of its certificate."""

    fields: ReportFields
    key: EllipticCurvePrivateKey
    vek: bytes

    def report(self, report_data: bytes) -> bytes:
        """A signed report (1184 bytes) over 64 bytes of REPORT_DATA, else ValueError."""
        if len(report_data) != REPORT_DATA_SIZE:
            raise ValueError(f"REPORT_DATA has {REPORT_DATA_SIZE} bytes, not {len(report_data)}")
        fields = replace(self.fields, report_data=report_data)
        return sign_report(encode_signed_part(fields), key=self.key)


def launch_guest(
    launch: Launch, *, root: SnpRoot, vendor_key: RSAPrivateKey, now: datetime
) -> SecureProcessor:
    """Launch a guest on a chip that ``vendor_key`` certifies from an hour before ``now`` on.

    ``root`` must be that of a VCEK, and the key its signer's (ValueError): a certificate under
    another key would be refused everywhere, and nobody would know why.
    """
    if root.kind is not VekKind.VCEK or root.signer.public_key() != vendor_key.public_key():
        raise ValueError("the vendor's key does not belong to the root")
    key = generate_private_key(SECP384R1())
    vek = certify_vek(
        vendor_key,
        issuer=root.signer.subject,
        subject=root.vek_subject,
        public_key=key.public_key(),
        extensions=vek_extensions(
            VekKind.VCEK,
            root.product,
            product_name=str(root.product),
            tcb=launch.tcb,
            identity=launch.chip_id,
        ),
        # An hour back, so that a verifier with a slow clock does not refuse a new certificate.
        start=now.replace(microsecond=0) - timedelta(hours=1),
    )
    fields = ReportFields(
        product=root.product,
        measurement=launch.measurement,
        report_data=bytes(REPORT_DATA_SIZE),
        host_data=launch.host_data,
        vmpl=launch.vmpl,
        policy=launch.policy,
        tcb=launch.tcb,
        chip_id=launch.chip_id,
        report_id=secrets.token_bytes(32),
    )
    return SecureProcessor(fields, key, vek)


def certificate_table(vek: bytes) -> bytes:
    """The host's table that names one VCEK certificate (DER), and its end."""
    start = 2 * _ENTRY.size
    return _ENTRY.pack(_VCEK, start, len(vek)) + bytes(_ENTRY.size) + vek
