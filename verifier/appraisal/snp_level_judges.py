"""Judges of how recent the firmware is: TCBs, firmware versions, mitigation vectors.

The certificate's TCB is what a report can prove, and REPORTED_TCB equals it; LAUNCH_TCB and
COMMITTED_TCB are the word of firmware that is at least that recent. Source: SNP firmware ABI (AMD
publication 56860), TCB_VERSION and ATTESTATION_REPORT.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.appraisal.snp_judging import Claim, Judge, Judged
from verifier.evidence.tcb import Product, Tcb

__all__ = ["LEVEL_JUDGES"]


def _reported(claim: Claim) -> Judged:
    return _floor(claim, claim.authentic.tcbs.reported, claim.policy.minimum_reported_tcb)


def _launch(claim: Claim) -> Judged:
    return _floor(claim, claim.authentic.tcbs.launch, claim.policy.minimum_launch_tcb)


def _committed(claim: Claim) -> Judged:
    return _floor(claim, claim.authentic.tcbs.committed, claim.policy.minimum_committed_tcb)


def _floor(claim: Claim, tcb: Tcb, floors: Mapping[Product, Tcb]) -> Judged:
    product = claim.authentic.product
    floor = floors.get(product)
    if floor is None:  # only for a product that snp.product.allowed refuses
        return Judged(holds=False, expected=f"a floor for {product}", got="none is given")
    below = tcb.below(floor)
    got = f"{tcb}" + (f", below in {', '.join(below)}" if below else "")
    return Judged(not below, f"at least {floor}", got)


def _firmware(claim: Claim) -> Judged:
    running, floor = claim.report.current_firmware, claim.policy.minimum_firmware
    return Judged(running >= floor, f"at least {floor}", str(running))


def _provisional(claim: Claim) -> Judged:
    report, tcbs = claim.report, claim.authentic.tcbs
    running, committed = report.current_firmware, report.committed_firmware
    behind = tcbs.committed.below(tcbs.current)
    same = running == committed and not behind
    if same:
        got = f"{running} is committed"
    else:
        got = f"{running}, TCB {tcbs.current}; committed {committed}, TCB {tcbs.committed}"
    hint = "until it commits, the host can go back to the older firmware"
    return Judged(same, "committed as it runs", got, hint)


def _mitigations(claim: Claim) -> Judged:
    report, product = claim.report, claim.authentic.product
    mask = claim.policy.mitigations.get(product)
    if mask is None:  # only for a product that snp.product.allowed refuses
        return Judged(holds=False, expected=f"a mask for {product}", got="none is given")
    launch, current = report.launch_mitigation_vector, report.current_mitigation_vector
    expected = f"every bit of {mask:#x}"
    if launch is None or current is None:
        got = f"version {report.version} has no mitigation vectors"
        return Judged(holds=False, expected=expected, got=got)
    holds = launch & mask == mask and current & mask == mask
    return Judged(holds, expected, f"at launch {launch:#x}, now {current:#x}")


LEVEL_JUDGES: Mapping[str, Judge] = MappingProxyType(
    {
        "snp.tcb.reported_minimum": _reported,
        "snp.tcb.launch_minimum": _launch,
        "snp.tcb.committed_minimum": _committed,
        "snp.firmware.minimum": _firmware,
        "snp.firmware.provisional": _provisional,
        "snp.mitigations": _mitigations,
    }
)
"""Check to judge."""
