"""The memory sections that firmware asks its launcher to prepare ("SEV metadata").

Source: edk2 ``OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm``; ``SVSM_CAA`` from Coconut SVSM;
``SNP_KERNEL_HASHES`` from ``OvmfPkg/AmdSev``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from verifier.errors import ParseError
from verifier.measurement.kernel_hashes import HASH_TABLE_SIZE
from verifier.measurement.page_chain import PAGE_SIZE

__all__ = [
    "FOUR_GIB",
    "MAX_SECTIONS",
    "MAX_SECTION_PAGES",
    "Section",
    "SectionType",
    "check_kernel_section",
    "check_sections",
]

FOUR_GIB = 2**32

MAX_SECTIONS = 64
"""Most sections of one image. Known images have 3 to 7."""

MAX_SECTION_PAGES = 16384
"""Most pages of all sections together (64 MiB). Known images have about 160 at most."""


class SectionType(IntEnum):
    """What a section is for; the value is its number in the metadata."""

    SNP_SEC_MEM = 1
    SNP_SECRETS = 2
    CPUID = 3
    SVSM_CAA = 4
    SNP_KERNEL_HASHES = 0x10


# Launchers differ on what a longer one would mean, and there is none.
_ONE_PAGE = (SectionType.SNP_SECRETS, SectionType.CPUID, SectionType.SNP_KERNEL_HASHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``size`` bytes at guest physical address ``gpa``; both are multiples of 4096."""

    gpa: int
    size: int
    type: SectionType


def check_sections(sections: tuple[Section, ...], *, what: str) -> None:
    """Refuse sections that no launch can have, or that would take unbounded time to measure.

    Between 1 and MAX_SECTIONS sections of at most MAX_SECTION_PAGES pages, whole pages below
    4 GiB, no page twice (the firmware adds a page once); one page for secrets, CPUID and kernel
    hashes, and at most one section of kernel hashes. Raises ParseError that names ``what``.
    """
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise ParseError(what, expected=f"1 to {MAX_SECTIONS} sections", got=str(len(sections)))
    for section in sections:
        _check_section(section, what)
    pages = sum(section.size for section in sections) // PAGE_SIZE
    if pages > MAX_SECTION_PAGES:
        expected = f"at most {MAX_SECTION_PAGES} pages in all sections"
        raise ParseError(what, expected=expected, got=str(pages))
    _check_overlap(sections, what)
    tables = [section for section in sections if section.type is SectionType.SNP_KERNEL_HASHES]
    if len(tables) > 1:
        expected = "at most one SNP_KERNEL_HASHES section"
        raise ParseError(what, expected=expected, got=str(len(tables)))


def _check_section(section: Section, what: str) -> None:
    name, gpa, size = section.type.name, section.gpa, section.size
    if gpa % PAGE_SIZE or size % PAGE_SIZE or not size:
        expected = f"{name} of whole pages"
        raise ParseError(what, expected=expected, got=f"{size:#x} bytes at {gpa:#x}")
    if gpa + size > FOUR_GIB:
        expected = f"{name} below 4 GiB"
        raise ParseError(what, expected=expected, got=f"{size:#x} bytes at {gpa:#x}")
    if section.type in _ONE_PAGE and size != PAGE_SIZE:
        raise ParseError(what, expected=f"{name} of one page", got=f"{size:#x} bytes")


def _check_overlap(sections: tuple[Section, ...], what: str) -> None:
    end = 0
    for section in sorted(sections, key=lambda section: section.gpa):
        if section.gpa < end:
            raise ParseError(what, expected="no page in two sections", got=f"{section.gpa:#x}")
        end = section.gpa + section.size


def check_kernel_section(sections: tuple[Section, ...], *, hash_table_gpa: int, what: str) -> None:
    """Refuse sections that do not measure the very page where firmware looks for kernel hashes.

    The launcher puts the table at ``hash_table_gpa`` modulo 4096 of the SNP_KERNEL_HASHES page;
    firmware reads it at ``hash_table_gpa``. Were these two pages, nothing would bind the kernel.
    Raises ParseError that names ``what``.
    """
    pages = [s.gpa for s in sections if s.type is SectionType.SNP_KERNEL_HASHES]
    if not pages or not hash_table_gpa:
        got = "no such section" if not pages else "no hash table address"
        expected = "an SNP_KERNEL_HASHES section and SEV_HASH_TABLE_RV, because a kernel is given"
        raise ParseError(what, expected=expected, got=got)
    start = hash_table_gpa - pages[0]
    if not 0 <= start <= PAGE_SIZE - HASH_TABLE_SIZE:
        expected = f"{HASH_TABLE_SIZE} bytes within the SNP_KERNEL_HASHES page at {pages[0]:#x}"
        raise ParseError(what, expected=expected, got=f"a hash table at {hash_table_gpa:#x}")
