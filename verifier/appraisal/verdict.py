"""The verdict: computed from findings, never passed in (design section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from verifier.appraisal.findings import Finding, Status

__all__ = ["EXIT_CODES", "Outcome", "Target", "Verdict", "outcome_of"]


class Outcome(StrEnum):
    """The four words that a verdict may be."""

    VERIFIED = "VERIFIED"
    FAILED = "FAILED"
    NOT_DETERMINED = "NOT DETERMINED"
    PARTIAL = "PARTIAL"


EXIT_CODES = {
    Outcome.VERIFIED: 0,
    Outcome.FAILED: 1,
    Outcome.NOT_DETERMINED: 3,
    Outcome.PARTIAL: 4,
}
"""Frozen. 2 is usage or an unusable policy, 70 a bug; neither is a verdict."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was judged: its kind, and the SHA-256 that names it."""

    kind: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Everything that a report renders. ``outcome`` follows from the other fields alone.

    ``platform`` is ``hardware`` or ``simulated`` for the root under which the evidence is
    authentic, or empty where no evidence was authenticated. ``not_proven`` names checks that
    concern what the target claims and that nobody asked for. ``level`` says how much of a real
    launch a drive was (``verifier.evidence.drive_record.Level``); empty, which claims nothing,
    where nothing was driven or nothing served.
    """

    target: Target
    policy_name: str
    policy_sha256: bytes
    stages: tuple[str, ...]
    instant: datetime
    platform: str
    required: tuple[str, ...]
    findings: tuple[Finding, ...]
    not_proven: tuple[str, ...]
    level: str = ""

    @property
    def outcome(self) -> Outcome:
        """The verdict in one word or two."""
        return outcome_of(self.findings, required=self.required, not_proven=self.not_proven)

    @property
    def exit_code(self) -> int:
        """The exit code of the verdict."""
        return EXIT_CODES[self.outcome]

    @property
    def skipped(self) -> tuple[Finding, ...]:
        """What was not checked, in order; it is named on the last line."""
        return tuple(f for f in self.findings if f.status in (Status.SKIP, Status.ERROR))


def outcome_of(
    findings: tuple[Finding, ...], *, required: tuple[str, ...], not_proven: tuple[str, ...]
) -> Outcome:
    """Compute the outcome. Order matters: a failure outweighs everything, then a gap.

    A required check counts only if a finding says ``pass`` and none says otherwise. Nothing
    required, or nothing passed, can never be VERIFIED.
    """
    if any(finding.status is Status.FAIL for finding in findings):
        return Outcome.FAILED
    passed = {f.check for f in findings if f.status is Status.PASS}
    open_ = {f.check for f in findings if f.status in (Status.SKIP, Status.ERROR)}
    if not required or any(check not in passed or check in open_ for check in required):
        return Outcome.NOT_DETERMINED
    return Outcome.PARTIAL if not_proven else Outcome.VERIFIED
