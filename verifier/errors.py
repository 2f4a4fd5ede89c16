"""The one exception tree of the judge.

AuditError
├── ParseError          not the format it claims to be           (the input is wrong)
├── VerificationError   well formed, and the claim is false      (the claim is wrong)
├── PolicyError         the policy itself is unusable            (the auditor's file is wrong)
├── UnsupportedError    well formed, but not something we judge  (we are too small)
└── FetchError          the world did not answer                 (the weather)

Library code raises these; ``verifier.appraisal`` turns them into findings at one boundary;
only ``verifier.cli`` knows exit codes. A wrong caller gets ``TypeError`` or ``ValueError``, an
impossible state ``AssertionError``: neither is ever caught as if it were bad input.
"""

from __future__ import annotations

__all__ = [
    "AuditError",
    "FetchError",
    "ParseError",
    "PolicyError",
    "UnsupportedError",
    "VerificationError",
]


class AuditError(Exception):
    """Something is wrong, said as: what was looked at, what was expected, what came.

    ``what`` names the thing in the words of its specification; ``expected`` and ``got`` are
    already rendered for a person (hex for digests), and short: never a whole document.
    ``hint`` may say what to do next; it never names a way to switch the check off.
    """

    def __init__(self, what: str, *, expected: str, got: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.got = got
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}: {self.got} (expected {self.expected})"


class ParseError(AuditError):
    """The bytes are not the format that they claim to be."""


class VerificationError(AuditError):
    """The bytes are well formed, and what they claim is false."""


class PolicyError(AuditError):
    """The auditor's own policy or configuration cannot be used."""


class UnsupportedError(AuditError):
    """Well formed, but of a version or kind that this release does not judge."""


class FetchError(AuditError):
    """The network or the file system did not give what was asked for."""
