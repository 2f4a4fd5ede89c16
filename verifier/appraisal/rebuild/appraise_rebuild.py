"""Appraises a rebuild: the release that the log holds against what its source builds to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from verifier.appraisal.appraise_identity import IdentityEvidence
from verifier.appraisal.appraise_log import LOG_CHECKS, appraise_log
from verifier.appraisal.appraise_release import appraise_release, release_checks
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import Policy
from verifier.appraisal.rebuild.artifact_checks import (
    ARTIFACT_CHECKS,
    Told,
    appraise_artifacts,
)
from verifier.appraisal.rebuild.build_checks import BUILD_CHECKS, appraise_builds
from verifier.appraisal.rebuild.measurement_checks import (
    MEASUREMENT_CHECK,
    appraise_measurements,
)
from verifier.appraisal.rebuild.rebuilt import Rebuilt
from verifier.appraisal.required import unproven_of_release
from verifier.appraisal.verdict import Target, Verdict
from verifier.release.cvm_release import CvmRelease, MeasurementRow
from verifier.release.entry import parse_release_entry

__all__ = [
    "LoggedEntry",
    "RebuildAppraisal",
    "appraise_rebuild",
    "rebuild_outcome",
    "required_of_rebuild",
]

_SANDBOX = "rebuild.sandbox"
_COVERAGE = "rebuild.coverage"
_UNPROVEN = ("log.inclusion", "release.signature")
_NO_POLICY = "no policy"
_MAX_WORDS = 1024  # of a rebuild/v1 statement, which is one line of printable ASCII


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """The release entry as received; its .tlog-proof and the policy, or None for both.

    Without a policy nobody says which log and which publisher count, so that neither is proven.
    """

    entry: bytes
    proof: bytes | None
    policy: Policy | None
    identity: IdentityEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildAppraisal:
    """A verdict, every difference that was found on the way, and the measurements obtained."""

    verdict: Verdict
    told: tuple[Told, ...]
    measurements: tuple[MeasurementRow, ...]


def required_of_rebuild(policy: Policy | None, *, sandboxed: bool) -> tuple[str, ...]:
    """The checks that a rebuild needs, in their order; known before anything is built.

    ``sandboxed`` is false where the auditor asked for builds without a sandbox, and where there is
    none that keeps them from the files of the machine.
    """
    before: tuple[str, ...] = ("release.format",)
    if policy is not None and policy.log is not None and policy.release is not None:
        before = (*LOG_CHECKS, *release_checks(policy.release))
    sandbox = (_SANDBOX,) if sandboxed else ()
    return (*before, *BUILD_CHECKS, *sandbox, *ARTIFACT_CHECKS, MEASUREMENT_CHECK)


def appraise_rebuild(
    logged: LoggedEntry, rebuilt: Rebuilt | None, *, sandboxed: bool, now: datetime
) -> RebuildAppraisal:
    """Judge what came of rebuilding; None where the entry is no release, and nothing was built.

    ``sandboxed`` is false where the auditor asked for builds without a sandbox.
    """
    ledger = Ledger()
    policy = logged.policy
    open_ended = rebuilt is not None and rebuilt.sandbox and not rebuilt.apart
    required = required_of_rebuild(policy, sandboxed=sandboxed and not open_ended)
    release = _appraise_entry(ledger, logged, now)
    told: tuple[Told, ...] = ()
    rows: tuple[MeasurementRow, ...] = ()
    if release is None or rebuilt is None:
        made = {finding.check for finding in ledger.findings}
        left = [check for check in required if check not in made]
        ledger.skip(left, reason="the release could not be read", source="release-entry")
    else:
        appraise_builds(ledger, release.build, rebuilt, sandboxed=sandboxed)
        told = appraise_artifacts(ledger, release.artifacts, rebuilt)
        rows = appraise_measurements(ledger, release.measurements, rebuilt)
    open_ = {finding.check for finding in ledger.findings if finding.status is Status.SKIP}
    verdict = Verdict(
        target=Target("release-entry", hashlib.sha256(logged.entry).digest()),
        policy_name=_NO_POLICY if policy is None else policy.name,
        policy_sha256=b"" if policy is None else policy.sha256,
        stages=("rebuild",) if policy is None else ("log", "release", "rebuild"),
        instant=now,
        platform="",
        required=required,
        findings=ledger.findings,
        not_proven=(
            *(_UNPROVEN if policy is None else unproven_of_release(policy, identity_claimed=False)),
            *(check for check in (_SANDBOX, _COVERAGE) if check in open_ - set(required)),
        ),
    )
    return RebuildAppraisal(verdict=verdict, told=told, measurements=rows)


def _appraise_entry(ledger: Ledger, logged: LoggedEntry, now: datetime) -> CvmRelease | None:
    policy = logged.policy
    if policy is None:
        return _parsed(ledger, logged.entry)
    if policy.log is None or policy.release is None or logged.proof is None:
        raise ValueError("a policy with log and release, and a proof, belong together")
    appraise_log(ledger, entry=logged.entry, proof=logged.proof, policy=policy.log)
    opened = appraise_release(
        ledger, entry=logged.entry, identity=logged.identity, policy=policy.release, now=now
    )
    return None if opened is None else opened.release


def _parsed(ledger: Ledger, raw: bytes) -> CvmRelease | None:
    entry = ledger.attempt(
        "release.format",
        lambda: parse_release_entry(raw),
        expected="a canonical envelope of a cvm-release/v1",
        got=lambda e: f"{e.kind}, {len(e.raw)} bytes",
        source="release-entry",
    )
    content = None if entry is None else entry.content
    return content if isinstance(content, CvmRelease) else None


def rebuild_outcome(appraisal: RebuildAppraisal) -> tuple[str, str]:
    """Outcome and first difference of a rebuild/v1 statement; the latter empty if reproduced.

    Only what concerns the rebuild counts: a statement says what came out, and not whether the
    entry is in a log. A rebuild that could not be made is ``failed`` too, with the reason.
    """
    checks = {*BUILD_CHECKS, *ARTIFACT_CHECKS, MEASUREMENT_CHECK, _COVERAGE}
    findings = [found for found in appraisal.verdict.findings if found.check in checks]
    open_ = [found for found in findings if found.status is not Status.PASS]
    if not open_:
        return "reproduced", ""
    built = any(
        found.check == "rebuild.build" and found.status is Status.PASS for found in findings
    )
    first = next((found for found in open_ if found.status is Status.FAIL), open_[0])
    return ("differs" if built else "failed"), _words(first)


def _words(finding: Finding) -> str:
    weather = "not determined: " if finding.cls is FindingClass.INFRASTRUCTURE else ""
    text = f"{weather}{finding.source}: {finding.got} (expected {finding.expected})"
    plain = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in text)
    return plain if len(plain) <= _MAX_WORDS else f"{plain[: _MAX_WORDS - 3]}..."
