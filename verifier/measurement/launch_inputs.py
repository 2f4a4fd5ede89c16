"""Everything that decides a launch digest, small enough to publish.

The firmware enters as the digest after its pages, so anyone can recompute a measurement from a
page of facts, without the binaries; whoever has the binaries gets the same facts from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.measurement.kernel_hashes import KernelHashes, hash_boot_files
from verifier.measurement.ovmf import check_firmware_size, parse_ovmf, parse_svsm
from verifier.measurement.page_chain import (
    DIGEST_SIZE,
    EMPTY_DIGEST,
    PAGE_SIZE,
    Page,
    add_pages,
    normal_pages,
)
from verifier.measurement.sections import (
    FOUR_GIB,
    Section,
    SectionType,
    check_kernel_section,
)
from verifier.measurement.vmm import Vmm
from verifier.measurement.vmsa import SVSM_GUEST_FEATURES

__all__ = [
    "MAX_SVSM_VARIABLES_SIZE",
    "MAX_VCPUS",
    "SNP_ACTIVE",
    "LaunchInputs",
    "firmware_digest",
    "firmware_pages",
    "launch_inputs_from_binaries",
    "launch_inputs_from_svsm",
    "svsm_pages",
]

MAX_VCPUS = 4096
"""Most vCPUs of one guest; KVM can be built for no more (KVM_MAX_NR_VCPUS)."""

SNP_ACTIVE = 1
"""Bit 0 of SEV_FEATURES. KVM sets it in every SEV-SNP guest."""

MAX_SVSM_VARIABLES_SIZE = 16 * 1024 * 1024
"""Most bytes of the variable store that lies between SVSM and firmware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchInputs:
    """One launch, ready to be measured.

    Produced by the functions here and by ``parse_launch_inputs``; ``dataclasses.replace`` gives
    another row of a measurement matrix.

    ``firmware_digest`` is the launch digest (48 bytes) after the firmware pages; ``sections`` are
    in table order; ``reset_eip`` is where vCPUs other than the first start (under QEMU_SVSM: all);
    ``hash_table_gpa`` is where firmware looks for ``kernel_hashes`` (0: nowhere), which are None
    when no kernel is loaded directly; ``vcpu_signature`` is CPUID 1 EAX (measured by QEMU only);
    ``guest_features`` is SEV_FEATURES. Raises ValueError for values outside their ranges.
    """

    vmm: Vmm
    vcpus: int
    vcpu_signature: int
    guest_features: int
    firmware_digest: bytes
    sections: tuple[Section, ...]
    reset_eip: int
    hash_table_gpa: int
    kernel_hashes: KernelHashes | None

    def __post_init__(self) -> None:
        if not 1 <= self.vcpus <= MAX_VCPUS:
            raise ValueError(f"{self.vcpus} vCPUs, not 1 to {MAX_VCPUS}")
        if not (0 <= self.vcpu_signature < 2**32 and 0 < self.reset_eip < 2**32):
            raise ValueError(f"not 32 bits: {self.vcpu_signature:#x} or {self.reset_eip:#x}")
        if not 0 <= self.guest_features < 2**64 or not self.guest_features & SNP_ACTIVE:
            raise ValueError(f"SEV_FEATURES {self.guest_features:#x} without SNPActive")
        if len(self.firmware_digest) != DIGEST_SIZE:
            raise ValueError(f"a firmware digest of {len(self.firmware_digest)} bytes")
        if self.vmm is Vmm.QEMU_SVSM and not self._is_svsm_launch():
            raise ValueError("an SVSM is launched with SNPActive alone, and without a kernel")
        kinds = [section.type for section in self.sections]
        if self.kernel_hashes is not None and SectionType.SNP_KERNEL_HASHES not in kinds:
            raise ValueError("kernel hashes, and no section that measures them")

    def _is_svsm_launch(self) -> bool:
        return self.guest_features == SVSM_GUEST_FEATURES and self.kernel_hashes is None


def firmware_digest(raw: bytes) -> bytes:
    """The launch digest (48 bytes) after the pages of a firmware image that ends at 4 GiB.

    Known elsewhere as "OVMF hash". Raises ParseError for an image of impossible size.
    """
    check_firmware_size(raw, what="OVMF image")
    return add_pages(EMPTY_DIGEST, firmware_pages(raw))


def firmware_pages(raw: bytes) -> Iterator[Page]:
    """The pages of a firmware image that ends at 4 GiB, in launch order.

    Raises ValueError for an image of another size than whole pages.
    """
    return normal_pages(gpa=FOUR_GIB - len(raw), pages=raw)


def svsm_pages(*, firmware: bytes, svsm: bytes, variables_size: int) -> Iterator[Page]:
    """The pages of firmware and SVSM, in launch order; as ``firmware_pages``."""
    yield from firmware_pages(firmware)
    base = _svsm_base(firmware, svsm, variables_size)
    yield from normal_pages(gpa=base, pages=svsm)


def _svsm_base(firmware: bytes, svsm: bytes, variables_size: int) -> int:
    return FOUR_GIB - len(firmware) - variables_size - len(svsm)


def launch_inputs_from_binaries(
    *,
    firmware: bytes,
    kernel: bytes | None,
    initrd: bytes | None,
    cmdline: bytes | None,
    vcpus: int,
    vcpu_signature: int,
    guest_features: int,
    vmm: Vmm,
) -> LaunchInputs:
    """The launch inputs of an OVMF image and, if the VMM loads it directly, a kernel.

    ``kernel`` None means that the disk is booted; an empty kernel is a kernel. Raises ParseError
    for firmware that is malformed or cannot check the kernel, UnsupportedError for an unknown
    metadata version, ValueError for values outside their ranges (see LaunchInputs), for an initrd
    or command line without a kernel, and for QEMU_SVSM.
    """
    if vmm is Vmm.QEMU_SVSM:
        raise ValueError("launch_inputs_from_svsm measures an SVSM")
    if kernel is None and (initrd is not None or cmdline is not None):
        raise ValueError("an initrd or command line without a kernel is not measured")
    metadata = parse_ovmf(firmware)
    hashes = None
    if kernel is not None:
        hashes = hash_boot_files(kernel=kernel, initrd=initrd, cmdline=cmdline)
        gpa = metadata.hash_table_gpa
        check_kernel_section(metadata.sections, hash_table_gpa=gpa, what="OVMF image")
    return LaunchInputs(
        vmm=vmm,
        vcpus=vcpus,
        vcpu_signature=vcpu_signature,
        guest_features=guest_features,
        firmware_digest=firmware_digest(firmware),
        sections=metadata.sections,
        reset_eip=metadata.reset_eip,
        hash_table_gpa=metadata.hash_table_gpa,
        kernel_hashes=hashes,
    )


def launch_inputs_from_svsm(
    *, firmware: bytes, svsm: bytes, variables_size: int, vcpus: int, vcpu_signature: int
) -> LaunchInputs:
    """The launch inputs of a Coconut SVSM below an OVMF code image.

    ``variables_size`` is the size in bytes of the variable store between them. The SVSM's
    sections count, not the firmware's. Source: QEMU of the Coconut project,
    ``target/i386/sev.c``. Raises as ``launch_inputs_from_binaries``.
    """
    if not 0 <= variables_size <= MAX_SVSM_VARIABLES_SIZE:
        raise ValueError(f"{variables_size} bytes, not 0 to {MAX_SVSM_VARIABLES_SIZE}")
    if variables_size % PAGE_SIZE:
        expected = f"a multiple of {PAGE_SIZE} bytes"
        raise ParseError("variable store", expected=expected, got=f"{variables_size} bytes")
    metadata = parse_svsm(svsm)
    check_firmware_size(firmware, what="OVMF image")
    pages = svsm_pages(firmware=firmware, svsm=svsm, variables_size=variables_size)
    return LaunchInputs(
        vmm=Vmm.QEMU_SVSM,
        vcpus=vcpus,
        vcpu_signature=vcpu_signature,
        guest_features=SVSM_GUEST_FEATURES,
        firmware_digest=add_pages(EMPTY_DIGEST, pages),
        sections=metadata.sections,
        reset_eip=_svsm_base(firmware, svsm, variables_size) + metadata.launch_offset,
        hash_table_gpa=0,
        kernel_hashes=None,
    )
