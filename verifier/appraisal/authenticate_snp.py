"""Two doors: VekCertificate -> AuthenticVek, AttestationReport -> AuthenticReport.

Behind them the report is AMD's firmware speaking; whether it says what was expected is appraised
elsewhere. Every check of a door is made, also after the first failure, and all are given.
Source: SNP firmware ABI (AMD publication 56860), KDS specification (AMD publication 57230).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.appraisal.findings import Finding, Rejected, Status
from verifier.appraisal.snp_report_checks import Allowances, Tcbs, check_report, decode_tcbs
from verifier.appraisal.snp_vek_checks import check_vek
from verifier.evidence.snp_report import AttestationReport
from verifier.evidence.tcb import Product, Tcb
from verifier.evidence.vek_certificate import VekCertificate
from verifier.roots.snp_root import Platform, SnpRoot

__all__ = [
    "REPORT_CHECKS",
    "VEK_CHECKS",
    "AuthenticReport",
    "AuthenticVek",
    "authenticate_report",
    "authenticate_vek",
]

VEK_CHECKS = (
    "snp.chain.root",
    "snp.chain.validity",
    "snp.vek.issuer",
    "snp.vek.signature",
    "snp.vek.validity",
)
"""The checks that authenticate_vek makes, in this order."""

REPORT_CHECKS = (
    "snp.report.unknown_bits",
    "snp.report.signing_key",
    "snp.report.unsigned_tail",
    "snp.report.signature",
    "snp.tcb.reported_equals_certificate",
    "snp.tcb.order",
    "snp.firmware.order",
    "snp.chip_id.equals_certificate",
    "snp.product.agreement",
)
"""The checks that authenticate_report makes, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticVek:
    """A VEK certificate that a pinned root signed, valid at ``now``. Made by authenticate_vek."""

    certificate: VekCertificate
    root: SnpRoot
    now: datetime
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticReport:
    """A report that an authentic VEK signed, and that agrees with that VEK's certificate.

    ``findings`` are those of this door alone; the certificate's are in ``vek.findings``. Made by
    authenticate_report.
    """

    report: AttestationReport
    vek: AuthenticVek
    tcbs: Tcbs
    findings: tuple[Finding, ...]

    @property
    def product(self) -> Product:
        """The product that report, certificate and vendor key agree on."""
        return self.vek.root.product

    @property
    def platform(self) -> Platform:
        """Whether the root that vouches for the report stands for hardware or is simulated."""
        return self.vek.root.platform

    @property
    def reported_tcb(self) -> Tcb:
        """REPORTED_TCB: what the VEK was derived for."""
        return self.tcbs.reported

    @property
    def launch_tcb(self) -> Tcb:
        """LAUNCH_TCB: CURRENT_TCB when the guest was launched or imported."""
        return self.tcbs.launch


def authenticate_vek(
    certificate: VekCertificate,
    *,
    roots: tuple[SnpRoot, ...],
    offered_ca: tuple[bytes, ...],
    now: datetime,
) -> AuthenticVek:
    """Authenticate a VEK certificate under one of the given roots at the instant ``now``.

    ``offered_ca`` is the DER of the CA certificates that came with the evidence. They are never
    used: one that is not a pinned certificate, byte for byte, is a failed check. Raises Rejected
    with the findings of VEK_CHECKS, and ValueError if ``now`` has no time zone.
    """
    if now.tzinfo is None:
        message = "now has no time zone"
        raise ValueError(message)
    root = next((root for root in roots if root.signer.subject == certificate.issuer), None)
    findings = check_vek(certificate, root=root, roots=roots, offered_ca=offered_ca, now=now)
    # An unknown issuer is a failed check, so the first half is only for the type.
    if root is None or _any_failed(findings):
        raise Rejected("VEK certificate", findings)
    return AuthenticVek(certificate=certificate, root=root, now=now, findings=findings)


def authenticate_report(
    report: AttestationReport, *, vek: AuthenticVek, allowances: Allowances
) -> AuthenticReport:
    """Authenticate a report by the signature of ``vek`` and by agreement with its certificate.

    The signature is verified over the received bytes. ``allowances`` are what the auditor's policy
    lets pass by name. Raises Rejected with the findings of REPORT_CHECKS.
    """
    tcbs = decode_tcbs(report, vek.root.product)
    findings = check_report(
        report, certificate=vek.certificate, root=vek.root, tcbs=tcbs, allowances=allowances
    )
    # TCBs that cannot be read are a failed check, so the first half is only for the type.
    if not isinstance(tcbs, Tcbs) or _any_failed(findings):
        raise Rejected("SNP report", findings)
    return AuthenticReport(report=report, vek=vek, tcbs=tcbs, findings=findings)


def _any_failed(findings: tuple[Finding, ...]) -> bool:
    return any(finding.status is Status.FAIL for finding in findings)
