"""Appraises who signed a release in Sigstore's way, where the policy names identities.

The bundle comes from whoever wants to be believed, the trusted root from the auditor alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from verifier.appraisal.ledger import Ledger
from verifier.release.entry import Entry
from verifier.release.sigstore_format import parse_sigstore_bundle
from verifier.release.sigstore_identity import AuthenticIdentity, Identity

if TYPE_CHECKING:  # loads the library of Sigstore, which only a policy with identities needs
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = [
    "IDENTITY_CHECK",
    "IDENTITY_ROLE",
    "NO_IDENTITY",
    "IdentityEvidence",
    "appraise_identity",
]

IDENTITY_CHECK = "release.identity"
IDENTITY_ROLE = "release-sigstore"
"""The role of the Sigstore bundle in an evidence bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityEvidence:
    """``bundle`` is the Sigstore bundle as received, ``root`` the auditor's; None if not given."""

    bundle: bytes | None
    root: TrustedRoot | None


NO_IDENTITY = IdentityEvidence(bundle=None, root=None)
"""Nothing was offered: a policy that names identities is then not satisfied."""


def appraise_identity(
    ledger: Ledger,
    evidence: IdentityEvidence,
    *,
    entry: Entry,
    identities: tuple[Identity, ...],
    now: datetime,
) -> AuthenticIdentity | None:
    """Record whether one of ``identities`` signed the statement of ``entry``; return which did.

    A missing bundle is a failure. A missing root is the auditor's own gap: the check is skipped,
    and nothing that requires it can be VERIFIED.
    """
    bundle, root = evidence.bundle, evidence.root
    if bundle is None:
        ledger.missing((IDENTITY_CHECK,), role=IDENTITY_ROLE)
        return None
    if root is None:
        reason = "no Sigstore trusted root was given"
        ledger.skip((IDENTITY_CHECK,), reason=reason, source=IDENTITY_ROLE)
        return None
    return ledger.attempt(
        IDENTITY_CHECK,
        lambda: root.verify_identity(
            parse_sigstore_bundle(bundle),
            statement=entry.envelope.payload,
            identities=identities,
            now=now,
        ),
        expected=" or ".join(map(str, identities)),
        got=lambda found: (
            f"{found.identity}, at {found.instant:%Y-%m-%dT%H:%M:%SZ} by the {found.clock}, "
            f"entry {found.index} of {found.log}"
        ),
        source=IDENTITY_ROLE,
    )
