"""What to drive, and under whose rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.appraisal.drive.driven import Scope
from verifier.appraisal.policy import Policy
from verifier.drive.artifacts import Artifacts
from verifier.drive.qemu import Shape
from verifier.roots.snp_root import SnpRoot

if TYPE_CHECKING:  # loads the library of Sigstore
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One drive. ``seconds`` bounds the first boot.

    ``process`` boots nothing: the image's program runs in a sandbox of this host. ``tamper`` also
    boots what must be refused.

    ``policy_text`` is the policy's file, which the bundle records. ``crl`` (DER) goes into the
    bundle, None for none. ``platform`` is the folder of the simulated platform.
    """

    artifacts: Artifacts
    entry: bytes
    proof: bytes
    shape: Shape
    platform: Path
    policy: Policy
    policy_text: bytes
    crl: bytes | None
    roots: tuple[SnpRoot, ...]
    trusted_root: TrustedRoot | None
    now: datetime
    seconds: float
    process: bool
    tamper: bool

    @property
    def scope(self) -> Scope:
        """What of a drive is to be tried."""
        return Scope(machine=not self.process, boots=self.tamper)
