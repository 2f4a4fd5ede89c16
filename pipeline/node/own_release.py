"""What a guest demands of its own release, before it serves anybody.

The host hands over the entry and its proof, and nothing that the host says is believed: publishers
and log policy come from the measured guest policy. The release's not-after is *not* compared with a
clock: a guest has none that it could trust. The client has, and checks it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.node.guest_policy import GuestPolicy
from verifier.errors import VerificationError
from verifier.evidence.snp_report import AttestationReport
from verifier.release.cvm_release import CvmRelease
from verifier.release.entry import open_release, parse_release_entry
from verifier.tlog.proof import parse_tlog_proof, verify_tlog_proof

__all__ = ["OwnRelease", "open_own_release"]


@dataclass(frozen=True, slots=True)
class OwnRelease:
    """A logged release that this very machine runs. Made by ``open_own_release``."""

    entry: bytes
    proof: bytes
    release: CvmRelease


def open_own_release(
    *, entry: bytes, proof: bytes, policy: GuestPolicy, report: AttestationReport
) -> OwnRelease:
    """Check that publishers signed the release, that it is logged, and that it names ``report``.

    Raises ParseError and UnsupportedError for what cannot be read; VerificationError for too few
    publishers, a wrong proof, another role, and a MEASUREMENT that is in no row of the release.
    """
    opened = open_release(
        parse_release_entry(entry),
        publishers=policy.publishers,
        threshold=policy.publisher_threshold,
    )
    verify_tlog_proof(parse_tlog_proof(proof), entry=entry, policy=policy.log_policy)
    release = opened.release
    if release.role != policy.role:
        raise VerificationError("role of the release", expected=policy.role, got=release.role)
    rows = {row.value for row in release.measurements}
    if report.measurement not in rows:
        expected = f"one of the {len(rows)} measurements of {release.product} {release.version}"
        raise VerificationError("own MEASUREMENT", expected=expected, got=report.measurement.hex())
    return OwnRelease(entry, proof, release)
