from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.ovmf_image import SECTIONS, SECTIONS_WITH_KERNEL, build_ovmf, build_svsm
from tests.verifier.measurement.launches import direct_boot, disk_boot
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError
from verifier.measurement.launch_inputs import MAX_SVSM_VARIABLES_SIZE, MAX_VCPUS
from verifier.measurement.sev_snp import (
    KernelHashes,
    Vmm,
    firmware_digest,
    launch_digest,
    launch_inputs_from_svsm,
)


def svsm(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "firmware": build_ovmf(),
        "svsm": build_svsm(),
        "variables_size": 0x1000,
        "vcpus": 2,
        "vcpu_signature": 0x800F12,
    }
    return given | changes


@pytest.mark.parametrize(
    "change",
    [
        {"firmware": build_ovmf(seed=b"other")},
        {"firmware": build_ovmf(reset_eip=0x80B005)},
        {"firmware": build_ovmf(sections=SECTIONS_WITH_KERNEL[::-1])},
        {"kernel": b"another kernel"},
        {"initrd": b"another initrd"},
        {"cmdline": b"console=ttyS1"},
        {"vcpus": 3},
        {"vcpu_signature": 0xA00F11},
        {"guest_features": 0x21},
        {"vmm": Vmm.EC2},
        {"vmm": Vmm.GCE},
    ],
)
def test_every_input_is_measured(change: dict[str, Any]) -> None:
    assert launch_digest(direct_boot(**change)) != launch_digest(direct_boot())


def test_no_kernel_is_not_an_empty_kernel() -> None:
    empty = disk_boot(kernel=b"")
    assert empty.kernel_hashes is not None
    assert launch_digest(empty) != launch_digest(disk_boot())


@pytest.mark.parametrize("vmm", [Vmm.EC2, Vmm.GCE])
def test_clouds_do_not_measure_the_signature(vmm: Vmm) -> None:
    launch = disk_boot(vmm=vmm)
    assert launch_digest(launch) == launch_digest(replace(launch, vcpu_signature=0))


def test_a_matrix_is_made_by_replacing() -> None:
    one = disk_boot(vcpus=1)
    assert launch_digest(replace(one, vcpus=4)) == launch_digest(disk_boot(vcpus=4))


@pytest.mark.parametrize(
    ("firmware", "got"),
    [
        (build_ovmf(sections=SECTIONS), "no such section"),
        (build_ovmf(hash_table=None), "no hash table address"),
        (build_ovmf(hash_table=(0, 0)), "no hash table address"),
    ],
)
def test_firmware_that_cannot_check_a_kernel(firmware: bytes, got: str) -> None:
    disk_boot(firmware=firmware)
    expected = "an SNP_KERNEL_HASHES section and SEV_HASH_TABLE_RV"
    with rejects(ParseError, "OVMF image", expected=expected, got=got):
        direct_boot(firmware=firmware)


@pytest.mark.parametrize("gpa", [0x80FFF0, 0x810F51, 0x811C00, 0xC00])
def test_the_measured_hash_table_is_the_one_that_firmware_reads(gpa: int) -> None:
    firmware = build_ovmf(hash_table=(gpa, 0x400))
    expected = "176 bytes within the SNP_KERNEL_HASHES page at 0x810000"
    with rejects(ParseError, "OVMF image", expected=expected, got=f"hash table at {gpa:#x}"):
        direct_boot(firmware=firmware)


@pytest.mark.parametrize("gpa", [0x810000, 0x810F50])
def test_the_hash_table_may_touch_both_ends_of_its_page(gpa: int) -> None:
    direct_boot(firmware=build_ovmf(hash_table=(gpa, 0x400)))


@pytest.mark.parametrize("part", ["initrd", "cmdline"])
def test_nothing_measures_an_initrd_or_command_line_without_kernel(part: str) -> None:
    with pytest.raises(ValueError, match="without a kernel is not measured"):
        disk_boot(**{part: b""})


def test_an_svsm_is_measured_by_its_own_function() -> None:
    with pytest.raises(ValueError, match="launch_inputs_from_svsm"):
        disk_boot(vmm=Vmm.QEMU_SVSM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vcpus": 0}, "0 vCPUs"),
        ({"vcpus": MAX_VCPUS + 1}, f"not 1 to {MAX_VCPUS}"),
        ({"vcpu_signature": -1}, "not 32 bits"),
        ({"vcpu_signature": 2**32}, "not 32 bits"),
        ({"reset_eip": 0}, "not 32 bits"),
        ({"reset_eip": 2**32}, "not 32 bits"),
        ({"guest_features": 0}, "without SNPActive"),
        ({"guest_features": 0x20}, "without SNPActive"),
        ({"guest_features": 2**64 + 1}, "SEV_FEATURES"),
        ({"guest_features": -1}, "SEV_FEATURES"),
        ({"firmware_digest": bytes(47)}, "a firmware digest of 47 bytes"),
        ({"vmm": Vmm.QEMU_SVSM, "guest_features": 0x21}, "SNPActive alone"),
        (
            {"kernel_hashes": KernelHashes(kernel=bytes(32), initrd=bytes(32), cmdline=bytes(32))},
            "no section that measures them",
        ),
    ],
)
def test_values_outside_their_range(change: dict[str, Any], message: str) -> None:
    launch = disk_boot(firmware=build_ovmf(sections=SECTIONS))
    with pytest.raises(ValueError, match=message):
        replace(launch, **change)


def test_an_svsm_launch_has_no_kernel() -> None:
    with pytest.raises(ValueError, match="without a kernel"):
        replace(direct_boot(), vmm=Vmm.QEMU_SVSM)


def test_an_svsm_lies_below_firmware_and_variables() -> None:
    given = svsm()
    inputs = launch_inputs_from_svsm(**given)
    base = 2**32 - len(given["firmware"]) - 0x1000 - len(given["svsm"])
    assert inputs.reset_eip == base + 0x100
    assert (inputs.vmm, inputs.guest_features) == (Vmm.QEMU_SVSM, 1)
    assert inputs.firmware_digest != firmware_digest(given["firmware"])


@pytest.mark.parametrize("size", [-1, MAX_SVSM_VARIABLES_SIZE + 1])
def test_a_variable_store_out_of_range(size: int) -> None:
    with pytest.raises(ValueError, match=f"not 0 to {MAX_SVSM_VARIABLES_SIZE}"):
        launch_inputs_from_svsm(**svsm(variables_size=size))


def test_a_variable_store_of_whole_pages() -> None:
    expected = "a multiple of 4096 bytes"
    with rejects(ParseError, "variable store", expected=expected, got="4097 bytes"):
        launch_inputs_from_svsm(**svsm(variables_size=4097))


def test_the_firmware_of_an_svsm_launch_is_bounded_too() -> None:
    with rejects(ParseError, "OVMF image", expected="a multiple of 4096", got="4097 bytes"):
        launch_inputs_from_svsm(**svsm(firmware=bytes(4097)))
