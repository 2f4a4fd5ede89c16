"""The chain of SHA-384 that the secure processor computes over the guest's first pages.

The launch digest starts as 48 zero bytes (SNP_LAUNCH_START); each 4 KiB page that is added
(SNP_LAUNCH_UPDATE) replaces it with the SHA-384 of a PAGE_INFO structure that holds the digest so
far, the SHA-384 of the page (zero for kinds whose content is not measured), the kind and the
guest physical address. Source: SEV-SNP firmware ABI (AMD publication 56860), SNP_LAUNCH_UPDATE,
table "Layout of the PAGE_INFO Structure".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha384

__all__ = [
    "DIGEST_SIZE",
    "EMPTY_DIGEST",
    "PAGE_SIZE",
    "Page",
    "PageType",
    "add_contentless_pages",
    "add_normal_pages",
    "add_page",
    "add_pages",
    "add_vmsa_page",
    "contentless_pages",
    "normal_pages",
    "vmsa_page",
]

PAGE_SIZE = 4096
DIGEST_SIZE = 48
EMPTY_DIGEST = bytes(DIGEST_SIZE)

_NO_CONTENTS = bytes(DIGEST_SIZE)

# What follows the digest and CONTENTS: LENGTH, PAGE_TYPE, IMI_PAGE, VMPL3, VMPL2 and VMPL1
# permissions, a reserved byte, GPA. VMPL permissions are zero: nobody grants them at launch.
_PAGE_INFO_TAIL = struct.Struct("<HBBBBBBQ")
_PAGE_INFO_SIZE = 2 * DIGEST_SIZE + _PAGE_INFO_TAIL.size

# A VMSA is recorded at the highest page address, cut to the 48 bits that the firmware keeps.
_VMSA_GPA = 0x0000_FFFF_FFFF_F000


class PageType(IntEnum):
    """PAGE_TYPE of SNP_LAUNCH_UPDATE."""

    NORMAL = 1
    VMSA = 2
    ZERO = 3
    UNMEASURED = 4
    SECRETS = 5
    CPUID = 6


@dataclass(frozen=True, slots=True)
class Page:
    """One link of the chain. ``contents`` is the SHA-384 of the page, or 48 zero bytes."""

    type: PageType
    gpa: int
    contents: bytes


def normal_pages(*, gpa: int, pages: bytes) -> Iterator[Page]:
    """The NORMAL pages ``pages``, of which the first lies at ``gpa``.

    ``pages`` is a multiple of 4096 bytes long (ValueError otherwise).
    """
    if len(pages) % PAGE_SIZE:
        raise ValueError(f"{len(pages)} bytes are no whole number of pages")
    view = memoryview(pages)
    for offset in range(0, len(pages), PAGE_SIZE):
        contents = sha384(view[offset : offset + PAGE_SIZE]).digest()
        yield Page(PageType.NORMAL, gpa + offset, contents)


def contentless_pages(*, page_type: PageType, gpa: int, size: int) -> Iterator[Page]:
    """``size`` bytes of pages of which only kind and address are measured.

    ``page_type`` is ZERO, UNMEASURED, SECRETS or CPUID; ``size`` is a multiple of 4096
    (ValueError otherwise).
    """
    if page_type in (PageType.NORMAL, PageType.VMSA) or size % PAGE_SIZE:
        raise ValueError(f"{size} bytes of {page_type.name} pages have contents or a cut page")
    for offset in range(0, size, PAGE_SIZE):
        yield Page(page_type, gpa + offset, _NO_CONTENTS)


def vmsa_page(page_hash: bytes) -> Page:
    """One vCPU's save area, given as the SHA-384 of its page."""
    return Page(PageType.VMSA, _VMSA_GPA, page_hash)


def add_page(digest: bytes, page: Page) -> bytes:
    """The digest (48 bytes) after one more page."""
    return _extend(digest, page.type, page.gpa, page.contents)


def add_pages(digest: bytes, pages: Iterable[Page]) -> bytes:
    """The digest after all ``pages``, in their order."""
    for page in pages:
        digest = add_page(digest, page)
    return digest


def add_normal_pages(digest: bytes, *, gpa: int, pages: bytes) -> bytes:
    """The digest after ``normal_pages``; ValueError as there."""
    return add_pages(digest, normal_pages(gpa=gpa, pages=pages))


def add_contentless_pages(digest: bytes, *, page_type: PageType, gpa: int, size: int) -> bytes:
    """The digest after ``contentless_pages``; ValueError as there."""
    return add_pages(digest, contentless_pages(page_type=page_type, gpa=gpa, size=size))


def add_vmsa_page(digest: bytes, *, page_hash: bytes) -> bytes:
    """The digest after one vCPU's save area, given as the SHA-384 of its page."""
    return _extend(digest, PageType.VMSA, _VMSA_GPA, page_hash)


def _extend(digest: bytes, page_type: PageType, gpa: int, contents: bytes) -> bytes:
    tail = _PAGE_INFO_TAIL.pack(_PAGE_INFO_SIZE, page_type, 0, 0, 0, 0, 0, gpa)
    return sha384(digest + contents + tail).digest()
