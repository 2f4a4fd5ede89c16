"""Reports of which one thing is wrong, whatever a policy says: every one is rightly signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fixture_cases.case import Case
from tests.fixture_cases.making_cases import MALFORMED, alone
from tests.fixture_cases.vendor import MEASUREMENT, NONCE, vendor
from verifier.conformance.fixture import Ruling
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.evidence.vek_certificate import VekKind

__all__ = ["reports"]

_GIVEN: dict[str, Any] = {"report_data": report_data_of_nonce(NONCE), "measurement": MEASUREMENT}
_VEK_OF = "snp.tcb.reported_equals_certificate"


def reports() -> Iterator[Case]:
    """The cases."""
    yield from _form()
    yield from _signature()
    yield from _levels()
    yield from _agreement()


def _form() -> Iterator[Case]:
    amd = vendor()
    yield alone(
        "snp.report.format",
        "A report of a version that nobody knows",
        "ATK-012",
        what="version-6",
        fields={"version": 6},
        ruling=Ruling.UNSUPPORTED,
    )
    yield alone(
        "snp.report.format",
        "A signature algorithm that is not ECDSA P-384",
        "ATK-012",
        what="algorithm",
        fields={"signature_algorithm": 2},
        ruling=Ruling.UNSUPPORTED,
    )
    patched: tuple[tuple[str, str, int, bytes, dict[str, Any]], ...] = (
        ("reserved", "A reserved byte of version 5 is set", 0x208, b"\x01", {}),
        (
            "reserved-version-3",
            "A field of version 5 in a report of version 3",
            0x1F8,
            b"\x01",
            {"version": 3},
        ),
        ("policy-bit-17", "Bit 17 of POLICY, which is always set, is not", 0x8, bytes(8), {}),
    )
    for what, title, offset, patch, fields in patched:
        yield alone(
            "snp.report.format",
            title,
            "ATK-012",
            what=what,
            held={"snp_report": amd.patched(offset, patch, **_GIVEN, **fields)},
            **MALFORMED,
        )
    yield alone(
        "snp.report.format",
        "The bundle holds no report at all",
        "ATK-013",
        what="missing",
        held={"snp_report": None},
        **MALFORMED,
    )
    yield alone(
        "snp.report.unknown_bits",
        "A bit of POLICY is set whose meaning nobody knows",
        "ATK-009",
        "ATK-012",
        what="policy",
        fields={"policy": 0x4030000},
    )
    yield alone(
        "snp.report.unknown_bits",
        "A bit of PLATFORM_INFO is set whose meaning nobody knows",
        "ATK-010",
        what="platform-info",
        fields={"platform_info": 0x124},
    )


def _signature() -> Iterator[Case]:
    amd = vendor()
    good = amd.report(**_GIVEN)
    yield alone(
        "snp.report.signing_key",
        "A VLEK signed, says the report, and a VCEK is certified",
        "ATK-002",
        what="vlek",
        fields={"key_info": 1 << 2},
    )
    yield alone(
        "snp.report.signing_key",
        "The report says that no key signed it",
        "ATK-013",
        what="none",
        fields={"key_info": 7 << 2},
    )
    yield alone(
        "snp.report.signing_key",
        "MASK_CHIP_KEY is set, with which the firmware writes no signature",
        "ATK-013",
        what="masked",
        fields={"key_info": 1 << 1},
    )
    yield alone(
        "snp.report.unsigned_tail",
        "A byte after the signature is set, which nobody signs",
        "ATK-012",
        held={"snp_report": good[:-1] + b"\x01"},
        **MALFORMED,
    )
    flipped = bytearray(good)
    flipped[0x140] ^= 1  # REPORT_ID, which no other check looks at
    yield alone(
        "snp.report.signature",
        "One bit of REPORT_ID was flipped after signing",
        "ATK-013",
        what="flipped",
        held={"snp_report": bytes(flipped)},
    )
    zero = good[:0x2A0] + bytes(144) + good[0x2A0 + 144 :]
    yield alone(
        "snp.report.signature",
        "r and s are zero",
        what="zero",
        held={"snp_report": zero},
    )


def _levels() -> Iterator[Case]:
    amd = vendor()
    yield alone(
        _VEK_OF,
        "The report states a higher TCB than the certificate",
        "ATK-003",
        held={"snp_vek": amd.vek(tcb=Tcb(None, 4, 0, 24, 218))},
    )
    turin = vendor(Product.TURIN)
    yield alone(
        _VEK_OF,
        "The report states another FMC than the certificate",
        "ATK-003",
        what="fmc",
        amd=turin,
        held={"snp_vek": turin.vek(tcb=Tcb(0, 1, 1, 4, 81))},
    )
    yield alone(
        "snp.tcb.order",
        "REPORTED_TCB is above COMMITTED_TCB",
        "ATK-005",
        what="reported",
        fields={"committed_tcb": Tcb(None, 4, 0, 24, 218)},
    )
    yield alone(
        "snp.tcb.order",
        "COMMITTED_TCB is above CURRENT_TCB",
        "ATK-005",
        what="committed",
        fields={"committed_tcb": Tcb(None, 4, 0, 24, 220)},
    )
    yield alone(
        "snp.firmware.order",
        "Newer firmware is committed than runs",
        "ATK-005",
        fields={"committed_firmware": Firmware(1, 55, 50)},
    )


def _agreement() -> Iterator[Case]:
    amd = vendor()
    check = "snp.chip_id.equals_certificate"
    yield alone(
        check,
        "The report names another chip than the certificate",
        "ATK-006",
        what="other",
        fields={"chip_id": b"\x09" * 64},
    )
    yield alone(
        check,
        "The report hides its chip, and the policy does not take that",
        "ATK-006",
        what="masked",
        fields={"chip_id": bytes(64)},
    )
    yield alone(
        "snp.product.agreement",
        "The report is of Genoa, the certificate and its chain of Milan",
        "ATK-002",
        what="cpuid",
        fields={"cpuid": (0x19, 0x11, 0x01)},
    )
    yield alone(
        "snp.product.agreement",
        "The certificate names Genoa under a chain of Milan",
        "ATK-002",
        what="product-name",
        held={"snp_vek": amd.vek(product_name="Genoa")},
    )
    vlek = vendor(kind=VekKind.VLEK)
    yield alone(
        "snp.signing_key.allowed",
        "A VLEK where the policy wants a VCEK",
        "ATK-002",
        what="vlek",
        amd=vlek,
        changed={"signing_keys": ["VCEK"], "csp_ids": []},
    )
    yield alone(
        "snp.signing_key.allowed",
        "A VLEK of another provider than the policy names",
        "ATK-002",
        what="provider",
        amd=vlek,
        changed={"csp_ids": ["CN=other.invalid"]},
    )
