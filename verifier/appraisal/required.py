"""What must be checked, from the policy alone, before anything is read.

Evidence that is missing is then a failure or a gap in the list, and never a shorter list (ATK-054).
What a verdict leaves unproven is computed here as well: what a policy leaves out, what it requires
and a verb does not judge, and what was let pass although nobody here knows its meaning.
"""

from __future__ import annotations

from verifier.appraisal.appraise_evidence import evidence_checks
from verifier.appraisal.appraise_hosts import HOST_CHECKS
from verifier.appraisal.appraise_identity import IDENTITY_CHECK, IDENTITY_ROLE
from verifier.appraisal.appraise_log import LOG_CHECKS
from verifier.appraisal.appraise_release import release_checks
from verifier.appraisal.appraise_snp import SNP_POLICY_CHECKS
from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.policy import Policy
from verifier.evidence.bundle import IntactBundle
from verifier.evidence.snp_report import unknown_bits

__all__ = [
    "BUNDLE_CHECKS",
    "KEY_CHECKS",
    "KEY_DOCUMENT",
    "RELEASE_EVIDENCE_CHECKS",
    "required_checks",
    "required_of_bundle",
    "required_of_keys",
    "unproven_of_bundle",
    "unproven_of_keys",
    "unproven_of_release",
    "unproven_of_report",
]

BUNDLE_CHECKS = ("bundle.format", "bundle.member")
"""What every bundle must pass before anything in it is looked at."""
KEY_CHECKS = ("keys.format", "keys.signature", "keys.validity", "keys.complete")
"""What is checked with the stage ``keys``, with the log's checks of each configuration."""
KEY_DOCUMENT = "key-document"
"""Role of the member that holds what a key CDN gave out."""
RELEASE_EVIDENCE_CHECKS = ("release.measurement", "release.expected_evidence")
"""What joins the evidence with the release."""

# Stage to the members that claim it, and the check that stands for it where it was not judged.
_CLAIMS = {
    "evidence": (("snp-report", "snp-hcl"), "snp.report.signature"),
    "keys": ((KEY_DOCUMENT,), "keys.signature"),
    "log": (("release-proof",), "log.inclusion"),
    "release": (("release-entry",), "release.signature"),
}


def required_checks(policy: Policy, *, stages: tuple[str, ...]) -> tuple[str, ...]:
    """The checks that must pass for VERIFIED, for those ``stages`` that are being appraised."""
    checks: list[str] = []
    if "log" in stages:
        checks += LOG_CHECKS
    if "keys" in stages:
        checks += KEY_CHECKS
    if "release" in stages and policy.release is not None:
        checks += release_checks(policy.release)
    if "evidence" in stages and policy.sev_snp is not None:
        checks += evidence_checks(policy.sev_snp)
    if "evidence" in stages and "release" in stages:
        checks += RELEASE_EVIDENCE_CHECKS
        if policy.sev_snp is not None and policy.sev_snp.report_data.derived == "session":
            checks.append("session.role")
    return tuple(checks)


def required_of_bundle(policy: Policy) -> tuple[str, ...]:
    """The checks that must pass for a whole bundle to be VERIFIED."""
    hosts = HOST_CHECKS if policy.hosts is not None else ()
    return (*BUNDLE_CHECKS, *required_checks(policy, stages=policy.require), *hosts)


def required_of_keys() -> tuple[str, ...]:
    """The checks that must pass for the keys of a key document to be used."""
    return (*LOG_CHECKS, *KEY_CHECKS)


def unproven_of_bundle(
    bundle: IntactBundle, policy: Policy, authentic: AuthenticReport | None
) -> tuple[str, ...]:
    """What a bundle claims by holding it and the policy does not ask for, and what is left out."""
    unasked = tuple(
        check
        for stage, (roles, check) in _CLAIMS.items()
        if stage not in policy.require and any(bundle.content(r) is not None for r in roles)
    )
    claimed = bundle.content(IDENTITY_ROLE) is not None
    identity = _unasked_identity(policy, claimed=claimed)
    return (*unasked, *identity, *_left_out(policy), *_unknown(authentic))


def unproven_of_report(policy: Policy | None, authentic: AuthenticReport | None) -> tuple[str, ...]:
    """What is not proven where one report is judged alone."""
    if policy is None:
        by_provider = authentic is not None and authentic.vek.certificate.hw_id is None
        chip = ("snp.chip_id.equals_certificate",) if by_provider else ()
        return (*chip, *SNP_POLICY_CHECKS)
    return (*_owed(policy, judged=("evidence",)), *_left_out(policy), *_unknown(authentic))


def unproven_of_release(policy: Policy, *, identity_claimed: bool) -> tuple[str, ...]:
    """What is not proven where a logged release is judged alone."""
    identity = _unasked_identity(policy, claimed=identity_claimed)
    return (*_owed(policy, judged=("log", "release")), *identity)


def unproven_of_keys(policy: Policy) -> tuple[str, ...]:
    """What is not proven where a key document is judged alone."""
    return _owed(policy, judged=("keys", "log"))


def _unasked_identity(policy: Policy, *, claimed: bool) -> tuple[str, ...]:
    asked = policy.release is not None and policy.release.identities
    return (IDENTITY_CHECK,) if claimed and not asked else ()


def _owed(policy: Policy, *, judged: tuple[str, ...]) -> tuple[str, ...]:
    """What ``policy`` requires and a verb that judges only the stages ``judged`` cannot check.

    Without this a report alone could be VERIFIED under a policy that also asks for the log.
    """
    stages = tuple(
        check
        for stage, (_, check) in _CLAIMS.items()
        if stage in policy.require and stage not in judged
    )
    joined = {"evidence", "release"} <= set(policy.require)
    hosts = ("host.enrolled",) if policy.hosts is not None else ()
    return (*stages, *(RELEASE_EVIDENCE_CHECKS if joined else ()), *hosts)


def _left_out(policy: Policy) -> tuple[str, ...]:
    # Without the measurement nobody knows which code ran, without REPORT_DATA nobody knows for
    # whom: a policy may leave them out, and the verdict is then PARTIAL.
    if policy.sev_snp is None:
        return ()
    fields = (
        ("snp.measurement", policy.sev_snp.measurement),
        ("snp.report_data", policy.sev_snp.report_data),
    )
    hcl = policy.sev_snp.hcl
    return (
        *(check for check, expectation in fields if expectation.not_checked),
        # Without a quote nothing of the container is fresh.
        *(("snp.hcl.quote",) if hcl is not None and hcl.quote_not_checked else ()),
    )


def _unknown(authentic: AuthenticReport | None) -> tuple[str, ...]:
    # Bytes that nobody here can read may say anything, whatever the policy lets pass.
    if authentic is None:
        return ()
    report = authentic.report
    return (
        *(() if report.is_known else ("snp.report.format",)),
        *(("snp.report.unknown_bits",) if unknown_bits(report) else ()),
    )
