"""Attestation reports of a simulated secure processor, in the format of the real one.

Source: SNP firmware ABI (AMD publication 56860), ATTESTATION_REPORT.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from verifier.evidence.tcb import Firmware, Product, Tcb, encode_tcb

__all__ = ["CPUID", "ReportFields", "encode_signed_part", "sign_report"]

CPUID = {
    Product.MILAN: (0x19, 0x01, 0x01),
    Product.GENOA: (0x19, 0x11, 0x01),
    Product.TURIN: (0x1A, 0x02, 0x01),
}
"""Family, model and stepping of one processor of each product."""

_SIGNED_PART = struct.Struct(
    "< I I Q 16s 16s I I 8s Q I 4x 64s 48s 32s 48s 48s 32s 32s 8s 24s 64s 8s 3s x 3s x 8s 168s"
)
_INTEGER = 72  # bytes of each of r and s
_TAIL = 368
_MITIGATIONS_FROM = 5
_CPUID_FROM = 3
_FIRMWARE = Firmware(1, 55, 49)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFields:
    """What a report says. ``chip_id`` is padded with zeros to 64 bytes.

    Each TCB that is None is ``tcb``. ``mitigations`` are the vectors at launch and now.
    """

    product: Product
    measurement: bytes
    report_data: bytes
    tcb: Tcb
    chip_id: bytes
    version: int = 5
    guest_svn: int = 0
    policy: int = 0x30000
    family_id: bytes = bytes(16)
    image_id: bytes = bytes(16)
    vmpl: int = 0
    signature_algorithm: int = 1
    platform_info: int = 0x24
    key_info: int = 0
    host_data: bytes = bytes(32)
    report_id: bytes = bytes(32)
    report_id_ma: bytes = b"\xff" * 32
    id_key_digest: bytes = bytes(48)
    author_key_digest: bytes = bytes(48)
    committed_tcb: Tcb | None = None
    current_tcb: Tcb | None = None
    launch_tcb: Tcb | None = None
    current_firmware: Firmware = _FIRMWARE
    committed_firmware: Firmware = _FIRMWARE
    cpuid: tuple[int, int, int] | None = None
    mitigations: tuple[int, int] = (0, 0)


def encode_signed_part(fields: ReportFields) -> bytes:
    """The 672 bytes that the processor signs."""
    cpuid = bytes(fields.cpuid or CPUID[fields.product])
    mitigations = struct.pack("< Q Q", *fields.mitigations)
    return _SIGNED_PART.pack(
        fields.version,
        fields.guest_svn,
        fields.policy,
        fields.family_id,
        fields.image_id,
        fields.vmpl,
        fields.signature_algorithm,
        _tcb(fields, fields.current_tcb),
        fields.platform_info,
        fields.key_info,
        fields.report_data,
        fields.measurement,
        fields.host_data,
        fields.id_key_digest,
        fields.author_key_digest,
        fields.report_id,
        fields.report_id_ma,
        _tcb(fields, fields.tcb),
        cpuid if fields.version >= _CPUID_FROM else b"",
        fields.chip_id,
        _tcb(fields, fields.committed_tcb),
        _firmware(fields.current_firmware),
        _firmware(fields.committed_firmware),
        _tcb(fields, fields.launch_tcb),
        mitigations if fields.version >= _MITIGATIONS_FROM else b"",
    )


def sign_report(signed_part: bytes, *, key: EllipticCurvePrivateKey) -> bytes:
    """The 1184 bytes of a report: the signed part, r and s (little-endian), and zeros."""
    r, s = decode_dss_signature(key.sign(signed_part, ECDSA(SHA384())))
    return (
        signed_part + r.to_bytes(_INTEGER, "little") + s.to_bytes(_INTEGER, "little") + bytes(_TAIL)
    )


def _tcb(fields: ReportFields, tcb: Tcb | None) -> bytes:
    return encode_tcb(fields.tcb if tcb is None else tcb, fields.product)


def _firmware(firmware: Firmware) -> bytes:
    return bytes((firmware.build, firmware.minor, firmware.major))
