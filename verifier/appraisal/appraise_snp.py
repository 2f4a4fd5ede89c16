"""Holds an authentic SEV-SNP report against the policy, one judge a check, and the release.

Steps P1 to P11 and B5 to B7 of the report's checks. TCBs are compared component by component and
never as one integer, where a high component would hide a low one (ATK-004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import Finding, FindingClass, Status, compared, finding
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.policy_values import tcb_of_floor
from verifier.appraisal.snp_content_judges import CONTENT_JUDGES
from verifier.appraisal.snp_guest_judges import GUEST_JUDGES
from verifier.appraisal.snp_judging import Claim, Judge, Nonce, one_of
from verifier.appraisal.snp_level_judges import LEVEL_JUDGES
from verifier.appraisal.snp_undemanded import undemanded
from verifier.release.cvm_release import CvmRelease

__all__ = ["SNP_POLICY_CHECKS", "appraise_snp", "appraise_snp_release", "expected_checks"]

_JUDGES: Mapping[str, Judge] = MappingProxyType({**GUEST_JUDGES, **LEVEL_JUDGES, **CONTENT_JUDGES})

SNP_POLICY_CHECKS = tuple(_JUDGES)
"""What a policy says of a report. What it does not demand is said, and is never a pass."""

_SOURCE = "snp-report"


def expected_checks(policy: SnpPolicy) -> tuple[str, ...]:
    """The checks of ``SNP_POLICY_CHECKS`` that ``policy`` requires."""
    left_out = undemanded(policy)
    return tuple(check for check in SNP_POLICY_CHECKS if check not in left_out)


def appraise_snp(
    authentic: AuthenticReport, *, policy: SnpPolicy, nonce: Nonce | None
) -> tuple[Finding, ...]:
    """A finding for every check of ``SNP_POLICY_CHECKS``."""
    claim = Claim(authentic, policy, nonce)
    left_out = undemanded(policy)
    return tuple(
        _judged(check, judge, claim)
        if (why := left_out.get(check)) is None
        else _left_out(check, judge, claim, *why)
        for check, judge in _JUDGES.items()
    )


def _judged(check: str, judge: Judge, claim: Claim) -> Finding:
    judged = judge(claim)
    if judged.missing:
        return _skipped(check, judged.missing)
    return compared(
        check,
        holds=judged.holds,
        expected=judged.expected,
        got=judged.got,
        source=_SOURCE,
        cls=judged.cls,
        hint=judged.hint,
    )


def _left_out(check: str, judge: Judge, claim: Claim, status: Status, reason: str) -> Finding:
    if status is Status.SKIP:
        return _skipped(check, reason)
    got = judge(claim).got
    return finding(
        check,
        status,
        expected="nothing in particular",
        got=f"{got}: {reason}",
        source=_SOURCE,
        cls=FindingClass.POLICY,
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


def appraise_snp_release(authentic: AuthenticReport, *, release: CvmRelease) -> tuple[Finding, ...]:
    """Compare the report with the logged release: the measurement, and the promised evidence."""
    report = authentic.report
    rows = [row for row in release.measurements if row.platform == "sev-snp"]
    matches = [row for row in rows if row.value == report.measurement]
    matched = "".join(
        f" (row: {row.vmm}, {row.vcpus} vCPUs, signature {row.vcpu_signature:#x})"
        for row in matches[:1]
    )
    shown = one_of(row.value.hex() for row in rows[:4]) + (" or …" if len(rows) > 4 else "")
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
        expected=f"{one_of(promised.tees)}, VMPL {one_of(promised.vmpls)}, at the TCB floors",
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
