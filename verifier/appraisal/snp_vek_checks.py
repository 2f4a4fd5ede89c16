"""The checks of a VEK certificate against pinned roots: steps C1 to C5 of SEV-SNP verification.

Only the pinned keys are ever used. CA certificates that came with the evidence are compared with
the pinned ones by digest, because a forged chain is consistent in itself.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

from verifier.appraisal.findings import Finding, Status, compared, finding
from verifier.errors import VerificationError
from verifier.evidence.vek_certificate import VekCertificate
from verifier.roots.snp_root import CaFacts, SnpRoot
from verifier.tlog.strict import excerpt

__all__ = ["check_vek"]

_VEK = "snp-vek"
_CA = "snp-ca"
_PINNED = "pinned root"


def check_vek(
    certificate: VekCertificate,
    *,
    root: SnpRoot | None,
    roots: tuple[SnpRoot, ...],
    offered_ca: tuple[bytes, ...],
    now: datetime,
) -> tuple[Finding, ...]:
    """All findings about a certificate; ``root`` is the one that its issuer names, if any."""
    if root is None:
        return (
            _offered(offered_ca, tuple(ca for each in roots for ca in (each.ark, each.signer))),
            _not_made("snp.chain.validity"),
            _unknown_issuer(certificate, roots),
            _not_made("snp.vek.signature"),
            _not_made("snp.vek.validity"),
        )
    return (
        _offered(offered_ca, (root.ark, root.signer)),
        _chain_validity(root, now),
        _issuer(certificate, root),
        _signature(certificate, root),
        _validity(certificate, now),
    )


def _offered(offered_ca: tuple[bytes, ...], pinned: tuple[CaFacts, ...]) -> Finding:
    digests = [hashlib.sha256(der).digest() for der in offered_ca]
    known = {ca.sha256 for ca in pinned}
    foreign = next((digest for digest in digests if digest not in known), None)
    if foreign is None:
        return compared(
            "snp.chain.root",
            holds=True,
            expected=" or ".join(ca.common_name for ca in pinned[:2]),
            got=f"{len(digests)} offered, all pinned" if digests else "none offered",
            source=_CA,
        )
    names = " or ".join(f"{ca.common_name} with SHA-256 {ca.sha256.hex()}" for ca in pinned)
    return compared(
        "snp.chain.root",
        holds=False,
        expected=names or "no root is given",
        got=f"a certificate with SHA-256 {foreign.hex()}",
        source=_CA,
        hint="the chain that came with the evidence is not the vendor's; it was not used",
    )


def _chain_validity(root: SnpRoot, now: datetime) -> Finding:
    start = max(root.ark.not_before, root.signer.not_before)
    end = min(root.ark.not_after, root.signer.not_after)
    return compared(
        "snp.chain.validity",
        holds=start <= now <= end,
        expected=f"{_utc(start)} to {_utc(end)}",
        got=_utc(now),
        source=_PINNED,
    )


def _issuer(certificate: VekCertificate, root: SnpRoot) -> Finding:
    holds = certificate.kind == root.kind and certificate.subject == root.vek_subject
    subject = "" if certificate.subject == root.vek_subject else " with another subject"
    return compared(
        "snp.vek.issuer",
        holds=holds,
        expected=f"a {root.kind}, as {root.signer.common_name} issues them",
        got=f"a {certificate.kind}{subject} from {certificate.issuer_common_name}",
        source=_VEK,
    )


def _unknown_issuer(certificate: VekCertificate, roots: tuple[SnpRoot, ...]) -> Finding:
    names = " or ".join(root.signer.common_name for root in roots) or "no root is given"
    issuer = excerpt(certificate.issuer_common_name)
    return compared(
        "snp.vek.issuer",
        holds=False,
        expected=f"exactly the name of a pinned issuer: {names}",
        got=f"a {certificate.kind} from {issuer}, Name {certificate.issuer.hex()[:80]}",
        source=_VEK,
        hint="simulated evidence needs the root of its simulated platform",
    )


def _signature(certificate: VekCertificate, root: SnpRoot) -> Finding:
    try:
        root.signer.verify_signature(certificate.signature, certificate.tbs, what="VEK certificate")
    except VerificationError as error:
        return compared(
            "snp.vek.signature",
            holds=False,
            expected=error.expected,
            got=error.got,
            source=_VEK,
        )
    return compared(
        "snp.vek.signature",
        holds=True,
        expected=f"an RSASSA-PSS signature by {root.signer.common_name}",
        got="it verifies",
        source=_VEK,
    )


def _validity(certificate: VekCertificate, now: datetime) -> Finding:
    return compared(
        "snp.vek.validity",
        holds=certificate.not_before <= now <= certificate.not_after,
        expected=f"{_utc(certificate.not_before)} to {_utc(certificate.not_after)}",
        got=_utc(now),
        source=_VEK,
        hint="an expired certificate can be judged at the instant of its evidence",
    )


@lru_cache(maxsize=256)
def _utc(instant: datetime) -> str:
    # The bounds of certificates recur with every report, and writing them is not cheap.
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _not_made(check: str) -> Finding:
    return finding(
        check,
        Status.SKIP,
        expected="to be checked",
        got="not checked: the issuer is unknown",
        source=_VEK,
    )
