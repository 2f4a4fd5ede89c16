"""Where library errors become findings: the one boundary between raising and recording.

Doors raise. An auditor wants to see every failure, not the first: so the appraisal tries each
step through a ``Ledger``, which records what came of it and lets the appraisal go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from verifier.appraisal.findings import (
    Finding,
    FindingClass,
    Rejected,
    Status,
    failed,
    finding,
)
from verifier.errors import AuditError, ParseError, UnsupportedError, VerificationError

__all__ = ["Ledger"]

_T = TypeVar("_T")


class Ledger:
    """Collects findings in the order in which the checks are made."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was recorded so far."""
        return tuple(self._findings)

    def record(self, findings: Iterable[Finding]) -> None:
        """Add findings that were made elsewhere."""
        self._findings.extend(findings)

    def attempt(
        self,
        check: str,
        step: Callable[[], _T],
        *,
        expected: str,
        got: Callable[[_T], str],
        source: str,
        hint: str = "",
    ) -> _T | None:
        """Take ``step``; record a pass, or the failure that it raised and return None.

        Malformed and unknown input is a failure of class ``input``, a false claim one of class
        ``security``. Any other exception is our bug and passes through.
        """
        try:
            result = step()
        except (ParseError, UnsupportedError) as error:
            self._refused(check, error, FindingClass.INPUT, source, hint)
        except VerificationError as error:
            self._refused(check, error, FindingClass.SECURITY, source, hint)
        else:
            self.record(
                [finding(check, Status.PASS, expected=expected, got=got(result), source=source)]
            )
            return result
        return None

    def _refused(
        self, check: str, error: AuditError, cls: FindingClass, source: str, hint: str
    ) -> None:
        # ``what`` says which part of the thing is wrong, so it travels with the observed value.
        self.record(
            [
                failed(
                    check,
                    expected=error.expected,
                    got=f"{error.what}: {error.got}",
                    source=source,
                    cls=cls,
                    hint=error.hint or hint,
                )
            ]
        )

    def enter(
        self, step: Callable[[], _T], *, findings_of: Callable[[_T], Iterable[Finding]]
    ) -> _T | None:
        """Go through a door that makes its own findings; None if it stays shut."""
        try:
            result = step()
        except Rejected as rejected:
            self.record(rejected.findings)
            return None
        self.record(findings_of(result))
        return result

    def skip(self, checks: Iterable[str], *, reason: str, source: str) -> None:
        """Name checks that were not made. A skip is never a pass."""
        self.record(
            finding(
                check,
                Status.SKIP,
                expected="to be checked",
                got=f"not checked: {reason}",
                source=source,
                cls=FindingClass.POLICY,
            )
            for check in checks
        )

    def missing(self, checks: tuple[str, ...], *, role: str) -> None:
        """Fail the first of ``checks``: the claimant did not present ``role``. Skip the rest.

        What should have been presented and was not is a failure, not a gap: else leaving evidence
        out would be a way to be judged by less.
        """
        self.record(
            [
                failed(
                    checks[0],
                    expected=f"a member in the role {role}",
                    got="it is missing",
                    source="bundle",
                    cls=FindingClass.INPUT,
                )
            ]
        )
        self.skip(checks[1:], reason=f"{role} is missing", source="bundle")
