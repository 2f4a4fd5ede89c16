"""Appraises an authentic SEV-SNP report against the policy and the logged release.

Steps P1 to P10 and B5 to B7 of the report's checks. TCBs are compared component by component and
never as one integer, where a high component would hide a low one (ATK-004).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import Finding, FindingClass, Status, compared, finding
from verifier.appraisal.policy_snp import Expectation, SnpPolicy, tcb_of_floor
from verifier.evidence.report_data import report_data_of_nonce
from verifier.evidence.snp_bits import PLATFORM_BITS, set_bits
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekKind
from verifier.release.cvm_release import CvmRelease

__all__ = ["SNP_POLICY_CHECKS", "Nonce", "appraise_snp", "appraise_snp_release", "expected_checks"]

SNP_POLICY_CHECKS = (
    "snp.product.allowed",
    "snp.signing_key.allowed",
    "snp.vmpl",
    "snp.policy.debug",
    "snp.policy.migrate",
    "snp.policy.smt",
    "snp.platform_info",
    "snp.tcb.reported_minimum",
    "snp.tcb.launch_minimum",
    "snp.firmware.minimum",
    "snp.measurement",
    "snp.report_data",
    "snp.host_data",
    "snp.chip.enrolled",
)
"""What a policy says of a report. A field that it leaves out is a named skip."""

_SOURCE = "snp-report"


@dataclass(frozen=True, slots=True)
class Nonce:
    """The 32 bytes that REPORT_DATA must answer, and whose word it is that they were fresh.

    ``recorded`` nonces come from the bundle: they show freshness to whoever captured it, and to
    nobody else (ATK-039).
    """

    value: bytes
    recorded: bool

    def __str__(self) -> str:
        return f"{self.value.hex()}{', as the bundle records it' if self.recorded else ''}"


def expected_checks(policy: SnpPolicy) -> tuple[str, ...]:
    """The checks of ``SNP_POLICY_CHECKS`` that ``policy`` requires: all but its ``not_checked``."""
    left_out = {check for check, expectation in _fields(policy) if expectation.not_checked}
    if policy.measurement.from_release:
        left_out.add("snp.measurement")  # release.measurement is the comparison then
    return tuple(check for check in SNP_POLICY_CHECKS if check not in left_out)


def _fields(policy: SnpPolicy) -> tuple[tuple[str, Expectation], ...]:
    return (
        ("snp.measurement", policy.measurement),
        ("snp.report_data", policy.report_data),
        ("snp.host_data", policy.host_data),
        ("snp.chip.enrolled", policy.chip_ids),
    )


def appraise_snp(
    authentic: AuthenticReport, *, policy: SnpPolicy, nonce: Nonce | None
) -> tuple[Finding, ...]:
    """A finding for every check of ``SNP_POLICY_CHECKS``."""
    return (
        *_identity(authentic, policy),
        *_guest_policy(authentic, policy),
        *_levels(authentic, policy),
        *_contents(authentic, policy, nonce),
    )


def _rule(check: str, *, holds: bool, expected: str, got: str, hint: str = "") -> Finding:
    return compared(
        check,
        holds=holds,
        expected=expected,
        got=got,
        source=_SOURCE,
        cls=FindingClass.POLICY,
        hint=hint,
    )


def _identity(authentic: AuthenticReport, policy: SnpPolicy) -> Iterator[Finding]:
    product, report = authentic.product, authentic.report
    yield _rule(
        "snp.product.allowed",
        holds=product in policy.products,
        expected=" or ".join(policy.products),
        got=product,
    )
    yield _signing_key(authentic, policy)
    yield _rule(
        "snp.vmpl",
        holds=report.vmpl in policy.vmpls,
        expected=_one_of(policy.vmpls),
        got=str(report.vmpl) if report.vmpl <= 3 else f"{report.vmpl:#x}",
        hint="a report requested by the host does not speak for the guest",
    )


def _signing_key(authentic: AuthenticReport, policy: SnpPolicy) -> Finding:
    certificate = authentic.vek.certificate
    by_provider = certificate.kind is VekKind.VLEK
    named = not by_provider or certificate.csp_id in policy.csp_ids
    return _rule(
        "snp.signing_key.allowed",
        holds=certificate.kind in policy.signing_keys and named,
        expected=" or ".join((*policy.signing_keys, *policy.csp_ids)),
        got=f"{certificate.kind} of {certificate.csp_id}" if by_provider else str(certificate.kind),
    )


def _guest_policy(authentic: AuthenticReport, policy: SnpPolicy) -> Iterator[Finding]:
    granted = authentic.report.guest_policy
    permissions = (
        ("snp.policy.debug", "DEBUG", granted.debug, policy.allow_debug),
        ("snp.policy.migrate", "MIGRATE_MA", granted.migrate_ma, policy.allow_migrate_ma),
        ("snp.policy.smt", "SMT", granted.smt, policy.allow_smt),
    )
    for check, name, given, allowed in permissions:
        yield _rule(
            check,
            holds=allowed or not given,
            expected=f"{name} {'0 or 1' if allowed else '0'}",
            got=f"{name} {given:d} (POLICY {granted.value:#x})",
        )
    on = set_bits(authentic.report.platform_info, PLATFORM_BITS)
    missing = [name for name in policy.platform_info_required if name not in on]
    yield _rule(
        "snp.platform_info",
        holds=not missing,
        expected=", ".join(policy.platform_info_required) or "nothing in particular",
        got=(f"without {', '.join(missing)}: " if missing else "") + (", ".join(on) or "none"),
    )


def _levels(authentic: AuthenticReport, policy: SnpPolicy) -> Iterator[Finding]:
    product = authentic.product
    reported, launch = authentic.reported_tcb, authentic.launch_tcb
    yield _floor("snp.tcb.reported_minimum", reported, policy.minimum_reported_tcb, product)
    yield _floor("snp.tcb.launch_minimum", launch, policy.minimum_launch_tcb, product)
    running, floor = authentic.report.current_firmware, policy.minimum_firmware
    yield _rule(
        "snp.firmware.minimum",
        holds=running >= floor,
        expected=f"at least {floor}",
        got=str(running),
    )


def _floor(check: str, tcb: Tcb, floors: Mapping[Product, Tcb], product: Product) -> Finding:
    floor = floors.get(product)
    if floor is None:  # only for a product that snp.product.allowed refuses
        return _rule(check, holds=False, expected=f"a floor for {product}", got="none is given")
    below = tcb.below(floor)
    return _rule(
        check,
        holds=not below,
        expected=f"at least {floor}",
        got=f"{tcb}" + (f", below in {', '.join(below)}" if below else ""),
    )


def _contents(
    authentic: AuthenticReport, policy: SnpPolicy, nonce: Nonce | None
) -> Iterator[Finding]:
    report = authentic.report
    observed = {
        "snp.measurement": report.measurement,
        "snp.report_data": report.report_data,
        "snp.host_data": report.host_data,
        "snp.chip.enrolled": report.chip_id,
    }
    for check, expectation in _fields(policy):
        if not expectation.from_release:
            yield _content(check, observed[check], expectation, nonce)


def _content(check: str, observed: bytes, expectation: Expectation, nonce: Nonce | None) -> Finding:
    if expectation.not_checked:
        return _skipped(check, f"the policy says: {expectation.not_checked}")
    if not expectation.from_nonce:
        return _equal(check, observed, expectation.values, "")
    if nonce is None:
        return _skipped(check, "no nonce was given, and the bundle records none")
    return _equal(check, observed, (report_data_of_nonce(nonce.value),), f", for nonce {nonce}")


def _equal(check: str, observed: bytes, values: tuple[bytes, ...], why: str) -> Finding:
    return compared(
        check,
        holds=observed in values,
        expected=_one_of(value.hex() for value in values) + why,
        got=observed.hex() + (why if observed in values else ""),
        source=_SOURCE,
    )


def _skipped(check: str, reason: str) -> Finding:
    return finding(
        check,
        Status.SKIP,
        expected="to be checked",
        got=f"not checked: {reason}",
        source=_SOURCE,
        cls=FindingClass.POLICY,
    )


def _one_of(values: Iterable[object]) -> str:
    return " or ".join(str(value) for value in values)


def appraise_snp_release(authentic: AuthenticReport, *, release: CvmRelease) -> tuple[Finding, ...]:
    """Compare the report with the logged release: the measurement, and the promised evidence."""
    report = authentic.report
    rows = [row for row in release.measurements if row.platform == "sev-snp"]
    matches = [row for row in rows if row.value == report.measurement]
    matched = "".join(
        f" (row: {row.vmm}, {row.vcpus} vCPUs, signature {row.vcpu_signature:#x})"
        for row in matches[:1]
    )
    shown = _one_of(row.value.hex() for row in rows[:4]) + (" or …" if len(rows) > 4 else "")
    return (
        compared(
            "release.measurement",
            holds=bool(matches),
            expected=shown,
            got=report.measurement.hex() + matched,
            source=_SOURCE,
            hint="the machine does not run what the release states",
        ),
        _expected_evidence(authentic, release),
    )


def _expected_evidence(authentic: AuthenticReport, release: CvmRelease) -> Finding:
    promised = release.expected_evidence
    faults = tuple(_broken_promises(authentic, release))
    return compared(
        "release.expected_evidence",
        holds=not faults,
        expected=f"{_one_of(promised.tees)}, VMPL {_one_of(promised.vmpls)}, at the TCB floors",
        got="not as promised: " + ", ".join(faults) if faults else "as promised",
        source=_SOURCE,
    )


def _broken_promises(authentic: AuthenticReport, release: CvmRelease) -> Iterator[str]:
    promised, report = release.expected_evidence, authentic.report
    floors = {floor.product: tcb_of_floor(floor) for floor in promised.minimum_tcb}
    floor = floors.get(authentic.product)
    # A release that promises another TEE than sev-snp is not parsed yet, so that is not asked here.
    if report.vmpl not in promised.vmpls:
        yield f"VMPL {report.vmpl:#x}"
    if report.guest_policy.debug and not promised.debug:
        yield "DEBUG 1"
    if report.guest_policy.migrate_ma and not promised.migrate_ma:
        yield "MIGRATE_MA 1"
    if floor is None:
        yield f"product {authentic.product}"
    elif authentic.reported_tcb.below(floor):
        yield f"TCB {authentic.reported_tcb} below {floor}"
