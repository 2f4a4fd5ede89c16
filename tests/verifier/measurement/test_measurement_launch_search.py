from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.dstack import dstack_document, dstack_report
from tests.ovmf_image import build_ovmf, build_svsm
from tests.verifier.measurement.launches import direct_boot, disk_boot
from verifier.measurement.launch_search import (
    MAX_SEARCHED_VCPUS,
    SEARCHED_FEATURES,
    LaunchSearch,
    search_launches,
)
from verifier.measurement.sev_snp import (
    VCPU_SIGNATURES,
    LaunchInputs,
    Vmm,
    launch_digest,
    launch_inputs_from_svsm,
    parse_launch_inputs,
)


def svsm_launch() -> LaunchInputs:
    return launch_inputs_from_svsm(
        firmware=build_ovmf(),
        svsm=build_svsm(),
        variables_size=0,
        vcpus=2,
        vcpu_signature=0x800F12,
    )


def search(expected: LaunchInputs, real: LaunchInputs) -> LaunchSearch:
    return search_launches(expected, measurement=launch_digest(real))


def test_another_vcpu_type_count_and_features_are_found() -> None:
    expected = direct_boot(vcpus=2, vcpu_signature=0x800F12, guest_features=0x1)
    real = replace(expected, vcpus=7, vcpu_signature=0xA10F10, guest_features=0x21)
    (hit,) = search(expected, real).hits
    assert hit.inputs == real
    assert str(hit) == (
        "7 vCPUs instead of 2, vCPU type EPYC-Genoa (0xa10f10) instead of EPYC (0x800f12), "
        "guest features 0x21 instead of 0x1"
    )


def test_the_given_launch_is_tried_too() -> None:
    odd = disk_boot(vcpus=MAX_SEARCHED_VCPUS + 3, vcpu_signature=0x1234, guest_features=0x41)
    (hit,) = search(odd, odd).hits
    assert (hit.inputs, str(hit)) == (odd, "exactly the given launch")
    (hit,) = search(replace(odd, vcpus=1), replace(odd, vcpu_signature=0xA00F11, vcpus=2)).hits
    assert hit.differences[1] == "vCPU type EPYC-Milan (0xa00f11) instead of 0x1234"


@pytest.mark.parametrize("vcpus", [1, MAX_SEARCHED_VCPUS])
def test_the_bounds_of_the_search_are_within_it(vcpus: int) -> None:
    expected = disk_boot()
    (hit,) = search(expected, replace(expected, vcpus=vcpus)).hits
    assert hit.inputs.vcpus == vcpus
    beyond = replace(expected, vcpus=MAX_SEARCHED_VCPUS + 1)
    assert search(expected, beyond).hits == ()


@pytest.mark.parametrize("features", SEARCHED_FEATURES)
def test_every_searched_feature_is_found(features: int) -> None:
    expected = disk_boot()
    real = replace(expected, guest_features=features)
    assert [hit.inputs for hit in search(expected, real).hits] == [real]


@pytest.mark.parametrize("vmm", [Vmm.EC2, Vmm.GCE])
def test_another_launcher_is_named(vmm: Vmm) -> None:
    expected = disk_boot()
    (hit,) = search(expected, replace(expected, vmm=vmm, vcpus=3)).hits
    assert hit.differences == ("3 vCPUs instead of 2", f"launched by {vmm} instead of qemu")


@pytest.mark.parametrize("vmm", [Vmm.EC2, Vmm.GCE])
def test_a_cloud_launch_is_found_once(vmm: Vmm) -> None:
    expected = disk_boot(vmm=vmm)
    real = replace(expected, vcpus=3)
    assert [hit.inputs for hit in search(expected, real).hits] == [real]


def test_an_svsm_launch_is_found_once() -> None:
    expected = svsm_launch()
    real = replace(expected, vcpus=5, vcpu_signature=0xA00F11)
    found = search(expected, real)
    assert [hit.inputs for hit in found.hits] == [real]
    assert found.tried == MAX_SEARCHED_VCPUS * len(set(VCPU_SIGNATURES.values()))
    assert found.scope == (
        "1 to 512 vCPUs, the known vCPU types, guest features 0x1, launched by qemu-svsm"
    )


EMPTY_COMMAND_LINE = sha256(b"\0").digest()


def test_what_was_not_measured_of_the_kernel_is_named() -> None:
    expected = direct_boot()
    hashes = expected.kernel_hashes
    assert hashes is not None
    no_initrd = replace(hashes, initrd=sha256(b"").digest())
    no_cmdline = replace(hashes, cmdline=EMPTY_COMMAND_LINE)
    for kernel, said in (
        (no_initrd, ("without initrd",)),
        (no_cmdline, ("with an empty command line",)),
        (
            replace(no_initrd, cmdline=EMPTY_COMMAND_LINE),
            ("without initrd", "with an empty command line"),
        ),
        (
            None,
            ("without kernel hashes, so that neither kernel nor initrd nor command line count",),
        ),
    ):
        (hit,) = search(expected, replace(expected, kernel_hashes=kernel)).hits
        assert hit.differences == said


def test_another_kernel_is_no_near_launch() -> None:
    found = search(direct_boot(), direct_boot(kernel=b"another"))
    assert found.hits == ()
    assert found.scope.endswith("launched by qemu or ec2 or gce, with less of the kernel measured")


def test_the_work_is_bounded_and_the_nearest_launches_come_first() -> None:
    expected = direct_boot()
    everything = search_launches(expected, measurement=bytes(48))
    assert 100_000 < everything.tried <= 400_000
    three = search_launches(expected, measurement=bytes(48), max_steps=3 * MAX_SEARCHED_VCPUS + 1)
    assert three.tried == 3 * MAX_SEARCHED_VCPUS
    digest = launch_digest(replace(expected, vcpus=9))
    first = search_launches(expected, measurement=digest, max_steps=MAX_SEARCHED_VCPUS)
    assert [str(hit) for hit in first.hits] == ["9 vCPUs instead of 2"]
    assert search_launches(expected, measurement=digest, max_steps=0).tried == 0


def test_a_measurement_signed_by_a_milan_processor_is_explained(vectors: Path) -> None:
    measurement = dstack_report(vectors)[0x90:0xC0]
    published = parse_launch_inputs(dstack_document(vectors))
    wrong = replace(published, vcpus=4, vcpu_signature=0xA00F11, guest_features=0x21)
    (hit,) = search_launches(wrong, measurement=measurement).hits
    assert hit.inputs == published
    assert str(hit) == (
        "2 vCPUs instead of 4, vCPU type EPYC (0x800f12) instead of EPYC-Milan (0xa00f11), "
        "guest features 0x1 instead of 0x21"
    )
