"""ATTESTATION_REPORT of AMD SEV-SNP: 1184 bytes, of which the first 672 are signed.

Source: SNP firmware ABI (publication 56860), ATTESTATION_REPORT. Integers are little-endian.
Parsing says that the bytes have the shape of a report; it believes none of them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.snp_bits import (
    KEY_KNOWN,
    PLATFORM_KNOWN,
    POLICY_KNOWN,
    GuestPolicy,
    foreign_bits,
)
from verifier.evidence.tcb import Firmware

__all__ = [
    "HOST_VMPL",
    "KNOWN_VERSIONS",
    "SIGNED_SIZE",
    "SIGNING_KEY_NONE",
    "SIZE",
    "AttestationReport",
    "parse_report",
    "unknown_bits",
]

SIZE = 1184
"""Bytes of a report."""
SIGNED_SIZE = 672
"""Bytes that the signature covers, from the first one on."""
SIGNING_KEY_NONE = 7
"""KEY_INFO.SIGNING_KEY of a report that nobody signed; 0 is VCEK, 1 is VLEK."""
HOST_VMPL = 0xFFFFFFFF
"""VMPL of a report that the host, not the guest, asked for."""

_ECDSA_P384_SHA384 = 1
_POLICY_ALWAYS_ONE = 1 << 17

_FIXED = struct.Struct(
    "< I I Q 16s 16s I I 8s Q I 4x 64s 48s 32s 48s 48s 32s 32s 8s 24x 64s 8s 3s x 3s x 8s 168x"
    "72s 72s 368s"
)
_CPUID_OFFSET = 0x188
_MITIGATIONS = struct.Struct("< Q Q")
_MITIGATIONS_OFFSET = 0x1F8


@dataclass(frozen=True, slots=True)
class _Layout:
    """What one report version adds to the fields that all have, and what must be zero."""

    has_cpuid: bool
    has_mitigations: bool
    reserved: tuple[tuple[int, bytes], ...]  # (offset, the zeros that stand there)


# r and s are integers of P-384, so the upper bytes of their fields are zero too.
_ALWAYS_RESERVED = ((0x4C, 4), (0x1EB, 1), (0x1EF, 1), (0x2D0, 24), (0x318, 24))


def _layout(*reserved: tuple[int, int], cpuid: bool, mitigations: bool) -> _Layout:
    zeros = tuple((offset, bytes(size)) for offset, size in (*_ALWAYS_RESERVED, *reserved))
    return _Layout(cpuid, mitigations, zeros)


# The newest layout, and nothing said of what it leaves reserved.
_UNKNOWN_LAYOUT = _layout(cpuid=True, mitigations=True)

_LAYOUTS: Mapping[int, _Layout] = MappingProxyType(
    {
        2: _layout((0x188, 24), (0x1F8, 168), cpuid=False, mitigations=False),
        3: _layout((0x18B, 21), (0x1F8, 168), cpuid=True, mitigations=False),
        4: _layout((0x18B, 21), (0x1F8, 168), cpuid=True, mitigations=False),
        5: _layout((0x18B, 21), (0x208, 152), cpuid=True, mitigations=True),
    }
)

KNOWN_VERSIONS = tuple(_LAYOUTS)
"""The report versions whose layout is known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationReport:
    """A well-formed report that nobody has authenticated yet.

    ``raw`` is the received report, ``signed_bytes`` its first 672 bytes. TCBs stay 8 bytes until
    the product is known (``verifier.evidence.tcb.decode_tcb``). ``cpuid`` is (family, model,
    stepping) from version 3 on, the mitigation vectors are there from version 5 on, else None.
    Sizes: ``family_id`` and ``image_id`` 16, ``report_data`` and ``chip_id`` 64, ``measurement``,
    ``id_key_digest`` and ``author_key_digest`` 48, ``host_data``, ``report_id`` and
    ``report_id_ma`` 32, ``tail`` 368 bytes. ``tail`` follows the signature and is not signed.
    """

    raw: bytes
    signed_bytes: bytes
    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    signature_algorithm: int
    current_tcb: bytes
    platform_info: int
    key_info: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    cpuid: tuple[int, int, int] | None
    chip_id: bytes
    committed_tcb: bytes
    current_firmware: Firmware
    committed_firmware: Firmware
    launch_tcb: bytes
    launch_mitigation_vector: int | None
    current_mitigation_vector: int | None
    signature_r: int
    signature_s: int
    tail: bytes

    @property
    def is_known(self) -> bool:
        """Whether the version is one whose layout is known here."""
        return self.version in _LAYOUTS

    @property
    def guest_policy(self) -> GuestPolicy:
        """POLICY, by the names of its bits."""
        return GuestPolicy(self.policy)

    @property
    def author_key_enabled(self) -> bool:
        """KEY_INFO.AUTHOR_KEY_EN."""
        return bool(self.key_info & 1)

    @property
    def mask_chip_key(self) -> bool:
        """KEY_INFO.MASK_CHIP_KEY: the firmware was told to put zeros where the signature goes."""
        return bool(self.key_info & 2)

    @property
    def signing_key(self) -> int:
        """KEY_INFO.SIGNING_KEY: 0 VCEK, 1 VLEK, 7 none, others reserved."""
        return self.key_info >> 2 & 7

    @property
    def host_requested(self) -> bool:
        """Whether the host asked for the report, so that REPORT_DATA is not the guest's."""
        return self.vmpl == HOST_VMPL


def parse_report(raw: bytes, *, unknown_versions: tuple[int, ...] = ()) -> AttestationReport:
    """Read an ATTESTATION_REPORT of exactly 1184 bytes, version 2, 3, 4 or 5.

    A version of ``unknown_versions`` is read like the newest known one, and nothing is said of the
    bytes that are reserved there: only for whoever takes such a version on their own word.

    Raises UnsupportedError for another version or signature algorithm, and ParseError for a
    wrong size, for reserved bytes that are not zero and for POLICY bit 17 not being one.
    Non-zero bytes after the signature are kept in ``tail``, for the appraisal to name.
    """
    if len(raw) != SIZE:
        raise ParseError("SNP report", expected=f"{SIZE} bytes", got=f"{len(raw)} bytes")
    fields = _FIXED.unpack(raw)
    layout = _LAYOUTS.get(fields[0])
    if layout is None and fields[0] in unknown_versions:
        layout = _UNKNOWN_LAYOUT
    if layout is None:
        expected = "version 2, 3, 4 or 5"
        raise UnsupportedError("SNP report", expected=expected, got=f"version {fields[0]}")
    _check_algorithm(fields[6])
    _check_reserved(raw, layout)
    _check_policy(fields[2])
    return _report(raw, layout, fields)


def unknown_bits(report: AttestationReport) -> tuple[str, ...]:
    """The set bits whose meaning is unknown here, as "POLICY bit 26" or "KEY_INFO bit 5".

    The fields are the firmware's own, so such a bit means newer firmware rather than an attack;
    what it changes is unknown all the same.
    """
    fields = (
        ("POLICY", foreign_bits(report.policy, POLICY_KNOWN)),
        ("PLATFORM_INFO", foreign_bits(report.platform_info, PLATFORM_KNOWN)),
        ("KEY_INFO", foreign_bits(report.key_info, KEY_KNOWN)),
    )
    return tuple(f"{name} bit {bit}" for name, bits in fields for bit in bits)


def _check_algorithm(algorithm: int) -> None:
    if algorithm != _ECDSA_P384_SHA384:
        what = "SNP report, SIGNATURE_ALGO"
        wrong = ParseError if algorithm == 0 else UnsupportedError  # 0 is declared invalid
        raise wrong(what, expected="1 (ECDSA P-384 with SHA-384)", got=str(algorithm))


def _check_reserved(raw: bytes, layout: _Layout) -> None:
    for start, zeros in layout.reserved:
        field = raw[start : start + len(zeros)]
        if field != zeros:
            offset = start + next(place for place, byte in enumerate(field) if byte)
            what = f"SNP report, reserved byte at offset {offset:#x}"
            raise ParseError(what, expected="0x00", got=f"{raw[offset]:#04x}")


def _check_policy(policy: int) -> None:
    if not policy & _POLICY_ALWAYS_ONE:
        raise ParseError("SNP report, POLICY", expected="bit 17 is one", got=f"{policy:#x}")


def _report(raw: bytes, layout: _Layout, fields: tuple[Any, ...]) -> AttestationReport:
    launch_vector, current_vector = (
        _MITIGATIONS.unpack_from(raw, _MITIGATIONS_OFFSET)
        if layout.has_mitigations
        else (None, None)
    )
    cpuid = raw[_CPUID_OFFSET : _CPUID_OFFSET + 3]
    return AttestationReport(
        raw=raw,
        signed_bytes=raw[:SIGNED_SIZE],
        version=fields[0],
        guest_svn=fields[1],
        policy=fields[2],
        family_id=fields[3],
        image_id=fields[4],
        vmpl=fields[5],
        signature_algorithm=fields[6],
        current_tcb=fields[7],
        platform_info=fields[8],
        key_info=fields[9],
        report_data=fields[10],
        measurement=fields[11],
        host_data=fields[12],
        id_key_digest=fields[13],
        author_key_digest=fields[14],
        report_id=fields[15],
        report_id_ma=fields[16],
        reported_tcb=fields[17],
        cpuid=(cpuid[0], cpuid[1], cpuid[2]) if layout.has_cpuid else None,
        chip_id=fields[18],
        committed_tcb=fields[19],
        current_firmware=_firmware(fields[20]),
        committed_firmware=_firmware(fields[21]),
        launch_tcb=fields[22],
        launch_mitigation_vector=launch_vector,
        current_mitigation_vector=current_vector,
        signature_r=int.from_bytes(fields[23], "little"),
        signature_s=int.from_bytes(fields[24], "little"),
        tail=fields[25],
    )


def _firmware(build_minor_major: bytes) -> Firmware:
    build, minor, major = build_minor_major
    return Firmware(major, minor, build)
