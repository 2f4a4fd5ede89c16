"""A node that serves although the proof of its release, or its own measurement, is wrong."""

from __future__ import annotations

import sys

from pipeline.node import node
from pipeline.node.cli import main
from pipeline.node.guest_policy import GuestPolicy
from pipeline.node.own_release import OwnRelease
from verifier.evidence.snp_report import AttestationReport
from verifier.release.entry import open_release, parse_release_entry

__all__ = ["corrupt"]


def open_anything(
    *, entry: bytes, proof: bytes, policy: GuestPolicy, report: AttestationReport
) -> OwnRelease:
    """What was handed over, with a look at the signature and none at the proof or ``report``."""
    assert report.measurement
    opened = open_release(
        parse_release_entry(entry),
        publishers=policy.publishers,
        threshold=policy.publisher_threshold,
    )
    return OwnRelease(entry, proof, opened.release)


def corrupt() -> None:
    """Let the node of this process be the twin."""
    vars(node)["open_own_release"] = open_anything


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
