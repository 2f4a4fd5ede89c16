"""Appraises one piece of SEV-SNP evidence: parse, authenticate, then hold it against the policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from verifier.appraisal.advisories.appraise_advisories import (
    ADVISORY_CHECKS,
    appraise_advisories,
    appraise_warnings,
)
from verifier.appraisal.appraise_snp import appraise_snp, expected_checks
from verifier.appraisal.authenticate_snp import (
    REPORT_CHECKS,
    VEK_CHECKS,
    AuthenticReport,
    AuthenticVek,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.findings import FindingClass, Status, compared, failed, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import Policy
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.policy_values import HclPolicy
from verifier.appraisal.posture import posture_of
from verifier.appraisal.snp_crl_checks import CRL_CHECKS, check_revocation
from verifier.appraisal.snp_fields import unjudged_fields
from verifier.appraisal.snp_hcl_checks import (
    HCL_CHECKS,
    HclEvidence,
    HclExpectation,
    check_hcl,
)
from verifier.appraisal.snp_id_block_checks import ID_BLOCK_CHECKS, appraise_id_block
from verifier.appraisal.snp_judging import Claim, Nonce
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES, Allowances
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.evidence.vek_certificate import VekCertificate, parse_vek_certificate
from verifier.roots.snp_root import SnpRoot

if TYPE_CHECKING:  # as appraise_session, below
    from verifier.wire.session_binding import SessionBinding

__all__ = ["AUTHENTICITY_CHECKS", "Auditor", "SnpEvidence", "appraise_evidence", "evidence_checks"]

AUTHENTICITY_CHECKS = (
    "snp.report.format",
    "snp.vek.format",
    *VEK_CHECKS,
    *REPORT_CHECKS,
    "evidence.platform",
)
"""What makes a report authentic, whatever a policy says."""

_CHIP = "snp.chip_id.equals_certificate"
_NO_POLICY = "no policy was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpEvidence:
    """A report, its VEK certificate, and what came along or was collected for them.

    ``offered_ca`` are CA certificates, which are only compared. ``hcl`` is a container that holds
    the report, ``session`` the binding of the TLS session. None stands for a piece that was not
    given.
    """

    report: bytes | None
    vek: bytes | None
    offered_ca: tuple[bytes, ...] = ()
    crl: bytes | None = None
    hcl: HclEvidence | None = None
    session: bytes | None = None
    id_block: bytes | None = None
    id_authentication: bytes | None = None


@dataclass(frozen=True, slots=True)
class Auditor:
    """What the auditor brings: the vendor keys to believe, the instant of judgement, the nonce.

    ``now`` is aware, UTC. ``nonce`` is what the evidence must answer, or None where there is none.
    """

    roots: tuple[SnpRoot, ...]
    now: datetime
    nonce: Nonce | None


@lru_cache(maxsize=16)
def evidence_checks(policy: SnpPolicy | None) -> tuple[str, ...]:
    """The checks that evidence must pass under ``policy``; without one, to be authentic.

    That the report names the chip of its certificate is only required where the policy takes
    neither VLEKs, which name none, nor reports that hide it. Another chip fails all the same.
    """
    if policy is None:
        return tuple(check for check in AUTHENTICITY_CHECKS if check != _CHIP)
    hidden = policy.masked_chip_id or "VLEK" in policy.signing_keys
    revocation = {
        "fresh": CRL_CHECKS,
        "stale_accepted": tuple(c for c in CRL_CHECKS if c != "snp.crl.freshness"),
    }
    return (
        *(check for check in AUTHENTICITY_CHECKS if not (hidden and check == _CHIP)),
        *revocation.get(policy.crl, ()),
        *expected_checks(policy),
        *(() if policy.id_block_not_checked else ID_BLOCK_CHECKS),
        *ADVISORY_CHECKS,
        *_hcl_checks(policy.hcl),
        *(("session.binding",) if _binds_session(policy) else ()),
    )


def _hcl_checks(policy: HclPolicy | None) -> tuple[str, ...]:
    if policy is None:
        return ()
    return HCL_CHECKS[:-1] if policy.quote_not_checked else HCL_CHECKS


def appraise_evidence(
    ledger: Ledger, evidence: SnpEvidence, *, policy: Policy | None, auditor: Auditor
) -> AuthenticReport | None:
    """Record every check of the stage ``evidence``; return the report if it is authentic.

    Without a policy only authenticity is judged, and hardware is expected.
    """
    snp = policy.sev_snp if policy is not None else None
    authentic = _authenticate(ledger, evidence, snp, auditor)
    if authentic is None:
        made = {each.check for each in ledger.findings}
        left = tuple(check for check in evidence_checks(snp) if check not in made)
        ledger.skip(left, reason="the report is not authentic", source="snp-report")
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
        role = policy.release.role if policy is not None and policy.release is not None else None
        session = _session(ledger, evidence, role, auditor) if _binds_session(snp) else None
        _appraise(ledger, evidence, Claim(authentic, snp, auditor.nonce, session), auditor.now)
    else:
        ledger.record(appraise_warnings(authentic.product))
    ledger.record((unjudged_fields(),))
    return authentic


def _appraise(ledger: Ledger, evidence: SnpEvidence, claim: Claim, now: datetime) -> None:
    policy, posture = claim.policy, posture_of(claim.authentic)
    ledger.record(appraise_snp(claim, posture=posture))
    if policy.id_block_not_checked:
        reason = f"the policy says: {policy.id_block_not_checked}"
        ledger.skip(ID_BLOCK_CHECKS[-1:], reason=reason, source="snp-id-block")
    else:
        appraise_id_block(
            ledger,
            block=evidence.id_block,
            authentication=evidence.id_authentication,
            report=claim.report,
        )
    ledger.record(appraise_advisories(posture, policy=policy.advisories, now=now))


def _binds_session(policy: SnpPolicy) -> bool:
    return policy.report_data.derived == "session"


def _session(
    ledger: Ledger, evidence: SnpEvidence, role: str | None, auditor: Auditor
) -> SessionBinding | None:
    # Loads the X.509 reader, for which only a policy that asks for a session should pay.
    from verifier.appraisal.appraise_session import appraise_session  # noqa: PLC0415 - as above

    return appraise_session(ledger, evidence.session, nonce=auditor.nonce, role=role)


def _authenticate(
    ledger: Ledger, evidence: SnpEvidence, policy: SnpPolicy | None, auditor: Auditor
) -> AuthenticReport | None:
    raw = _raw_report(ledger, evidence, policy, auditor.nonce)
    if raw is None:
        if evidence.hcl is None:
            ledger.missing(AUTHENTICITY_CHECKS[:-1], role="snp-report")
        else:
            reason = "the container could not be read"
            ledger.skip(AUTHENTICITY_CHECKS[:-1], reason=reason, source="snp-hcl")
        return None
    report = _parse_report(ledger, raw, policy)
    if evidence.vek is None:
        _without_vek(ledger)
        return None
    certificate = _parse_vek(ledger, evidence.vek)
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
    _check_revocation(ledger, evidence.crl, vek, policy, auditor)
    allowances = _allowances(policy)
    return ledger.enter(
        lambda: authenticate_report(report, vek=vek, allowances=allowances),
        findings_of=lambda a: a.findings,
    )


def _raw_report(
    ledger: Ledger, evidence: SnpEvidence, policy: SnpPolicy | None, nonce: Nonce | None
) -> bytes | None:
    """The report as it was given, or the one in the container, whose own checks are made here."""
    demanded = policy.hcl if policy is not None else None
    if evidence.hcl is None or (demanded is None and evidence.report is not None):
        if demanded is not None:
            ledger.missing(HCL_CHECKS, role="snp-hcl")
        return evidence.report
    unasked = "nothing asks for the container's quote" if demanded is None else ""
    checked = check_hcl(
        evidence.hcl,
        expected=HclExpectation(
            nonce=nonce.value if nonce is not None else None,
            pcrs=demanded.pcrs if demanded is not None else {},
            quote_not_checked=demanded.quote_not_checked if demanded is not None else unasked,
        ),
    )
    ledger.record(checked.findings)
    # Beside the container a bare report claims something of its own, which then must be the same.
    if evidence.report not in (None, checked.report):
        ledger.record(
            [
                failed(
                    "snp.hcl.format",
                    expected="the report of the container, where one is given beside it",
                    got="another report",
                    source="snp-report",
                    cls=FindingClass.INPUT,
                )
            ]
        )
    return checked.report


def _parse_report(ledger: Ledger, raw: bytes, policy: SnpPolicy | None) -> AttestationReport | None:
    accepted = policy.report_versions if policy is not None else ()
    return ledger.attempt(
        "snp.report.format",
        lambda: parse_report(raw, unknown_versions=accepted),
        expected="an ATTESTATION_REPORT of version 2 to 5",
        got=_shape,
        source="snp-report",
    )


def _shape(report: AttestationReport) -> str:
    shape = f"version {report.version}, {len(report.raw)} bytes"
    if report.is_known:
        return shape
    return f"{shape}; unknown here, and read like version 5 because the policy names it"


def _parse_vek(ledger: Ledger, raw: bytes) -> VekCertificate | None:
    return ledger.attempt(
        "snp.vek.format",
        lambda: parse_vek_certificate(raw),
        expected="a VCEK or VLEK certificate",
        got=lambda c: f"{c.kind} for {c.product_name}, TCB {c.tcb}",
        source="snp-vek",
    )


def _check_revocation(
    ledger: Ledger, crl: bytes | None, vek: AuthenticVek, policy: SnpPolicy | None, auditor: Auditor
) -> None:
    ledger.record(
        check_revocation(
            crl,
            root=vek.root,
            now=auditor.now,
            demand=policy.crl if policy is not None else "",
            not_checked=_unread(policy),
        )
    )


def _unread(policy: SnpPolicy | None) -> str:
    if policy is None:
        return _NO_POLICY
    return f"the policy says: {policy.crl_not_checked}" if policy.crl_not_checked else ""


def _allowances(policy: SnpPolicy | None) -> Allowances:
    if policy is None:
        return NO_ALLOWANCES
    return Allowances(unknown_bits=policy.unknown_bits, masked_chip_id=policy.masked_chip_id)


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
