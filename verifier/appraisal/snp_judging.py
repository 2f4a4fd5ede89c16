"""What a judge of one check is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import FindingClass
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.evidence.snp_report import AttestationReport

__all__ = ["Claim", "Judge", "Judged", "Nonce", "one_of"]


@dataclass(frozen=True, slots=True)
class Nonce:
    """The 32 bytes that REPORT_DATA must answer, and whose word it is that they were fresh.

    ``recorded`` nonces come from the bundle: they show freshness to whoever captured it, and to
    nobody else (ATK-039).
    """

    value: bytes
    recorded: bool

    def __str__(self) -> str:
        return f"{self.value.hex()}{', as the bundle records it' if self.recorded else ''}"


@dataclass(frozen=True, slots=True)
class Claim:
    """An authentic report, the policy that it is held against, and the nonce, if there is one."""

    authentic: AuthenticReport
    policy: SnpPolicy
    nonce: Nonce | None

    @property
    def report(self) -> AttestationReport:
        """The report itself."""
        return self.authentic.report


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a rule holds, and both values, rendered.

    ``missing`` says what the judge would have needed and nobody gave; then there is no judgement.
    """

    holds: bool
    expected: str
    got: str
    hint: str = ""
    cls: FindingClass = FindingClass.POLICY
    missing: str = ""


Judge = Callable[[Claim], Judged]
"""Holds one thing that a report says against one rule of the policy."""


def one_of(values: Iterable[object]) -> str:
    """The values, joined by "or"."""
    return " or ".join(str(value) for value in values)
