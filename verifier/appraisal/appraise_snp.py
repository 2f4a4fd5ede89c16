"""Holds an authentic SEV-SNP report against the policy, one judge a check, and the release.

Steps P1 to P11 and B5 to B7 of the report's checks. TCBs are compared component by component and
never as one integer, where a high component would hide a low one (ATK-004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import Finding, FindingClass, Status, compared, finding
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.policy_values import tcb_of_floor
from verifier.appraisal.posture import Posture
from verifier.appraisal.snp_content_judges import CONTENT_JUDGES
from verifier.appraisal.snp_guest_judges import GUEST_JUDGES
from verifier.appraisal.snp_judging import Claim, Judged, PostureJudge, one_of
from verifier.appraisal.snp_level_judges import LEVEL_JUDGES
from verifier.appraisal.snp_undemanded import undemanded
from verifier.release.cvm_release import CvmRelease

__all__ = ["SNP_POLICY_CHECKS", "appraise_snp", "appraise_snp_release", "expected_checks"]

_POSTURE_JUDGES: Mapping[str, PostureJudge] = MappingProxyType({**GUEST_JUDGES, **LEVEL_JUDGES})

SNP_POLICY_CHECKS = (*_POSTURE_JUDGES, *CONTENT_JUDGES)
"""What a policy says of a report. What it does not demand is said, and is never a pass."""

_SOURCE = "snp-report"


def expected_checks(policy: SnpPolicy) -> tuple[str, ...]:
    """The checks of ``SNP_POLICY_CHECKS`` that ``policy`` requires."""
    left_out = undemanded(policy)
    return tuple(check for check in SNP_POLICY_CHECKS if check not in left_out)


def appraise_snp(claim: Claim, *, posture: Posture) -> tuple[Finding, ...]:
    """A finding for every check of ``SNP_POLICY_CHECKS``."""
    policy = claim.policy
    skipped = _skipped_by(policy)
    return (
        *_appraise_posture(posture, policy),
        *(
            skipped.get(check) or _judged(check, judge(claim), policy)
            for check, judge in CONTENT_JUDGES.items()
        ),
    )


# All machines of one build share a posture, and a verifier mostly has one policy.
@lru_cache(maxsize=64)
def _appraise_posture(posture: Posture, policy: SnpPolicy) -> tuple[Finding, ...]:
    skipped = _skipped_by(policy)
    return tuple(
        skipped.get(check) or _judged(check, judge(posture, policy), policy)
        for check, judge in _POSTURE_JUDGES.items()
    )


@lru_cache(maxsize=16)
def _skipped_by(policy: SnpPolicy) -> Mapping[str, Finding]:
    """The findings that follow from the policy alone."""
    return {
        check: _skipped(check, reason)
        for check, (status, reason) in undemanded(policy).items()
        if status is Status.SKIP
    }


def _judged(check: str, judged: Judged, policy: SnpPolicy) -> Finding:
    undemanded_because = undemanded(policy).get(check)
    if undemanded_because is not None:
        return _informed(check, judged.got, undemanded_because[1])
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


def _informed(check: str, got: str, reason: str) -> Finding:
    return finding(
        check,
        Status.INFO,
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
