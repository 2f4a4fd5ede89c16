"""The launch digest of one launch, page by page, in the order of its VMM.

Source: QEMU ``target/i386/sev.c`` (sections in table order, then the save areas); the order and
page kinds of EC2 and GCE as published in sev-snp-measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha384
from itertools import islice

from verifier.measurement.kernel_hashes import kernel_hashes_page
from verifier.measurement.launch_inputs import LaunchInputs
from verifier.measurement.page_chain import (
    Page,
    PageType,
    add_pages,
    add_vmsa_page,
    contentless_pages,
    normal_pages,
    vmsa_page,
)
from verifier.measurement.sections import Section, SectionType
from verifier.measurement.vmm import Vmm
from verifier.measurement.vmsa import save_areas

__all__ = ["add_sections", "digests_by_vcpus", "launch_digest", "pages_after_firmware"]

_PAGE_TYPES = {
    SectionType.SNP_SEC_MEM: PageType.ZERO,
    SectionType.SNP_SECRETS: PageType.SECRETS,
    SectionType.CPUID: PageType.CPUID,
    SectionType.SVSM_CAA: PageType.ZERO,
    SectionType.SNP_KERNEL_HASHES: PageType.ZERO,
}


def launch_digest(inputs: LaunchInputs) -> bytes:
    """The 48-byte MEASUREMENT that a report of this launch must show."""
    digests = digests_by_vcpus(add_sections(inputs), inputs)
    return next(islice(digests, inputs.vcpus - 1, None))


def pages_after_firmware(inputs: LaunchInputs) -> Iterator[Page]:
    """Every page of a launch behind those of the firmware, in launch order."""
    yield from _section_pages(inputs)
    boot, other = (vmsa_page(page_hash) for page_hash in _save_area_hashes(inputs))
    yield boot
    for _ in range(inputs.vcpus - 1):
        yield other


def add_sections(inputs: LaunchInputs) -> bytes:
    """The digest (48 bytes) after firmware and sections, before the save areas."""
    return add_pages(inputs.firmware_digest, _section_pages(inputs))


def _section_pages(inputs: LaunchInputs) -> Iterator[Page]:
    for section in _in_launch_order(inputs):
        yield from _pages_of(section, inputs)


def _in_launch_order(inputs: LaunchInputs) -> tuple[Section, ...]:
    if inputs.vmm is not Vmm.EC2:
        return inputs.sections
    # A stable sort: EC2 adds the CPUID page after everything else.
    return tuple(sorted(inputs.sections, key=lambda s: s.type is SectionType.CPUID))


def _pages_of(section: Section, inputs: LaunchInputs) -> Iterator[Page]:
    hashes = inputs.kernel_hashes
    if section.type is SectionType.SNP_KERNEL_HASHES and hashes is not None:
        page = kernel_hashes_page(hashes, table_gpa=inputs.hash_table_gpa)
        return normal_pages(gpa=section.gpa, pages=page)
    page_type = _PAGE_TYPES[section.type]
    if inputs.vmm is Vmm.GCE and section.type is SectionType.SNP_SEC_MEM:
        page_type = PageType.UNMEASURED
    return contentless_pages(page_type=page_type, gpa=section.gpa, size=section.size)


def digests_by_vcpus(digest: bytes, inputs: LaunchInputs) -> Iterator[bytes]:
    """The digest after the save areas of 1, 2, 3 … vCPUs, without end.

    ``digest`` is that of ``add_sections``; the number of vCPUs in ``inputs`` is not looked at.
    """
    boot, other = _save_area_hashes(inputs)
    digest = add_vmsa_page(digest, page_hash=boot)
    while True:
        yield digest
        digest = add_vmsa_page(digest, page_hash=other)


def _save_area_hashes(inputs: LaunchInputs) -> tuple[bytes, bytes]:
    areas = save_areas(
        vmm=inputs.vmm,
        reset_eip=inputs.reset_eip,
        vcpu_signature=inputs.vcpu_signature,
        guest_features=inputs.guest_features,
    )
    return sha384(areas.boot).digest(), sha384(areas.other).digest()
