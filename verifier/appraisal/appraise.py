"""The appraisal: bytes and a policy in, a verdict out. Never raises for bad evidence.

What must be checked is fixed before anything is read, from the policy alone: evidence that is
missing is then a failure or a gap in the list, and never a shorter list (ATK-054).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from verifier.appraisal.appraise_evidence import (
    Auditor,
    SnpEvidence,
    appraise_evidence,
    evidence_checks,
)
from verifier.appraisal.appraise_hosts import HOST_CHECKS, appraise_hosts
from verifier.appraisal.appraise_identity import IDENTITY_ROLE, NO_IDENTITY, IdentityEvidence
from verifier.appraisal.appraise_log import LOG_CHECKS, appraise_log
from verifier.appraisal.appraise_release import appraise_release, release_checks
from verifier.appraisal.appraise_snp import (
    SNP_POLICY_CHECKS,
    appraise_snp_release,
)
from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import Finding, FindingClass, Status, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import HostsPolicy, LogPolicy, Policy
from verifier.appraisal.required import (
    KEY_DOCUMENT,
    RELEASE_EVIDENCE_CHECKS,
    required_checks,
    required_of_bundle,
    unproven_of_bundle,
    unproven_of_release,
    unproven_of_report,
)
from verifier.appraisal.snp_hcl_checks import HclEvidence
from verifier.appraisal.snp_judging import Nonce
from verifier.appraisal.verdict import Target, Verdict
from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.bundle import MANIFEST, Bundle, IntactBundle, open_bundle, parse_bundle
from verifier.evidence.bundle_tar import parse_bundle_tar
from verifier.release.entry import AuthenticRelease
from verifier.roots.snp_root import SnpRoot

if TYPE_CHECKING:  # loads the library of Sigstore, which only a policy with identities needs
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = [
    "Appraised",
    "appraise_bundle",
    "appraise_bundle_in_full",
    "appraise_logged_release",
    "appraise_report",
]

_NO_POLICY = "no policy"


@dataclass(frozen=True, slots=True)
class Appraised:
    """A verdict, and the report that was authentic on the way to it; None if it was not."""

    verdict: Verdict
    authentic: AuthenticReport | None


def appraise_bundle(
    found: Mapping[str, bytes | None] | bytes,
    *,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
    trusted_root: TrustedRoot | None = None,
) -> Verdict:
    """Judge a bundle under ``policy`` at ``now``.

    ``found`` is what a folder holds, by relative path, or the bytes of a bundle tar.

    ``nonce`` is the auditor's own; None takes the one that the bundle records. ``roots`` are the
    vendor keys to believe, ``trusted_root`` the one of Sigstore: a policy that names identities is
    not satisfied without it. Everything that the policy requires ends as a finding.
    """
    return appraise_bundle_in_full(
        found, policy=policy, roots=roots, now=now, nonce=nonce, trusted_root=trusted_root
    ).verdict


def appraise_bundle_in_full(
    found: Mapping[str, bytes | None] | bytes,
    *,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
    trusted_root: TrustedRoot | None = None,
) -> Appraised:
    """As ``appraise_bundle``, with what was found to be authentic on the way."""
    ledger = Ledger()
    required = required_of_bundle(policy)
    parsed = _parse_bundle(ledger, found)
    bundle = _open_bundle(ledger, parsed) if parsed is not None else None
    authentic = None
    not_proven: tuple[str, ...] = ()
    if bundle is None:
        made = {finding.check for finding in ledger.findings}
        left = [check for check in required if check not in made]
        ledger.skip(left, reason="the bundle is not intact", source="bundle")
    else:
        auditor = Auditor(roots, now, _nonce(nonce, bundle.content("nonce")))
        authentic = _appraise_stages(ledger, bundle, policy, auditor, trusted_root)
        unshown = _show_drive(ledger, bundle)
        not_proven = (*unproven_of_bundle(bundle, policy, authentic), *unshown)
    verdict = Verdict(
        target=Target("bundle", parsed.digest if parsed is not None else _digest(found)),
        policy_name=policy.name,
        policy_sha256=policy.sha256,
        stages=policy.require,
        instant=now,
        platform=authentic.platform if authentic is not None else "",
        required=required,
        findings=ledger.findings,
        not_proven=not_proven,
    )
    return Appraised(verdict, authentic)


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


def _appraise_stages(
    ledger: Ledger,
    bundle: IntactBundle,
    policy: Policy,
    auditor: Auditor,
    trusted_root: TrustedRoot | None,
) -> AuthenticReport | None:
    authentic = None
    if policy.sev_snp is not None:
        authentic = appraise_evidence(ledger, _evidence(bundle), policy=policy, auditor=auditor)
        if policy.hosts is None or policy.log is None:  # one demands the other
            reason = f"the policy says: {policy.sev_snp.hosts_not_checked}"
            ledger.skip(HOST_CHECKS[-1:], reason=reason, source="bundle")
        else:
            _appraise_hosts(
                ledger, bundle, authentic, hosts=policy.hosts, log=policy.log, now=auditor.now
            )
    _appraise_keys(ledger, bundle, policy, auditor.now)
    entry, proof = bundle.content("release-entry"), bundle.content("release-proof")
    identity = IdentityEvidence(bundle=bundle.content(IDENTITY_ROLE), root=trusted_root)
    release = _appraise_entry(ledger, entry, proof, identity, policy=policy, now=auditor.now)
    if "evidence" in policy.require and policy.release is not None:
        _join(ledger, authentic, release, bundle.content("snp-launch-inputs"))
    return authentic


def _show_drive(ledger: Ledger, bundle: IntactBundle) -> tuple[str, ...]:
    record = bundle.content("drive-record")
    if record is None:
        return ()
    # Only the bundle of a drive is worth what these cost to load.
    from verifier.appraisal.drive.recorded import recorded_drive  # noqa: PLC0415 - above

    entry, report = bundle.content("release-entry"), bundle.content("snp-report")
    shown, unproven = recorded_drive(record, entry=entry, report=report)
    ledger.record((shown,))
    return unproven


def _evidence(bundle: IntactBundle) -> SnpEvidence:
    return SnpEvidence(
        report=bundle.content("snp-report"),
        vek=bundle.content("snp-vek"),
        offered_ca=bundle.all_contents("snp-ca"),
        crl=bundle.content("snp-crl"),
        hcl=_hcl(bundle),
        session=bundle.content("session-binding"),
        id_block=bundle.content("snp-id-block"),
        id_authentication=bundle.content("snp-id-authentication"),
    )


def _hcl(bundle: IntactBundle) -> HclEvidence | None:
    container = bundle.content("snp-hcl")
    if container is None:
        return None
    return HclEvidence(
        container=container,
        quote=bundle.content("snp-tpm-quote"),
        signature=bundle.content("snp-tpm-signature"),
        pcrs=bundle.content("snp-tpm-pcrs"),
    )


def _appraise_hosts(
    ledger: Ledger,
    bundle: IntactBundle,
    authentic: AuthenticReport | None,
    *,
    hosts: HostsPolicy,
    log: LogPolicy,
    now: datetime,
) -> None:
    appraise_hosts(
        ledger,
        entry=bundle.content("host-identity-entry"),
        proof=bundle.content("host-identity-proof"),
        policy=hosts,
        log=log,
        authentic=authentic,
        now=now,
    )


def _appraise_keys(ledger: Ledger, bundle: IntactBundle, policy: Policy, now: datetime) -> None:
    if policy.keys is not None and policy.log is not None:  # one demands the other
        # Only a policy of the private path is worth what its formats cost to load.
        from verifier.appraisal.appraise_keys import appraise_keys  # noqa: PLC0415 - above

        document = bundle.content(KEY_DOCUMENT)
        appraise_keys(ledger, document, policy=policy.keys, log=policy.log, now=now)


def _appraise_entry(
    ledger: Ledger,
    entry: bytes | None,
    proof: bytes | None,
    identity: IdentityEvidence,
    *,
    policy: Policy,
    now: datetime,
) -> AuthenticRelease | None:
    if policy.log is not None:
        if entry is None or proof is None:
            ledger.missing(LOG_CHECKS, role="release-proof" if proof is None else "release-entry")
        else:
            appraise_log(ledger, entry=entry, proof=proof, policy=policy.log)
    if policy.release is None:
        return None
    if entry is None:
        ledger.missing(release_checks(policy.release), role="release-entry")
        return None
    return appraise_release(ledger, entry=entry, identity=identity, policy=policy.release, now=now)


def _join(
    ledger: Ledger,
    authentic: AuthenticReport | None,
    release: AuthenticRelease | None,
    launch_inputs: bytes | None,
) -> None:
    if release is None or authentic is None:
        reason = "the release or the report is not authentic"
        ledger.skip(RELEASE_EVIDENCE_CHECKS, reason=reason, source="bundle")
    else:
        findings = appraise_snp_release(authentic, release=release.release)
        ledger.record(findings)
        if any(f.check == "release.measurement" and f.status is Status.FAIL for f in findings):
            ledger.record((_explained(authentic, release, launch_inputs),))


def _explained(
    authentic: AuthenticReport, release: AuthenticRelease, launch_inputs: bytes | None
) -> Finding:
    # Only a measurement that differs is worth what these cost to load.
    from verifier.appraisal.explain_measurement import explain_measurement  # noqa: PLC0415 - above
    from verifier.measurement.sev_snp import parse_launch_inputs  # noqa: PLC0415 - above

    observed, rows = authentic.report.measurement, release.release.measurements
    try:
        inputs = parse_launch_inputs(launch_inputs) if launch_inputs is not None else None
    except (ParseError, UnsupportedError) as error:
        return finding(
            "snp.measurement.explained",
            Status.INFO,
            expected="launch inputs that can be searched",
            got=f"not searched: {error}",
            source="snp-launch-inputs",
            cls=FindingClass.INPUT,
        )
    return explain_measurement(observed, rows=rows, inputs=inputs)


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
        evidence_checks(None) if policy is None else required_checks(policy, stages=("evidence",))
    )
    auditor = Auditor(roots, now, _nonce(nonce, None))
    authentic = appraise_evidence(ledger, evidence, policy=policy, auditor=auditor)
    if policy is None:
        ledger.skip(SNP_POLICY_CHECKS, reason="no policy was given", source="snp-report")
    return Verdict(
        target=_target(evidence),
        policy_name=policy.name if policy is not None else _NO_POLICY,
        policy_sha256=policy.sha256 if policy is not None else b"",
        stages=("evidence",),
        instant=now,
        platform=authentic.platform if authentic is not None else "",
        required=required,
        findings=ledger.findings,
        not_proven=unproven_of_report(policy, authentic),
    )


def _target(evidence: SnpEvidence) -> Target:
    if evidence.report is None and evidence.hcl is not None:
        return Target("snp-hcl", hashlib.sha256(evidence.hcl.container).digest())
    return Target("snp-report", hashlib.sha256(evidence.report or b"").digest())


def appraise_logged_release(
    entry: bytes,
    proof: bytes,
    *,
    policy: Policy,
    now: datetime,
    identity: IdentityEvidence = NO_IDENTITY,
) -> Verdict:
    """Judge a logged release alone: that it is in the log, and is the one that the policy wants.

    Under a policy that requires evidence as well the verdict is at best PARTIAL.
    """
    ledger = Ledger()
    _appraise_entry(ledger, entry, proof, identity, policy=policy, now=now)
    return Verdict(
        target=Target("release-entry", hashlib.sha256(entry).digest()),
        policy_name=policy.name,
        policy_sha256=policy.sha256,
        stages=("log", "release"),
        instant=now,
        platform="",
        required=required_checks(policy, stages=("log", "release")),
        findings=ledger.findings,
        not_proven=unproven_of_release(policy, identity_claimed=identity.bundle is not None),
    )
