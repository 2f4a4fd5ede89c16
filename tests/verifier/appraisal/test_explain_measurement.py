from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.dstack import dstack_document, dstack_report
from tests.verifier.measurement.launches import direct_boot
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.explain_measurement import explain_measurement
from verifier.appraisal.findings import Finding, Status
from verifier.measurement.sev_snp import (
    LaunchInputs,
    Vmm,
    launch_digest,
    measurement_matrix,
    parse_launch_inputs,
)
from verifier.release.cvm_release import MeasurementRow

LAUNCH = direct_boot(vcpus=2, vcpu_signature=0xA00F11)


def stated(inputs: LaunchInputs = LAUNCH) -> tuple[MeasurementRow, ...]:
    return measurement_matrix(
        inputs,
        vmms=(inputs.vmm,),
        vcpus=(inputs.vcpus,),
        signatures=(inputs.vcpu_signature,),
        features=(inputs.guest_features,),
    )


def explained(
    observed: bytes, rows: tuple[MeasurementRow, ...], inputs: LaunchInputs | None
) -> Finding:
    finding = explain_measurement(observed, rows=rows, inputs=inputs)
    assert finding.check == "snp.measurement.explained"
    assert CHECKS[finding.check].informative
    assert finding.status is Status.INFO
    return finding


def test_the_launch_that_would_give_it_is_named() -> None:
    real = replace(LAUNCH, vcpus=4, guest_features=0x21)
    finding = explained(launch_digest(real), stated(), LAUNCH)
    assert finding.expected == (
        "the release states 2 vCPUs of EPYC-Milan with features 0x1 on qemu"
    )
    assert finding.got == (
        "4 vCPUs of EPYC-Milan with features 0x21 on qemu would give it (4 vCPUs instead of 2, "
        "guest features 0x21 instead of 0x1); of this firmware and kernel the release states "
        "2 vCPUs of EPYC-Milan with features 0x1 on qemu"
    )
    assert finding.source == "snp-launch-inputs"


def test_launch_inputs_of_another_release_are_told_apart() -> None:
    other = direct_boot(kernel=b"another")
    finding = explained(launch_digest(other), stated(), other)
    assert finding.got.endswith(
        "would give it (exactly the given launch); "
        "the release states no launch of this firmware and kernel"
    )


def test_a_cloud_names_no_vcpu_type() -> None:
    cloud = replace(LAUNCH, vmm=Vmm.EC2)
    finding = explained(launch_digest(cloud), stated(), LAUNCH)
    assert finding.got.startswith("2 vCPUs with features 0x1 on ec2 would give it (launched by ")


def test_what_nothing_gives_is_said_with_what_was_tried() -> None:
    finding = explained(bytes(48), stated(), LAUNCH)
    assert finding.got.startswith("none of 197120 launches near the launch inputs of the evidence")
    assert "1 to 512 vCPUs" in finding.got
    assert finding.got.endswith("firmware, kernel, initrd or command line are others")


def test_without_launch_inputs_nothing_is_searched() -> None:
    finding = explained(bytes(48), stated(), None)
    assert finding.got == ("not searched: the evidence brings no launch inputs (snp-launch-inputs)")
    assert finding.source == "snp-report"


def test_a_row_of_another_platform_is_recognised() -> None:
    (row,) = stated()
    elsewhere = replace(row, platform="tdx")
    finding = explained(row.value, (elsewhere,), None)
    assert finding.got == (
        "observed is the row of 2 vCPUs of EPYC-Milan with features 0x1 on qemu, on platform tdx"
    )


@pytest.mark.parametrize(("count", "end"), [(4, "on qemu"), (5, "on qemu or …")])
def test_a_long_matrix_is_cut(count: int, end: str) -> None:
    rows = measurement_matrix(
        LAUNCH,
        vmms=(Vmm.QEMU,),
        vcpus=tuple(range(1, count + 1)),
        signatures=(0xA00F11,),
        features=(1,),
    )
    assert explained(bytes(48), rows, None).expected.endswith(end)
    assert explained(bytes(48), (), None).expected == "the release states nothing"


def test_a_row_that_no_guest_can_have_is_no_crash() -> None:
    (row,) = stated()
    finding = explained(launch_digest(LAUNCH), (replace(row, guest_features=0, value=b""),), LAUNCH)
    assert finding.got.endswith("the release states no launch of this firmware and kernel")


def test_a_genuine_report_is_explained(vectors: Path) -> None:
    inputs = parse_launch_inputs(dstack_document(vectors))
    rows = stated(replace(inputs, vcpus=8, vcpu_signature=0xA00F11))
    finding = explained(dstack_report(vectors)[0x90:0xC0], rows, inputs)
    assert finding.got == (
        "2 vCPUs of EPYC with features 0x1 on qemu would give it (exactly the given launch); of "
        "this firmware and kernel the release states 8 vCPUs of EPYC-Milan with features 0x1 on "
        "qemu"
    )
