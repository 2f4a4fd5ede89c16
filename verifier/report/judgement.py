"""What every report renders: a verdict, and the circumstances in which it was reached."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.appraisal.findings import Finding, Status
from verifier.appraisal.verdict import Verdict

__all__ = ["Judgement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with what does not follow from it.

    ``reverify`` is the shell command that judges again offline, or empty where nobody knows it:
    a stored verdict names no path.
    """

    verdict: Verdict
    offline: bool
    tool_version: str
    reverify: str

    @property
    def instant(self) -> str:
        """The instant of judgement, RFC 3339."""
        return f"{self.verdict.instant:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def network(self) -> str:
        """``offline`` or ``online``."""
        return "offline" if self.offline else "online"

    @property
    def simulated(self) -> bool:
        """Whether the evidence is authentic under a simulated root only."""
        return self.verdict.platform == "simulated"

    @property
    def level(self) -> str:
        """The level that a drive reached, ``none`` where nothing served; empty for all else."""
        return (self.verdict.level or "none") if self.verdict.target.kind == "drive" else ""

    @property
    def policy(self) -> str:
        """Name and digest of the policy, in one line."""
        digest = self.verdict.policy_sha256
        return self.verdict.policy_name + (f" (sha256 {digest.hex()})" if digest else "")

    @property
    def target(self) -> str:
        """Kind and digest of what was judged, in one line."""
        return f"{self.verdict.target.kind} (sha256 {self.verdict.target.sha256.hex()})"

    @property
    def enforced(self) -> str:
        """The stages that were judged and how many checks the verdict needs, in one line."""
        stages, required = self.verdict.stages, self.verdict.required
        return f"{', '.join(stages)}: {len(required)} required checks"

    def with_status(self, *statuses: Status) -> tuple[Finding, ...]:
        """The findings of these statuses, in the order in which the checks were made."""
        return tuple(f for f in self.verdict.findings if f.status in statuses)

    def leaves_open(self, finding: Finding) -> bool:
        """Whether a check that was not made leaves a gap, and was not merely unasked for."""
        verdict = self.verdict
        return finding in verdict.skipped and finding.check in (
            *verdict.required,
            *verdict.not_proven,
        )
