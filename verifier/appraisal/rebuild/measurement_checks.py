"""Check of the measurements: every logged row follows from the rebuilt bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from verifier.appraisal.findings import FindingClass, Status, failed, finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.rebuild.rebuilt import BUILT_FILES, BuildEnd, Rebuilt
from verifier.errors import ParseError, UnsupportedError
from verifier.measurement.sev_snp import (
    SNP_ACTIVE,
    LaunchInputs,
    Vmm,
    launch_inputs_from_binaries,
    measurement_matrix,
)
from verifier.release.cvm_release import MeasurementRow

__all__ = ["MEASUREMENT_CHECK", "appraise_measurements"]

MEASUREMENT_CHECK = "rebuild.measurement"

_MEASURED = ("firmware", "kernel", "initrd", "command-line")


def appraise_measurements(
    ledger: Ledger, logged: tuple[MeasurementRow, ...], rebuilt: Rebuilt
) -> tuple[MeasurementRow, ...]:
    """Record the finding; return the rows that the first build gives, none where it gives none."""
    built = _measured(rebuilt)
    if built is None:
        ledger.skip((MEASUREMENT_CHECK,), reason="no build came out whole", source="builds")
        return ()
    expected = f"{len(logged)} logged measurements"
    try:
        inputs = _inputs(built)
    except (ParseError, UnsupportedError) as error:
        got = f"what was built cannot be measured: {error}"
        ledger.record((failed(MEASUREMENT_CHECK, expected=expected, got=got, source="builds"),))
        return ()
    rows = tuple(_rows(inputs, logged))
    given = {_launch(row): row for row in rows}
    wrong = [row for row in logged if given.get(_launch(row)) != row]
    if not wrong:
        got = f"all {len(logged)} follow from the rebuilt bytes"
        ledger.record(
            (finding(MEASUREMENT_CHECK, Status.PASS, expected=expected, got=got, source="builds"),)
        )
        return rows
    first = wrong[0]
    ours = given.get(_launch(first))
    got = "no such launch" if ours is None else ours.value.hex()
    ledger.record(
        (
            failed(
                MEASUREMENT_CHECK,
                expected=f"{_in_words(first)}: {first.value.hex()}",
                got=f"{got}; {len(wrong)} of {len(logged)} rows differ",
                source=_in_words(first),
                cls=FindingClass.SECURITY,
            ),
        )
    )
    return rows


def _measured(rebuilt: Rebuilt) -> Mapping[str, bytes] | None:
    if not rebuilt.builds or rebuilt.builds[0].end is not BuildEnd.DONE:
        return None
    outputs = rebuilt.builds[0].outputs
    found = {role: outputs.get(BUILT_FILES[role]) for role in _MEASURED}
    whole = {role: raw for role, raw in found.items() if raw is not None}
    return whole if len(whole) == len(_MEASURED) else None


def _inputs(built: Mapping[str, bytes]) -> LaunchInputs:
    return launch_inputs_from_binaries(
        firmware=built["firmware"],
        kernel=built["kernel"],
        initrd=built["initrd"],
        cmdline=built["command-line"],
        vcpus=1,
        vcpu_signature=0,
        guest_features=SNP_ACTIVE,
        vmm=Vmm.QEMU,
    )


def _rows(inputs: LaunchInputs, logged: tuple[MeasurementRow, ...]) -> Iterator[MeasurementRow]:
    def kind(row: MeasurementRow) -> tuple[str, int, int]:
        return row.vmm, row.vcpu_signature, row.guest_features

    for (vmm, signature, features), group in groupby(sorted(logged, key=kind), key=kind):
        if not features & SNP_ACTIVE:
            continue  # no SNP guest is launched so: the row stays without an answer
        yield from measurement_matrix(
            inputs,
            vmms=(Vmm(vmm),),
            vcpus=tuple(row.vcpus for row in group),
            signatures=(signature,),
            features=(features,),
        )


def _launch(row: MeasurementRow) -> tuple[str, str, int, int, int]:
    return row.platform, row.vmm, row.vcpus, row.vcpu_signature, row.guest_features


def _in_words(row: MeasurementRow) -> str:
    launch = f"{row.vcpus} vCPUs of {row.vcpu_signature:#x}"
    return f"{row.vmm}, {launch}, features {row.guest_features:#x}"
