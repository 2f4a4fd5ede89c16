"""Appraises one piece of SEV-SNP evidence: parse, authenticate, then hold it against the policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.appraisal.appraise_snp import Nonce, appraise_snp, expected_checks
from verifier.appraisal.authenticate_snp import (
    REPORT_CHECKS,
    VEK_CHECKS,
    AuthenticReport,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.findings import FindingClass, Status, compared, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import Policy
from verifier.evidence.snp_report import parse_report
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.roots.snp_root import SnpRoot

__all__ = ["AUTHENTICITY_CHECKS", "Auditor", "SnpEvidence", "appraise_evidence"]

AUTHENTICITY_CHECKS = (
    "snp.report.format",
    "snp.vek.format",
    *VEK_CHECKS,
    *REPORT_CHECKS,
    "evidence.platform",
)
"""What makes a report authentic, whatever a policy says."""


@dataclass(frozen=True, slots=True)
class SnpEvidence:
    """A report, its VEK certificate, and CA certificates that came along and are only compared.

    None stands for a piece that was not given.
    """

    report: bytes | None
    vek: bytes | None
    offered_ca: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Auditor:
    """What the auditor brings: the vendor keys to believe, the instant of judgement, the nonce.

    ``now`` is aware, UTC. ``nonce`` is what the evidence must answer, or None where there is none.
    """

    roots: tuple[SnpRoot, ...]
    now: datetime
    nonce: Nonce | None


def appraise_evidence(
    ledger: Ledger, evidence: SnpEvidence, *, policy: Policy | None, auditor: Auditor
) -> AuthenticReport | None:
    """Record every check of the stage ``evidence``; return the report if it is authentic.

    Without a policy only authenticity is judged, and hardware is expected.
    """
    authentic = _authenticate(ledger, evidence, auditor)
    snp = policy.sev_snp if policy is not None else None
    if authentic is None:
        checks = ("evidence.platform", *(expected_checks(snp) if snp else ()))
        ledger.skip(checks, reason="the report is not authentic", source="snp-report")
        return None
    expected = policy.platform if policy is not None else "hardware"
    ledger.record(
        [
            compared(
                "evidence.platform",
                holds=authentic.platform == expected,
                expected=expected,
                got=f"{authentic.platform}, by root {authentic.vek.root.ark.common_name}",
                source="snp-vek",
                hint="simulated evidence proves nothing about hardware",
            )
        ]
    )
    if snp is not None:
        ledger.record(appraise_snp(authentic, policy=snp, nonce=auditor.nonce))
    return authentic


def _authenticate(
    ledger: Ledger, evidence: SnpEvidence, auditor: Auditor
) -> AuthenticReport | None:
    raw_report, raw_vek = evidence.report, evidence.vek
    if raw_report is None:
        ledger.missing(AUTHENTICITY_CHECKS[:-1], role="snp-report")
        return None
    report = ledger.attempt(
        "snp.report.format",
        lambda: parse_report(raw_report),
        expected="an ATTESTATION_REPORT of version 2 to 5",
        got=lambda r: f"version {r.version}, {len(raw_report)} bytes",
        source="snp-report",
    )
    if raw_vek is None:
        _without_vek(ledger)
        return None
    certificate = ledger.attempt(
        "snp.vek.format",
        lambda: parse_vek_certificate(raw_vek),
        expected="a VCEK or VLEK certificate",
        got=lambda c: f"{c.kind} for {c.product_name}, TCB {c.tcb}",
        source="snp-vek",
    )
    if certificate is None or report is None:
        ledger.skip((*VEK_CHECKS, *REPORT_CHECKS), reason="malformed evidence", source="snp-report")
        return None
    vek = ledger.enter(
        lambda: authenticate_vek(
            certificate, roots=auditor.roots, offered_ca=evidence.offered_ca, now=auditor.now
        ),
        findings_of=lambda v: v.findings,
    )
    if vek is None:
        ledger.skip(REPORT_CHECKS, reason="the VEK is not authentic", source="snp-report")
        return None
    # Said every time: nobody should take silence for a revocation check.
    reason = "CRLs are not read by this version, so revocation is unknown"
    ledger.skip(("snp.chain.revocation",), reason=reason, source="snp-vek")
    return ledger.enter(
        lambda: authenticate_report(report, vek=vek), findings_of=lambda a: a.findings
    )


def _without_vek(ledger: Ledger) -> None:
    # The certificate is the vendor's to give, so its absence is a gap and not the claimant's lie.
    ledger.record(
        [
            finding(
                "snp.vek.format",
                Status.ERROR,
                expected="a VCEK or VLEK certificate",
                got="it is missing",
                source="bundle",
                cls=FindingClass.INFRASTRUCTURE,
                hint="AMD's key distribution service has it under the CHIP_ID and REPORTED_TCB",
            )
        ]
    )
    ledger.skip((*VEK_CHECKS, *REPORT_CHECKS), reason="no VEK certificate", source="bundle")
