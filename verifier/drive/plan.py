"""What to drive, and under whose rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.appraisal.drive.driven import Scope, Way
from verifier.appraisal.policy import Policy
from verifier.drive.artifacts import Artifacts
from verifier.drive.qemu import Shape
from verifier.roots.snp_root import SnpRoot
from verifier.wire.service import SummaryRequest

if TYPE_CHECKING:  # loads the library of Sigstore
    from verifier.release.sigstore_bundle import TrustedRoot

__all__ = ["PathPlan", "Plan", "Rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which release has to answer (``entry``), and what its evidence is judged by.

    ``policy_text`` is the policy's file, which the bundle records. ``crl`` (DER) goes into the
    bundle, None for none. ``now`` is the instant of every judgement. ``chat`` is one more thing to
    ask: its summary stands in the verdict and in the record.
    """

    entry: bytes
    policy: Policy
    policy_text: bytes
    crl: bytes | None
    roots: tuple[SnpRoot, ...]
    trusted_root: TrustedRoot | None
    now: datetime
    chat: SummaryRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPlan(Rules):
    """A path to be started. ``keys`` is a folder of ``pipeline.keys init``, which is only read.

    ``logged`` are folders with ``entry.json`` and ``entry.tlog-proof`` of its configurations.
    """

    keys: Path
    logged: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Rules):
    """Boots of a release. ``seconds`` bounds the first one; ``proof`` is handed to the guest.

    ``process`` boots nothing: the image's program runs in a sandbox of this host. ``tamper`` also
    boots what must be refused. ``platform`` is the folder of the simulated platform.
    """

    artifacts: Artifacts
    proof: bytes
    shape: Shape
    platform: Path
    seconds: float
    process: bool
    tamper: bool

    def scope(self, way: Way) -> Scope:
        """What of a drive is to be tried that goes this ``way`` to the guest."""
        return Scope(machine=not self.process, boots=self.tamper, way=way)
