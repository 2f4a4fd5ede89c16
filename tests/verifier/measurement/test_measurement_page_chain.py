from __future__ import annotations

import hashlib
import struct

import pytest

from verifier.measurement.page_chain import (
    EMPTY_DIGEST,
    PageType,
    add_contentless_pages,
    add_normal_pages,
    add_vmsa_page,
)


def link(digest: bytes, contents: bytes, page_type: int, gpa: int) -> bytes:
    """One step of the chain, written from the table of the firmware ABI."""
    info = digest + contents + struct.pack("<HB5xQ", 0x70, page_type, gpa)
    assert len(info) == 0x70
    return hashlib.sha384(info).digest()


def test_normal_pages_are_hashed_with_their_addresses() -> None:
    first, second = b"\x01" * 4096, b"\x02" * 4096
    expected = link(EMPTY_DIGEST, hashlib.sha384(first).digest(), 1, 0xFFFFE000)
    expected = link(expected, hashlib.sha384(second).digest(), 1, 0xFFFFF000)
    assert add_normal_pages(EMPTY_DIGEST, gpa=0xFFFFE000, pages=first + second) == expected


@pytest.mark.parametrize(
    ("page_type", "number"),
    [
        (PageType.ZERO, 3),
        (PageType.UNMEASURED, 4),
        (PageType.SECRETS, 5),
        (PageType.CPUID, 6),
    ],
)
def test_other_pages_count_by_kind_and_address_alone(page_type: PageType, number: int) -> None:
    start = b"\xaa" * 48
    expected = link(link(start, bytes(48), number, 0x800000), bytes(48), number, 0x801000)
    got = add_contentless_pages(start, page_type=page_type, gpa=0x800000, size=0x2000)
    assert got == expected


def test_a_save_area_lies_at_the_highest_page() -> None:
    page_hash = hashlib.sha384(bytes(4096)).digest()
    expected = link(EMPTY_DIGEST, page_hash, 2, 0x0000FFFFFFFFF000)
    assert add_vmsa_page(EMPTY_DIGEST, page_hash=page_hash) == expected


@pytest.mark.parametrize("size", [1, 4095, 4097])
def test_a_cut_page_is_an_error_of_the_caller(size: int) -> None:
    with pytest.raises(ValueError, match="no whole number of pages"):
        add_normal_pages(EMPTY_DIGEST, gpa=0, pages=bytes(size))
    with pytest.raises(ValueError, match="a cut page"):
        add_contentless_pages(EMPTY_DIGEST, page_type=PageType.ZERO, gpa=0, size=size)


@pytest.mark.parametrize("page_type", [PageType.NORMAL, PageType.VMSA])
def test_pages_with_contents_are_never_added_without(page_type: PageType) -> None:
    with pytest.raises(ValueError, match=f"{page_type.name} pages have contents"):
        add_contentless_pages(EMPTY_DIGEST, page_type=page_type, gpa=0, size=4096)
