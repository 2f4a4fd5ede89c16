"""The level that a drive reached: from what ran the guest and what passed, never rounded up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from verifier.appraisal.drive.probes import PROBES, Need
from verifier.appraisal.findings import Finding, Status
from verifier.evidence.drive_record import Accelerator, Level
from verifier.roots.snp_root import Platform

__all__ = ["levels_borne", "reached_level"]

_HIGHEST_FIRST: Mapping[Accelerator, tuple[Level, ...]] = MappingProxyType(
    {
        Accelerator.SNP: (Level.SNP_HARDWARE, Level.EMULATED),
        Accelerator.KVM: (Level.EMULATED_ENFORCED, Level.EMULATED),
        Accelerator.TCG: (Level.EMULATED_ENFORCED, Level.EMULATED),
        Accelerator.BWRAP: (Level.PROCESS,),
    }
)
_NEEDED: Mapping[Level, frozenset[str]] = MappingProxyType(
    {
        Level.SNP_HARDWARE: frozenset({"drive.boot", "drive.measurement"}),
        Level.EMULATED_ENFORCED: frozenset(
            {"drive.boot", *(p.check for p in PROBES if {Need.MACHINE, Need.BOOTS} <= p.needs)}
        ),
        Level.EMULATED: frozenset({"drive.boot"}),
        Level.PROCESS: frozenset({"drive.boot"}),
    }
)


def reached_level(
    accelerator: Accelerator | None, *, platform: str, findings: Iterable[Finding]
) -> Level | None:
    """The highest level that ``findings`` bear, None where nothing served.

    ``platform`` is that of the evidence: without authentic evidence of hardware no launch counts
    as one on hardware.
    """
    if accelerator is None:
        return None
    borne = levels_borne(platform=platform, findings=findings)
    return next((each for each in _HIGHEST_FIRST[accelerator] if each in borne), None)


def levels_borne(*, platform: str, findings: Iterable[Finding]) -> frozenset[Level]:
    """The levels for which ``findings`` are enough; which was reached they alone cannot say."""
    made = tuple(findings)
    passed = {each.check for each in made if each.status is Status.PASS}
    passed -= {each.check for each in made if each.status is not Status.PASS}
    borne = {level for level, needed in _NEEDED.items() if needed <= passed}
    return frozenset(borne if platform == Platform.HARDWARE else borne - {Level.SNP_HARDWARE})
