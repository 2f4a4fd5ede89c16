"""The checks of a report against its authentic certificate: steps S6 to S8, C8 and B1 to B4.

The certificate is the authority on the TCB and the chip; the report must agree with it. Source:
SNP firmware ABI (AMD publication 56860), KDS specification (AMD publication 57230).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from verifier.appraisal.findings import Finding, FindingClass, Status, compared, failed, finding
from verifier.errors import ParseError
from verifier.evidence.snp_report import SIGNING_KEY_NONE, AttestationReport, unknown_bits
from verifier.evidence.tcb import Product, Tcb, decode_tcb, product_of_cpuid
from verifier.evidence.vek_certificate import VekCertificate, VekKind
from verifier.roots.snp_root import SnpRoot

__all__ = ["NO_ALLOWANCES", "Allowances", "Tcbs", "check_report", "decode_tcbs"]

_SOURCE = "snp-report"

_ECDSA_SHA384 = ECDSA(SHA384())
# Order of P-384 (SEC 2 section 2.5.1).
_ORDER = int.from_bytes(
    bytes.fromhex(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973"
    )
)
_KIND_OF_SIGNING_KEY = {0: VekKind.VCEK, 1: VekKind.VLEK}
_TURIN_CHIP = 8  # significant bytes of CHIP_ID on Turin


def _passed(check: str, expected: str, got: str) -> Finding:
    return finding(check, Status.PASS, expected=expected, got=got, source=_SOURCE)


# A pass that quotes nothing of the report is always the same one.
_NO_UNKNOWN_BITS = _passed("snp.report.unknown_bits", "none", "none")
_NO_TAIL = _passed("snp.report.unsigned_tail", "all zero", "all zero")
_SIGNED_AS_CERTIFIED = {kind: _passed("snp.report.signing_key", kind, kind) for kind in VekKind}
_VERIFIES = {
    kind: _passed("snp.report.signature", f"an ECDSA P-384 signature by the {kind}", "it verifies")
    for kind in VekKind
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """What a policy lets pass although it is unknown or hidden.

    ``unknown_bits`` by their names, as in ``unknown_bits(report)``; ``masked_chip_id``: whether the
    report may hide its chip, so that only the certificate names it.
    """

    unknown_bits: tuple[str, ...]
    masked_chip_id: bool


NO_ALLOWANCES = Allowances(unknown_bits=(), masked_chip_id=False)
"""Nothing unknown and nothing hidden passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcbs:
    """The four TCBs of a report, decoded for its product."""

    reported: Tcb
    committed: Tcb
    current: Tcb
    launch: Tcb


def decode_tcbs(report: AttestationReport, product: Product) -> Tcbs | ParseError:
    """Decode the TCBs as ``product`` lays them out; the error, if a reserved byte is not zero.

    The layout depends on the product, so this cannot be said when the report is parsed.
    """
    raw = report.reported_tcb
    try:
        reported = decode_tcb(raw, product)
        # Mostly all four are one value, and then one decoding says it.
        committed, current, launch = (
            reported if other == raw else decode_tcb(other, product)
            for other in (report.committed_tcb, report.current_tcb, report.launch_tcb)
        )
    except ParseError as error:
        return error
    return Tcbs(reported=reported, committed=committed, current=current, launch=launch)


def check_report(
    report: AttestationReport,
    *,
    certificate: VekCertificate,
    root: SnpRoot,
    tcbs: Tcbs | ParseError,
    allowances: Allowances,
) -> tuple[Finding, ...]:
    """All findings about a report whose ``certificate`` was authenticated under ``root``."""
    return (
        _unknown_bits(report, allowances.unknown_bits),
        _signing_key(report, certificate),
        _unsigned_tail(report),
        _signature(report, certificate),
        *_tcb(tcbs, certificate),
        _firmware(report),
        _chip_id(report, certificate, masked_allowed=allowances.masked_chip_id),
        _product(report, certificate, root),
    )


def _unknown_bits(report: AttestationReport, allowed: tuple[str, ...]) -> Finding:
    bits = unknown_bits(report)
    if not bits:
        return _NO_UNKNOWN_BITS
    return compared(
        "snp.report.unknown_bits",
        holds=all(bit in allowed for bit in bits),
        expected=f"none but {', '.join(allowed)}, as the policy says" if allowed else "none",
        got=", ".join(bits),
        source=_SOURCE,
        hint="the firmware is newer than this release of the verifier",
    )


def _signing_key(report: AttestationReport, certificate: VekCertificate) -> Finding:
    key = report.signing_key
    kind = _KIND_OF_SIGNING_KEY.get(key)
    if kind is certificate.kind and not report.mask_chip_key:
        return _SIGNED_AS_CERTIFIED[kind]
    name = "NONE" if key == SIGNING_KEY_NONE else kind or f"reserved value {key}"
    masked = ", MASK_CHIP_KEY is set: the firmware writes no signature"
    return failed(
        "snp.report.signing_key",
        expected=certificate.kind,
        got=f"{name}{masked}" if report.mask_chip_key else name,
        source=_SOURCE,
    )


def _unsigned_tail(report: AttestationReport) -> Finding:
    count = len(report.tail) - report.tail.count(0)
    if not count:
        return _NO_TAIL
    return failed(
        "snp.report.unsigned_tail",
        expected="all zero",
        got=f"{count} bytes are not zero",
        source=_SOURCE,
        cls=FindingClass.INPUT,
    )


def _signature(report: AttestationReport, certificate: VekCertificate) -> Finding:
    fault = _signature_fault(report, certificate)
    if not fault:
        return _VERIFIES[certificate.kind]
    return failed(
        "snp.report.signature",
        expected=f"an ECDSA P-384 signature by the {certificate.kind}",
        got=fault,
        source=_SOURCE,
        hint="the report was changed, or another key signed it",
    )


def _signature_fault(report: AttestationReport, certificate: VekCertificate) -> str:
    r, s = report.signature_r, report.signature_s
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        return "r or s is out of range: 1 to the order of the curve, less one"
    try:
        certificate.public_key.verify(
            encode_dss_signature(r, s), report.signed_bytes, _ECDSA_SHA384
        )
    except InvalidSignature:
        return "not one"
    return ""


def _tcb(tcbs: Tcbs | ParseError, certificate: VekCertificate) -> Iterator[Finding]:
    reported_check, order_check = "snp.tcb.reported_equals_certificate", "snp.tcb.order"
    if isinstance(tcbs, ParseError):
        for check in (reported_check, order_check):
            yield compared(
                check,
                holds=False,
                expected=f"{tcbs.what}: {tcbs.expected}",
                got=tcbs.got,
                source=_SOURCE,
                cls=FindingClass.INPUT,
            )
        return
    yield compared(
        reported_check,
        holds=tcbs.reported == certificate.tcb,
        expected=str(certificate.tcb),
        got=str(tcbs.reported),
        source=_SOURCE,
        hint="the key was derived for another TCB than the report states",
    )
    yield compared(
        order_check,
        holds=not (tcbs.committed.below(tcbs.reported) or tcbs.current.below(tcbs.committed)),
        expected="reported <= committed <= current",
        got=_order_text(tcbs),
        source=_SOURCE,
    )


def _order_text(tcbs: Tcbs) -> str:
    if tcbs.reported is tcbs.committed is tcbs.current:
        return f"all {tcbs.reported}"
    return f"reported {tcbs.reported}, committed {tcbs.committed}, current {tcbs.current}"


def _firmware(report: AttestationReport) -> Finding:
    committed, current = report.committed_firmware, report.current_firmware
    return compared(
        "snp.firmware.order",
        holds=committed <= current,
        expected="committed <= current",
        got=f"committed {committed}, current {current}",
        source=_SOURCE,
    )


def _chip_id(
    report: AttestationReport, certificate: VekCertificate, *, masked_allowed: bool
) -> Finding:
    check = "snp.chip_id.equals_certificate"
    masked = not any(report.chip_id)
    got = "all zero (masked)" if masked else report.chip_id.hex()
    hw_id = certificate.hw_id
    if hw_id is None:
        # A provider loads one VLEK into many chips, so there is nothing to compare with.
        return _not_compared(check, "nothing: a VLEK names no chip", got)
    if masked and masked_allowed:
        expected = f"nothing: the policy lets the report hide the chip {hw_id.hex()}"
        return _not_compared(check, expected, got)
    expected_id = hw_id.ljust(len(report.chip_id), b"\0")
    return compared(
        check,
        holds=report.chip_id == expected_id and not masked,
        expected=expected_id.hex(),
        got=got,
        source=_SOURCE,
        hint="MASK_CHIP_ID hides which chip it is" if masked else "",
    )


def _not_compared(check: str, expected: str, got: str) -> Finding:
    return finding(check, Status.INFO, expected=expected, got=got, source=_SOURCE)


def _product(report: AttestationReport, certificate: VekCertificate, root: SnpRoot) -> Finding:
    told, agrees = _product_of_report(report, root.product)
    return compared(
        "snp.product.agreement",
        holds=agrees and certificate.product == root.product,
        expected=f"{root.product}, by the pinned key {root.signer.common_name}",
        got=f"{told}, productName {certificate.product_name}",
        source=_SOURCE,
    )


def _product_of_report(report: AttestationReport, product: Product) -> tuple[str, bool]:
    """What the report itself says of its product, and whether that allows ``product``."""
    if report.cpuid is None:
        short = not any(report.chip_id[_TURIN_CHIP:])
        if not any(report.chip_id):
            return "version 2 with masked CHIP_ID", True
        length = f"CHIP_ID of {_TURIN_CHIP if short else len(report.chip_id)} bytes"
        return f"version 2 with {length}", short == (product is Product.TURIN)
    family, model, stepping = report.cpuid
    named = product_of_cpuid(family, model)
    cpuid = f"CPUID {family:#x}/{model:#x}/{stepping:#x}"
    return f"{cpuid} ({named or 'unknown'})", named is product
