from __future__ import annotations

from dataclasses import replace
from hashlib import sha384
from pathlib import Path

import pytest

from tests.ovmf_image import build_ovmf, build_svsm
from tests.verifier.measurement.launches import direct_boot, disk_boot
from verifier.measurement.launch_trace import TracedPage, trace_launch
from verifier.measurement.page_chain import PageType, add_page
from verifier.measurement.sev_snp import (
    LaunchInputs,
    Vmm,
    firmware_pages,
    launch_digest,
    launch_inputs_from_binaries,
    launch_inputs_from_svsm,
    svsm_pages,
)


def assert_chained(inputs: LaunchInputs, start: bytes, pages: list[TracedPage]) -> None:
    digest = start
    for traced in pages:
        digest = add_page(digest, traced.page)
        assert traced.digest == digest
    assert digest == launch_digest(inputs)


@pytest.mark.parametrize("vmm", [Vmm.QEMU, Vmm.EC2, Vmm.GCE])
def test_a_trace_is_the_whole_launch(vmm: Vmm) -> None:
    firmware, inputs = build_ovmf(), direct_boot(vmm=vmm, vcpus=3)
    pages = list(trace_launch(inputs, image_pages=firmware_pages(firmware)))
    assert_chained(inputs, bytes(48), pages)
    count = len(firmware) // 4096
    assert [traced.page.type for traced in pages[:count]] == [PageType.NORMAL] * count
    assert pages[0].page.gpa == 2**32 - len(firmware)
    assert pages[0].page.contents == sha384(firmware[:4096]).digest()
    assert [traced.page.type for traced in pages[-3:]] == [PageType.VMSA] * 3
    secrets = [traced for traced in pages if traced.page.type is PageType.SECRETS]
    assert len(secrets) == 1
    assert secrets[0].page.contents == bytes(48)
    assert str(secrets[0]) == (
        f"SECRETS {secrets[0].page.gpa:#x} {'00' * 48} {secrets[0].digest.hex()}"
    )


def test_ec2_adds_the_cpuid_page_last() -> None:
    types = {
        vmm: [traced.page.type for traced in trace_launch(disk_boot(vmm=vmm), image_pages=None)]
        for vmm in (Vmm.QEMU, Vmm.EC2)
    }
    assert types[Vmm.EC2][-3:] == [PageType.CPUID, PageType.VMSA, PageType.VMSA]
    assert sorted(types[Vmm.EC2]) == sorted(types[Vmm.QEMU])


def test_without_the_images_it_starts_after_them() -> None:
    inputs = disk_boot()
    pages = list(trace_launch(inputs, image_pages=None))
    assert_chained(inputs, inputs.firmware_digest, pages)
    assert PageType.NORMAL not in {traced.page.type for traced in pages}


def test_an_svsm_is_traced_behind_the_firmware() -> None:
    firmware, svsm = build_ovmf(), build_svsm()
    inputs = launch_inputs_from_svsm(
        firmware=firmware, svsm=svsm, variables_size=4096, vcpus=1, vcpu_signature=0x800F12
    )
    images = svsm_pages(firmware=firmware, svsm=svsm, variables_size=4096)
    pages = list(trace_launch(inputs, image_pages=images))
    assert_chained(inputs, bytes(48), pages)
    first = pages[len(firmware) // 4096].page
    assert first.gpa == 2**32 - len(firmware) - 4096 - len(svsm)


def test_images_of_other_inputs_are_refused() -> None:
    inputs = replace(disk_boot(), firmware_digest=b"\x01" * 48)
    with pytest.raises(ValueError, match="not the images"):
        list(trace_launch(inputs, image_pages=firmware_pages(build_ovmf())))


def test_a_public_vector_page_by_page(vectors: Path) -> None:
    firmware = (vectors / "snp" / "measurement" / "ovmf_AmdSev_suffix.bin").read_bytes()
    inputs = launch_inputs_from_binaries(
        firmware=firmware,
        kernel=b"",
        initrd=b"",
        cmdline=b"console=ttyS0",
        vcpus=1,
        vcpu_signature=0x800F12,
        guest_features=0x21,
        vmm=Vmm.QEMU,
    )
    pages = list(trace_launch(inputs, image_pages=firmware_pages(firmware)))
    assert_chained(inputs, bytes(48), pages)
    assert pages[len(firmware) // 4096 - 1].digest == inputs.firmware_digest
