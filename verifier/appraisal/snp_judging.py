"""What a judge of one check is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.appraisal.authenticate_snp import AuthenticReport
from verifier.appraisal.findings import FindingClass
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.posture import Posture
from verifier.evidence.snp_report import AttestationReport

if TYPE_CHECKING:  # only a policy that asks for a session pays for its import
    from verifier.wire.session_binding import SessionBinding

__all__ = ["Claim", "ClaimJudge", "Judged", "Nonce", "PostureJudge", "one_of"]


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
    """An authentic report, the policy that it is held against, and what it must answer.

    ``nonce`` and ``session`` are None where there is none.
    """

    authentic: AuthenticReport
    policy: SnpPolicy
    nonce: Nonce | None
    session: SessionBinding | None

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


ClaimJudge = Callable[[Claim], Judged]
"""Holds one thing that a report says of its guest and chip against one rule of the policy."""
PostureJudge = Callable[[Posture, SnpPolicy], Judged]
"""Holds one thing of a posture against one rule of the policy, and is given nothing else."""


def one_of(values: Iterable[object]) -> str:
    """The values, joined by "or"."""
    return " or ".join(str(value) for value in values)
