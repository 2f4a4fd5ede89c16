"""Judges of how recent the firmware is: TCBs, firmware versions, mitigation vectors.

The certificate's TCB is what a report can prove, and REPORTED_TCB equals it; LAUNCH_TCB and
COMMITTED_TCB are the word of firmware that is at least that recent. Source: SNP firmware ABI (AMD
publication 56860), TCB_VERSION and ATTESTATION_REPORT.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.posture import Posture
from verifier.appraisal.snp_judging import Judged, PostureJudge
from verifier.evidence.tcb import Product, Tcb

__all__ = ["LEVEL_JUDGES"]


def _reported(posture: Posture, policy: SnpPolicy) -> Judged:
    return _floor(posture.product, posture.tcbs.reported, policy.minimum_reported_tcb)


def _launch(posture: Posture, policy: SnpPolicy) -> Judged:
    return _floor(posture.product, posture.tcbs.launch, policy.minimum_launch_tcb)


def _committed(posture: Posture, policy: SnpPolicy) -> Judged:
    return _floor(posture.product, posture.tcbs.committed, policy.minimum_committed_tcb)


def _floor(product: Product, tcb: Tcb, floors: Mapping[Product, Tcb]) -> Judged:
    floor = floors.get(product)
    if floor is None:  # only for a product that snp.product.allowed refuses
        return Judged(holds=False, expected=f"a floor for {product}", got="none is given")
    below = tcb.below(floor)
    got = f"{tcb}" + (f", below in {', '.join(below)}" if below else "")
    return Judged(not below, f"at least {floor}", got)


def _firmware(posture: Posture, policy: SnpPolicy) -> Judged:
    running, floor = posture.current_firmware, policy.minimum_firmware
    return Judged(running >= floor, f"at least {floor}", str(running))


def _provisional(posture: Posture, policy: SnpPolicy) -> Judged:
    del policy  # it only says whether this is demanded
    tcbs = posture.tcbs
    running, committed = posture.current_firmware, posture.committed_firmware
    behind = tcbs.committed.below(tcbs.current)
    same = running == committed and not behind
    if same:
        got = f"{running} is committed"
    else:
        got = f"{running}, TCB {tcbs.current}; committed {committed}, TCB {tcbs.committed}"
    hint = "until it commits, the host can go back to the older firmware"
    return Judged(same, "committed as it runs", got, hint)


def _mitigations(posture: Posture, policy: SnpPolicy) -> Judged:
    product = posture.product
    mask = policy.mitigations.get(product)
    if mask is None:  # only for a product that snp.product.allowed refuses
        return Judged(holds=False, expected=f"a mask for {product}", got="none is given")
    launch, current = posture.launch_mitigation_vector, posture.current_mitigation_vector
    expected = f"every bit of {mask:#x}"
    if launch is None or current is None:
        got = f"version {posture.version} has no mitigation vectors"
        return Judged(holds=False, expected=expected, got=got)
    holds = launch & mask == mask and current & mask == mask
    return Judged(holds, expected, f"at launch {launch:#x}, now {current:#x}")


LEVEL_JUDGES: Mapping[str, PostureJudge] = MappingProxyType(
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
