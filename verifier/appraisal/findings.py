"""A finding: one check, its outcome, and what was expected and observed (design section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from verifier.appraisal.checks import CHECKS
from verifier.errors import VerificationError

__all__ = ["Finding", "FindingClass", "Rejected", "Status", "compared", "failed", "finding"]


class Status(StrEnum):
    """Outcome of one check. A skip is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"
    INFO = "info"


class FindingClass(StrEnum):
    """Whose fault a failure is: an attack, a rule, the weather, or malformed input."""

    SECURITY = "security"
    POLICY = "policy"
    INFRASTRUCTURE = "infrastructure"
    INPUT = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a verdict.

    ``check`` is an id of ``verifier.appraisal.checks.CHECKS``; ``expected`` and ``got`` are
    rendered values; ``source`` names the file, bundle member or log that the observed value
    came from; ``hint`` says what a person might do next.
    """

    check: str
    status: Status
    cls: FindingClass
    expected: str
    got: str
    source: str
    hint: str = ""

    @property
    def spec(self) -> str:
        """The clause that the check implements."""
        return CHECKS[self.check].spec

    @property
    def title(self) -> str:
        """The check in words."""
        return CHECKS[self.check].title


class Rejected(VerificationError):  # noqa: N818 - reads as the outcome that it is
    """An ``authenticate_`` door stayed shut; ``findings`` holds every check made at it."""

    def __init__(self, what: str, findings: tuple[Finding, ...]) -> None:
        first = next(f for f in findings if f.status is Status.FAIL)
        super().__init__(f"{what}: {first.check}", expected=first.expected, got=first.got)
        self.findings = findings


def finding(
    check: str,
    status: Status,
    *,
    expected: str,
    got: str,
    source: str,
    cls: FindingClass = FindingClass.SECURITY,
    hint: str = "",
) -> Finding:
    """Make a finding of a registered check; an unregistered id is our bug (KeyError)."""
    CHECKS[check]
    return Finding(
        check=check, status=status, cls=cls, expected=expected, got=got, source=source, hint=hint
    )


def compared(
    check: str,
    *,
    holds: bool,
    expected: str,
    got: str,
    source: str,
    cls: FindingClass = FindingClass.SECURITY,
    hint: str = "",
) -> Finding:
    """Pass if ``holds``, else fail. The hint is only given to a failure."""
    return finding(
        check,
        Status.PASS if holds else Status.FAIL,
        expected=expected,
        got=got,
        source=source,
        cls=cls,
        hint="" if holds else hint,
    )


def failed(
    check: str,
    *,
    expected: str,
    got: str,
    source: str,
    cls: FindingClass = FindingClass.SECURITY,
    hint: str = "",
) -> Finding:
    """A failed check."""
    return finding(
        check, Status.FAIL, expected=expected, got=got, source=source, cls=cls, hint=hint
    )
