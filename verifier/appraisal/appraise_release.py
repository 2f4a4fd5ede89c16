"""Appraises a logged release: who signed it, and whether it is the one that the policy wants."""

from __future__ import annotations

from datetime import datetime

from verifier.appraisal.appraise_identity import (
    IDENTITY_CHECK,
    IdentityEvidence,
    appraise_identity,
)
from verifier.appraisal.findings import FindingClass, compared
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import ReleasePolicy
from verifier.appraisal.signed_entry import open_signed
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import (
    AuthenticRelease,
    Entry,
    open_release,
    open_release_by_identity,
    parse_release_entry,
)

__all__ = ["appraise_release", "release_checks"]

_SIGNATURE = "release.signature"
_CONTENT = (
    "release.role",
    "release.product",
    "release.security_version",
    "release.not_after",
)
_SOURCE = "release-entry"


def release_checks(policy: ReleasePolicy) -> tuple[str, ...]:
    """The checks that a policy requires with the stage ``release``, in their order."""
    by_key = (_SIGNATURE,) if policy.publishers else ()
    by_identity = (IDENTITY_CHECK,) if policy.identities else ()
    return ("release.format", *by_key, *by_identity, *_CONTENT)


def appraise_release(
    ledger: Ledger,
    *,
    entry: bytes,
    identity: IdentityEvidence,
    policy: ReleasePolicy,
    now: datetime,
) -> AuthenticRelease | None:
    """Record a finding for each of ``release_checks``; return the release if it is authentic."""
    parsed = ledger.attempt(
        "release.format",
        lambda: parse_release_entry(entry),
        expected="a canonical envelope of a cvm-release/v1",
        got=lambda e: f"{e.kind}, {len(e.raw)} bytes",
        source=_SOURCE,
    )
    if parsed is None:
        left = release_checks(policy)[1:]
        ledger.skip(left, reason="the entry could not be read", source=_SOURCE)
        return None
    opened = _open(ledger, parsed, identity, policy, now)
    if opened is None:
        ledger.skip(_CONTENT, reason="nobody named signed the release", source=_SOURCE)
        return None
    _compare(ledger, opened.release, policy, now)
    return opened


def _open(
    ledger: Ledger,
    entry: Entry,
    evidence: IdentityEvidence,
    policy: ReleasePolicy,
    now: datetime,
) -> AuthenticRelease | None:
    # Both are tried, so that every failure is seen, and all that the policy names must have signed.
    signed = _by_publishers(ledger, entry, policy)
    if not policy.identities:
        return signed
    identity = appraise_identity(
        ledger, evidence, entry=entry, identities=policy.identities, now=now
    )
    if identity is None:
        return None
    return signed if policy.publishers else open_release_by_identity(entry, identity=identity)


def _by_publishers(ledger: Ledger, entry: Entry, policy: ReleasePolicy) -> AuthenticRelease | None:
    if not policy.publishers:
        reason = "the policy names no key of a publisher"
        ledger.skip((_SIGNATURE,), reason=reason, source=_SOURCE)
        return None
    return open_signed(ledger, _SIGNATURE, open_release, entry, policy=policy, source=_SOURCE)


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
