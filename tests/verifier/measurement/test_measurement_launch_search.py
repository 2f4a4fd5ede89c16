from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ovmf_image import build_ovmf, build_svsm
from tests.verifier.measurement.launches import direct_boot, disk_boot
from verifier.measurement.launch_search import MAX_SEARCHED_VCPUS, matching_launches
from verifier.measurement.sev_snp import (
    LaunchInputs,
    Vmm,
    launch_digest,
    launch_inputs_from_svsm,
)


def svsm_launch() -> LaunchInputs:
    return launch_inputs_from_svsm(
        firmware=build_ovmf(),
        svsm=build_svsm(),
        variables_size=0,
        vcpus=2,
        vcpu_signature=0x800F12,
    )


def test_another_vcpu_type_count_and_features_are_found() -> None:
    expected = direct_boot(vcpus=2, vcpu_signature=0x800F12, guest_features=0x1)
    real = replace(expected, vcpus=7, vcpu_signature=0xA10F10, guest_features=0x21)
    assert matching_launches(expected, measurement=launch_digest(real)) == (real,)


def test_the_given_launch_is_tried_too() -> None:
    odd = disk_boot(vcpus=MAX_SEARCHED_VCPUS + 3, vcpu_signature=0x1234, guest_features=0x9)
    assert matching_launches(odd, measurement=launch_digest(odd)) == (odd,)


@pytest.mark.parametrize("vmm", [Vmm.EC2, Vmm.GCE])
def test_a_cloud_launch_is_found_once(vmm: Vmm) -> None:
    expected = disk_boot(vmm=vmm)
    real = replace(expected, vcpus=3)
    assert matching_launches(expected, measurement=launch_digest(real)) == (real,)


def test_an_svsm_launch_is_found_once() -> None:
    expected = svsm_launch()
    real = replace(expected, vcpus=5, vcpu_signature=0xA00F11)
    assert matching_launches(expected, measurement=launch_digest(real)) == (real,)


def test_another_kernel_is_no_near_launch() -> None:
    other = launch_digest(direct_boot(kernel=b"another"))
    assert matching_launches(direct_boot(), measurement=other) == ()
