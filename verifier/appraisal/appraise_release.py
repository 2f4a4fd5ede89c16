"""Appraises a logged release: who signed it, and whether it is the one that the policy wants."""

from __future__ import annotations

from datetime import datetime

from verifier.appraisal.findings import FindingClass, compared
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import ReleasePolicy
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import AuthenticRelease, open_release, parse_release_entry

__all__ = ["RELEASE_CHECKS", "appraise_release"]

RELEASE_CHECKS = (
    "release.format",
    "release.signature",
    "release.role",
    "release.product",
    "release.security_version",
    "release.not_after",
)
"""The checks that a policy requires with the stage ``release``, in their order."""

_SOURCE = "release-entry"


def appraise_release(
    ledger: Ledger, *, entry: bytes, policy: ReleasePolicy, now: datetime
) -> AuthenticRelease | None:
    """Record a finding for each of ``RELEASE_CHECKS``; return the release if it is authentic."""
    parsed = ledger.attempt(
        "release.format",
        lambda: parse_release_entry(entry),
        expected="a canonical envelope of a cvm-release/v1",
        got=lambda e: f"{e.kind}, {len(e.raw)} bytes",
        source=_SOURCE,
    )
    if parsed is None:
        ledger.skip(RELEASE_CHECKS[1:], reason="the entry could not be read", source=_SOURCE)
        return None
    opened = ledger.attempt(
        "release.signature",
        lambda: open_release(
            parsed, publishers=policy.publishers, threshold=policy.publisher_threshold
        ),
        expected=f"{policy.publisher_threshold} of "
        + ", ".join(key.keyid for key in policy.publishers),
        got=lambda r: "signed by " + ", ".join(key.keyid for key in r.keys),
        source=_SOURCE,
    )
    if opened is None:
        ledger.skip(RELEASE_CHECKS[2:], reason="nobody named signed the release", source=_SOURCE)
        return None
    _compare(ledger, opened.release, policy, now)
    return opened


def _compare(ledger: Ledger, release: CvmRelease, policy: ReleasePolicy, now: datetime) -> None:
    floor = policy.minimum_security_version
    rows = (
        ("release.role", release.role == policy.role, policy.role, release.role),
        ("release.product", release.product == policy.product, policy.product, release.product),
        (
            "release.security_version",
            release.security_version >= floor,
            f"at least {floor}",
            str(release.security_version),
        ),
        (
            "release.not_after",
            now <= release.not_after,
            f"{release.not_after:%Y-%m-%dT%H:%M:%SZ} or earlier",
            f"{now:%Y-%m-%dT%H:%M:%SZ}",
        ),
    )
    ledger.record(
        compared(
            check,
            holds=holds,
            expected=expected,
            got=got,
            source=_SOURCE,
            cls=FindingClass.SECURITY if check == "release.role" else FindingClass.POLICY,
        )
        for check, holds, expected, got in rows
    )
