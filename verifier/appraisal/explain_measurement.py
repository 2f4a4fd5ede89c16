"""Why a launch measurement is not one that the release states: which inputs would have given it.

It explains and accepts nothing: the launch inputs that travel with evidence are the word of
whoever sent it, and a hit says what would give the measurement if that word is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from verifier.appraisal.findings import Finding, FindingClass, Status, finding
from verifier.measurement.sev_snp import (
    SNP_ACTIVE,
    LaunchInputs,
    Vmm,
    launch_digest,
    search_launches,
    vcpu_types_of,
)
from verifier.release.cvm_release import MeasurementRow

__all__ = ["explain_measurement"]

_CHECK = "snp.measurement.explained"
_SHOWN_ROWS = 4
_COMPARED_ROWS = 64


def explain_measurement(
    observed: bytes, *, rows: Sequence[MeasurementRow], inputs: LaunchInputs | None
) -> Finding:
    """An informative finding about the 48 bytes ``observed`` in a report.

    ``rows`` are those of the release; ``inputs`` the launch inputs of the bundle (the document
    cvm-audit/snp-launch-inputs/v1), or None if it has none. To be given where
    release.measurement fails; takes a fraction of a second.
    """
    source = "snp-report" if inputs is None else "snp-launch-inputs"
    return finding(
        _CHECK,
        Status.INFO,
        expected=f"the release states {_stated(rows)}",
        got=_explanation(observed, rows, inputs),
        source=source,
        cls=FindingClass.POLICY,
    )


def _explanation(
    observed: bytes, rows: Sequence[MeasurementRow], inputs: LaunchInputs | None
) -> str:
    same = [row for row in rows if row.value == observed]
    if same:
        return f"observed is the row of {_row(same[0])}, on platform {same[0].platform}"
    if inputs is None:
        return "not searched: the evidence brings no launch inputs (snp-launch-inputs)"
    search = search_launches(inputs, measurement=observed)
    if not search.hits:
        return (
            f"none of {search.tried} launches near the launch inputs of the evidence gives it "
            f"({search.scope}): firmware, kernel, initrd or command line are others"
        )
    hit = search.hits[0]
    return f"{_launch_of(hit.inputs)} would give it ({hit}); {_standing(inputs, rows)}"


def _standing(inputs: LaunchInputs, rows: Sequence[MeasurementRow]) -> str:
    """Whether the release states the firmware and kernel of these inputs, in any of its rows."""
    for row in rows[:_COMPARED_ROWS]:
        if launch_digest(_as_in(row, inputs)) == row.value:
            return f"of this firmware and kernel the release states {_row(row)}"
    return "the release states no launch of this firmware and kernel"


def _as_in(row: MeasurementRow, inputs: LaunchInputs) -> LaunchInputs:
    return replace(
        inputs,
        vmm=Vmm(row.vmm),
        vcpus=row.vcpus,
        vcpu_signature=row.vcpu_signature,
        guest_features=row.guest_features | SNP_ACTIVE,  # else no launch, and no match either
    )


def _stated(rows: Sequence[MeasurementRow]) -> str:
    shown = " or ".join(_row(row) for row in rows[:_SHOWN_ROWS])
    return (shown or "nothing") + (" or …" if len(rows) > _SHOWN_ROWS else "")


def _row(row: MeasurementRow) -> str:
    return _launch(row.vmm, row.vcpus, row.vcpu_signature, row.guest_features)


def _launch_of(inputs: LaunchInputs) -> str:
    signature, features = inputs.vcpu_signature, inputs.guest_features
    return _launch(inputs.vmm, inputs.vcpus, signature, features)


def _launch(vmm: str, vcpus: int, signature: int, features: int) -> str:
    names = vcpu_types_of(signature)
    type_name = names[0] if names else f"signature {signature:#x}"
    kind = "" if vmm in (Vmm.EC2, Vmm.GCE) else f" of {type_name}"  # they do not measure it
    return f"{vcpus} vCPUs{kind} with features {features:#x} on {vmm}"
