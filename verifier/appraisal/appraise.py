"""The appraisal: bytes and a policy in, a verdict out. Never raises for bad evidence.

What must be checked is fixed before anything is read, from the policy alone: evidence that is
missing is then a failure or a gap in the list, and never a shorter list (ATK-054).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from verifier.appraisal.appraise_evidence import (
    AUTHENTICITY_CHECKS,
    Auditor,
    SnpEvidence,
    appraise_evidence,
)
from verifier.appraisal.appraise_log import LOG_CHECKS, appraise_log
from verifier.appraisal.appraise_release import RELEASE_CHECKS, appraise_release
from verifier.appraisal.appraise_snp import (
    SNP_POLICY_CHECKS,
    Nonce,
    appraise_snp_release,
    expected_checks,
)
from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import Policy
from verifier.appraisal.verdict import Target, Verdict
from verifier.evidence.bundle import MANIFEST, Bundle, IntactBundle, open_bundle, parse_bundle
from verifier.evidence.bundle_tar import parse_bundle_tar
from verifier.release.entry import AuthenticRelease
from verifier.roots.snp_root import SnpRoot

__all__ = [
    "BUNDLE_CHECKS",
    "appraise_bundle",
    "appraise_logged_release",
    "appraise_report",
    "required_checks",
]

BUNDLE_CHECKS = ("bundle.format", "bundle.member")
_RELEASE_EVIDENCE_CHECKS = ("release.measurement", "release.expected_evidence")
_NO_POLICY = "no policy"
# Stage to the member that claims it, and the check that stands for it where it was not judged.
_CLAIMS = {
    "evidence": ("snp-report", "snp.report.signature"),
    "log": ("release-proof", "log.inclusion"),
    "release": ("release-entry", "release.signature"),
}


def required_checks(policy: Policy, *, stages: tuple[str, ...]) -> tuple[str, ...]:
    """The checks that must pass for VERIFIED, for those ``stages`` that are being appraised."""
    checks: list[str] = []
    if "log" in stages:
        checks += LOG_CHECKS
    if "release" in stages:
        checks += RELEASE_CHECKS
    if "evidence" in stages and policy.sev_snp is not None:
        checks += [*AUTHENTICITY_CHECKS, *expected_checks(policy.sev_snp)]
    if "evidence" in stages and "release" in stages:
        checks += _RELEASE_EVIDENCE_CHECKS
    return tuple(checks)


def appraise_bundle(
    found: Mapping[str, bytes | None] | bytes,
    *,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
) -> Verdict:
    """Judge a bundle under ``policy`` at ``now``.

    ``found`` is what a folder holds, by relative path, or the bytes of a bundle tar.

    ``nonce`` is the auditor's own; None takes the one that the bundle records. ``roots`` are the
    vendor keys to believe. Everything that the policy requires ends as a finding.
    """
    ledger = Ledger()
    required = (*BUNDLE_CHECKS, *required_checks(policy, stages=policy.require))
    parsed = _parse_bundle(ledger, found)
    bundle = _open_bundle(ledger, parsed) if parsed is not None else None
    platform = ""
    not_proven: tuple[str, ...] = ()
    if bundle is None:
        made = {finding.check for finding in ledger.findings}
        left = [check for check in required if check not in made]
        ledger.skip(left, reason="the bundle is not intact", source="bundle")
    else:
        auditor = Auditor(roots, now, _nonce(nonce, bundle.content("nonce")))
        platform = _appraise_stages(ledger, bundle, policy, auditor)
        not_proven = _not_proven(bundle, policy)
    return Verdict(
        target=Target("bundle", parsed.digest if parsed is not None else _digest(found)),
        policy_name=policy.name,
        policy_sha256=policy.sha256,
        stages=policy.require,
        instant=now,
        platform=platform,
        required=required,
        findings=ledger.findings,
        not_proven=not_proven,
    )


def _digest(found: Mapping[str, bytes | None] | bytes) -> bytes:
    # What names a bundle that cannot be read: its one file, or what stands for bundle.json.
    named = found if isinstance(found, bytes) else found.get(MANIFEST) or b""
    return hashlib.sha256(named).digest()


def _nonce(given: bytes | None, recorded: bytes | None) -> Nonce | None:
    if given is not None:
        return Nonce(given, recorded=False)
    return Nonce(recorded, recorded=True) if recorded is not None else None


def _parse_bundle(ledger: Ledger, found: Mapping[str, bytes | None] | bytes) -> Bundle | None:
    return ledger.attempt(
        "bundle.format",
        lambda: parse_bundle(parse_bundle_tar(found) if isinstance(found, bytes) else found),
        expected="bundle.json and every file that it lists",
        got=lambda b: f"{len(b.members)} members, captured {b.captured:%Y-%m-%dT%H:%M:%SZ}",
        source=MANIFEST,
    )


def _open_bundle(ledger: Ledger, bundle: Bundle) -> IntactBundle | None:
    return ledger.attempt(
        "bundle.member",
        lambda: open_bundle(bundle),
        expected=f"the sizes and digests of {MANIFEST}",
        got=lambda b: f"all {len(b.members)} equal",
        source="bundle",
    )


def _appraise_stages(ledger: Ledger, bundle: IntactBundle, policy: Policy, auditor: Auditor) -> str:
    authentic = None
    if "evidence" in policy.require:
        evidence = SnpEvidence(
            bundle.content("snp-report"), bundle.content("snp-vek"), bundle.all_contents("snp-ca")
        )
        authentic = appraise_evidence(ledger, evidence, policy=policy, auditor=auditor)
    entry, proof = bundle.content("release-entry"), bundle.content("release-proof")
    release = _appraise_entry(ledger, entry, proof, policy=policy, now=auditor.now)
    if "evidence" in policy.require and policy.release is not None:
        _join(ledger, authentic, release)
    return authentic.platform if authentic is not None else ""


def _appraise_entry(
    ledger: Ledger, entry: bytes | None, proof: bytes | None, *, policy: Policy, now: datetime
) -> AuthenticRelease | None:
    if policy.log is not None:
        if entry is None or proof is None:
            ledger.missing(LOG_CHECKS, role="release-proof" if proof is None else "release-entry")
        else:
            appraise_log(ledger, entry=entry, proof=proof, policy=policy.log)
    if policy.release is None:
        return None
    if entry is None:
        ledger.missing(RELEASE_CHECKS, role="release-entry")
        return None
    return appraise_release(ledger, entry=entry, policy=policy.release, now=now)


def _join(
    ledger: Ledger, authentic: AuthenticReport | None, release: AuthenticRelease | None
) -> None:
    if release is None or authentic is None:
        reason = "the release or the report is not authentic"
        ledger.skip(_RELEASE_EVIDENCE_CHECKS, reason=reason, source="bundle")
    else:
        ledger.record(appraise_snp_release(authentic, release=release.release))


def _not_proven(bundle: IntactBundle, policy: Policy) -> tuple[str, ...]:
    """What the bundle claims by holding it and the policy does not ask for."""
    unasked = tuple(
        check
        for stage, (role, check) in _CLAIMS.items()
        if stage not in policy.require and bundle.content(role) is not None
    )
    return (*unasked, *_left_out(policy))


def _left_out(policy: Policy) -> tuple[str, ...]:
    # Without the measurement nobody knows which code ran, without REPORT_DATA nobody knows for
    # whom: a policy may leave them out, and the verdict is then PARTIAL.
    if policy.sev_snp is None:
        return ()
    fields = (
        ("snp.measurement", policy.sev_snp.measurement),
        ("snp.report_data", policy.sev_snp.report_data),
    )
    return tuple(check for check, expectation in fields if expectation.not_checked)


def appraise_report(
    evidence: SnpEvidence,
    *,
    policy: Policy | None,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
) -> Verdict:
    """Judge one report with its certificate.

    Without a policy only its authenticity is judged, and the verdict is at best PARTIAL: every
    check that a policy would make is named as not proven. So is what a policy requires of the log
    and the release, which are not judged here.
    """
    ledger = Ledger()
    required = (
        AUTHENTICITY_CHECKS if policy is None else required_checks(policy, stages=("evidence",))
    )
    auditor = Auditor(roots, now, _nonce(nonce, None))
    authentic = appraise_evidence(ledger, evidence, policy=policy, auditor=auditor)
    if policy is None:
        ledger.skip(SNP_POLICY_CHECKS, reason="no policy was given", source="snp-report")
    return Verdict(
        target=Target("snp-report", hashlib.sha256(evidence.report or b"").digest()),
        policy_name=policy.name if policy is not None else _NO_POLICY,
        policy_sha256=policy.sha256 if policy is not None else b"",
        stages=("evidence",),
        instant=now,
        platform=authentic.platform if authentic is not None else "",
        required=required,
        findings=ledger.findings,
        not_proven=_not_proven_of_report(policy),
    )


def _not_proven_of_report(policy: Policy | None) -> tuple[str, ...]:
    if policy is None:
        return SNP_POLICY_CHECKS
    return (*_owed(policy, judged=("evidence",)), *_left_out(policy))


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
    return (*stages, *(_RELEASE_EVIDENCE_CHECKS if joined else ()))


def appraise_logged_release(
    entry: bytes, proof: bytes, *, policy: Policy, now: datetime
) -> Verdict:
    """Judge a logged release alone: that it is in the log, and is the one that the policy wants.

    Under a policy that requires evidence as well the verdict is at best PARTIAL.
    """
    ledger = Ledger()
    _appraise_entry(ledger, entry, proof, policy=policy, now=now)
    return Verdict(
        target=Target("release-entry", hashlib.sha256(entry).digest()),
        policy_name=policy.name,
        policy_sha256=policy.sha256,
        stages=("log", "release"),
        instant=now,
        platform="",
        required=required_checks(policy, stages=("log", "release")),
        findings=ledger.findings,
        not_proven=_owed(policy, judged=("log", "release")),
    )
