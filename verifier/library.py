"""The judge for programs: from files or bytes to ``Verified``, or to a verdict that says why not.

Nothing is decided here: ``verifier.appraisal`` judges, and this module reads files and refuses
what is not VERIFIED. The clock, the roots and the nonce are the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.appraisal.appraise import appraise_bundle as _appraise_bundle
from verifier.appraisal.appraise import appraise_report as _appraise_report
from verifier.appraisal.appraise_evidence import SnpEvidence
from verifier.appraisal.builtin_policies import BUILT_IN
from verifier.appraisal.findings import Status
from verifier.appraisal.policy import MAX_POLICY, Policy, parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.errors import ParseError, PolicyError, UnsupportedError, VerificationError
from verifier.evidence.report_data import NONCE_SIZE
from verifier.evidence.simulated_root import parse_simulated_root
from verifier.files import read_bundle, read_file
from verifier.roots.snp_root import SnpRoot

if TYPE_CHECKING:  # loads the library of Sigstore, which only a policy with identities needs
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = [
    "NotVerifiedError",
    "Verified",
    "appraise_bundle",
    "appraise_report",
    "load_policy",
    "load_simulated_root",
    "verify_bundle",
    "verify_report",
]


class NotVerifiedError(VerificationError):
    """A verdict that is not VERIFIED; ``verdict`` has every finding.

    ``got`` names the outcome and the first finding that stands in the way.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.target.kind, expected=Outcome.VERIFIED, got=_obstacle(verdict))
        self.verdict = verdict


def _obstacle(verdict: Verdict) -> str:
    outcome = verdict.outcome
    if outcome is Outcome.PARTIAL:
        return f"{outcome}: not proven: {', '.join(verdict.not_proven)}"
    wanted = (Status.FAIL,) if outcome is Outcome.FAILED else (Status.SKIP, Status.ERROR)
    first = next(
        f
        for f in verdict.findings
        if f.status in wanted and (outcome is Outcome.FAILED or f.check in verdict.required)
    )
    return f"{outcome}: {first.check}: {first.got}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A verdict that says VERIFIED. Made by ``verify_bundle`` and ``verify_report`` alone.

    A function that demands one cannot be called with anything less. ``verdict.platform`` still
    says whether the evidence is of ``hardware`` or ``simulated``, whichever the policy named.
    """

    verdict: Verdict


def load_policy(source: str | Path) -> Policy:
    """The built-in policy of this name (a str), or the policy file at this Path.

    Raises PolicyError for an unknown name and an unusable file, FetchError if it cannot be read.
    """
    if isinstance(source, str):
        if source not in BUILT_IN:
            expected = f"one of {', '.join(BUILT_IN)}; a file is given as a Path"
            raise PolicyError("built-in policy", expected=expected, got=source)
        return parse_policy(BUILT_IN[source].encode())
    try:
        return parse_policy(read_file(source, limit=MAX_POLICY))
    except ParseError as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def load_simulated_root(path: Path) -> SnpRoot:
    """The root of a simulated platform, as ``python -m pipeline.platform init`` writes it.

    What is verified under it proves nothing about hardware. Raises PolicyError for an unusable
    file, FetchError if it cannot be read.
    """
    try:
        return parse_simulated_root(read_file(path))
    except (ParseError, UnsupportedError) as error:
        raise PolicyError(error.what, expected=error.expected, got=error.got) from None


def appraise_bundle(
    bundle: Path | Mapping[str, bytes | None] | bytes,
    *,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
    trusted_root: TrustedRoot | None = None,
) -> Verdict:
    """Judge a bundle, whatever comes of it.

    ``bundle`` is a folder or a tar by its Path, the bytes of a tar, or the files of a folder by
    their relative paths. ``now`` is aware. ``nonce`` is the 32 bytes that the caller sent; None
    takes the one that the bundle records, which shows freshness to whoever captured it alone.
    A policy that names Sigstore identities is not satisfied without ``trusted_root``.

    Bad evidence is in the verdict, and raises nothing. Raises FetchError if a file cannot be read,
    ParseError for a file that is too large, and ValueError for a wrong ``now`` or ``nonce``.
    """
    _require_usable(now, nonce)
    found = read_bundle(bundle) if isinstance(bundle, Path) else bundle
    return _appraise_bundle(
        found, policy=policy, roots=roots, now=now, nonce=nonce, trusted_root=trusted_root
    )


def appraise_report(
    report: bytes,
    *,
    vek: bytes | None,
    crl: bytes | None,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
) -> Verdict:
    """Judge one SEV-SNP report (1184 bytes) with its VCEK or VLEK certificate and CRL (DER).

    None stands for what is not at hand; whatever the policy demands of it is then not satisfied.
    Under a policy that also requires log or release the verdict is at best PARTIAL. Raises
    ValueError for a wrong ``now`` or ``nonce``.
    """
    _require_usable(now, nonce)
    evidence = SnpEvidence(report=report, vek=vek, crl=crl)
    return _appraise_report(evidence, policy=policy, roots=roots, now=now, nonce=nonce)


def verify_bundle(
    bundle: Path | Mapping[str, bytes | None] | bytes,
    *,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
    trusted_root: TrustedRoot | None = None,
) -> Verified:
    """As ``appraise_bundle``, and raises NotVerifiedError unless the verdict is VERIFIED."""
    return _require_verified(
        appraise_bundle(
            bundle, policy=policy, roots=roots, now=now, nonce=nonce, trusted_root=trusted_root
        )
    )


def verify_report(
    report: bytes,
    *,
    vek: bytes | None,
    crl: bytes | None,
    policy: Policy,
    roots: tuple[SnpRoot, ...],
    now: datetime,
    nonce: bytes | None,
) -> Verified:
    """As ``appraise_report``, and raises NotVerifiedError unless the verdict is VERIFIED."""
    return _require_verified(
        appraise_report(report, vek=vek, crl=crl, policy=policy, roots=roots, now=now, nonce=nonce)
    )


def _require_verified(verdict: Verdict) -> Verified:
    if verdict.outcome is not Outcome.VERIFIED:
        raise NotVerifiedError(verdict)
    return Verified(verdict)


def _require_usable(now: datetime, nonce: bytes | None) -> None:
    if now.tzinfo is None:
        message = "now has no time zone"
        raise ValueError(message)
    if nonce is not None and len(nonce) != NONCE_SIZE:
        message = f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}"
        raise ValueError(message)
