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
    PageType,
    add_contentless_pages,
    add_normal_pages,
    add_vmsa_page,
)
from verifier.measurement.sections import Section, SectionType
from verifier.measurement.vmm import Vmm
from verifier.measurement.vmsa import save_areas

__all__ = ["add_sections", "digests_by_vcpus", "launch_digest"]

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


def add_sections(inputs: LaunchInputs) -> bytes:
    """The digest (48 bytes) after firmware and sections, before the save areas."""
    digest = inputs.firmware_digest
    for section in _in_launch_order(inputs):
        digest = _add_section(digest, section, inputs)
    return digest


def _in_launch_order(inputs: LaunchInputs) -> tuple[Section, ...]:
    if inputs.vmm is not Vmm.EC2:
        return inputs.sections
    # A stable sort: EC2 adds the CPUID page after everything else.
    return tuple(sorted(inputs.sections, key=lambda s: s.type is SectionType.CPUID))


def _add_section(digest: bytes, section: Section, inputs: LaunchInputs) -> bytes:
    hashes = inputs.kernel_hashes
    if section.type is SectionType.SNP_KERNEL_HASHES and hashes is not None:
        page = kernel_hashes_page(hashes, table_gpa=inputs.hash_table_gpa)
        return add_normal_pages(digest, gpa=section.gpa, pages=page)
    page_type = _PAGE_TYPES[section.type]
    if inputs.vmm is Vmm.GCE and section.type is SectionType.SNP_SEC_MEM:
        page_type = PageType.UNMEASURED
    return add_contentless_pages(digest, page_type=page_type, gpa=section.gpa, size=section.size)


def digests_by_vcpus(digest: bytes, inputs: LaunchInputs) -> Iterator[bytes]:
    """The digest after the save areas of 1, 2, 3 … vCPUs, without end.

    ``digest`` is that of ``add_sections``; the number of vCPUs in ``inputs`` is not looked at.
    """
    areas = save_areas(
        vmm=inputs.vmm,
        reset_eip=inputs.reset_eip,
        vcpu_signature=inputs.vcpu_signature,
        guest_features=inputs.guest_features,
    )
    digest = add_vmsa_page(digest, page_hash=sha384(areas.boot).digest())
    other = sha384(areas.other).digest()
    while True:
        yield digest
        digest = add_vmsa_page(digest, page_hash=other)
