from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ovmf_image import (
    METADATA,
    RESET_BLOCK,
    SECTIONS,
    SECTIONS_WITH_KERNEL,
    build_image,
    build_metadata,
    build_ovmf,
    build_svsm,
)
from tests.verifier.measurement.launches import disk_boot
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError, UnsupportedError
from verifier.measurement.ovmf import MAX_FIRMWARE_SIZE, parse_ovmf, parse_svsm
from verifier.measurement.sections import MAX_SECTION_PAGES, MAX_SECTIONS
from verifier.measurement.sev_snp import launch_digest

WHAT = "OVMF_SEV_META_DATA"
RESET = (RESET_BLOCK, struct.pack("<I", 0x80B004))


def with_metadata(metadata: bytes) -> bytes:
    return build_image(size=0x2000, entries=[RESET], metadata=metadata, seed=b"")


def test_metadata_of_an_image() -> None:
    metadata = parse_ovmf(build_ovmf())
    sections = tuple((s.gpa, s.size, int(s.type)) for s in metadata.sections)
    assert sections == SECTIONS_WITH_KERNEL
    assert (metadata.reset_eip, metadata.hash_table_gpa) == (0x80B004, 0x810C00)


@pytest.mark.parametrize("hash_table", [None, (0, 0), (0, 0x400)])
def test_firmware_that_checks_no_kernel(hash_table: tuple[int, int] | None) -> None:
    assert parse_ovmf(build_ovmf(hash_table=hash_table)).hash_table_gpa == 0


def test_metadata_of_an_svsm_image() -> None:
    metadata = parse_svsm(build_svsm(launch_offset=0x2FFF))
    assert [(s.gpa, s.size) for s in metadata.sections][1:] == [(0x9E000, 4096), (0x9F000, 4096)]
    assert metadata.launch_offset == 0x2FFF


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, MAX_FIRMWARE_SIZE + 4096])
def test_an_image_is_whole_pages_within_the_limit(size: int) -> None:
    expected = f"a multiple of 4096 up to {MAX_FIRMWARE_SIZE} bytes"
    with rejects(ParseError, "OVMF image", expected=expected, got=f"{size} bytes"):
        parse_ovmf(bytes(size))
    with rejects(ParseError, "SVSM image", expected=expected, got=f"{size} bytes"):
        parse_svsm(bytes(size))


def test_the_reset_block_is_there_and_names_an_address() -> None:
    with rejects(ParseError, "SEV_ES_RESET_BLOCK", expected="an address", got="0"):
        parse_ovmf(build_ovmf(reset_eip=0))
    raw = build_image(size=0x2000, entries=[], metadata=build_metadata(SECTIONS), seed=b"")
    what = "OVMF footer table SEV_ES_RESET_BLOCK"
    with rejects(ParseError, what, expected="an entry 00f771de", got="missing"):
        parse_ovmf(raw)


def test_an_image_without_sev_metadata() -> None:
    raw = build_image(size=0x2000, entries=[RESET], metadata=None, seed=b"")
    with rejects(ParseError, f"OVMF footer table {WHAT}", expected="dc886566", got="missing"):
        parse_ovmf(raw)


def test_the_hash_table_has_room() -> None:
    assert parse_ovmf(build_ovmf(hash_table=(0x810C00, 176))).hash_table_gpa == 0x810C00
    with rejects(ParseError, "SEV_HASH_TABLE_RV", expected="room for 176 bytes", got="175"):
        parse_ovmf(build_ovmf(hash_table=(0x810C00, 175)))


def test_an_svsm_starts_within_its_image() -> None:
    with rejects(ParseError, "SVSM_INFO", expected="below 0x3000", got="0x3000"):
        parse_svsm(build_svsm(launch_offset=0x3000))


def test_an_ovmf_image_is_no_svsm_image() -> None:
    what = "OVMF footer table SVSM_INFO"
    with rejects(ParseError, what, expected="an entry a789a612", got="missing"):
        parse_svsm(build_ovmf())


@pytest.mark.parametrize("offset", [0, 15, 0x2001, 0xFFFFFFFF])
def test_metadata_lies_within_the_image(offset: int) -> None:
    entries = [RESET, (METADATA, struct.pack("<I", offset))]
    raw = build_image(size=0x2000, entries=entries, metadata=None, seed=b"")
    expected = "an offset from the end of 16 to 8192"
    with rejects(ParseError, WHAT, expected=expected, got=str(offset)):
        parse_ovmf(raw)


@pytest.mark.parametrize(
    ("header", "expected", "got"),
    [
        ({"signature": b"BSEV"}, "the signature ASEV", "42534556"),
        ({"count": MAX_SECTIONS + 1}, f"at most {MAX_SECTIONS}", str(MAX_SECTIONS + 1)),
        ({"count": 0xFFFFFFFF}, f"at most {MAX_SECTIONS}", "4294967295"),
        ({"count": 5}, "76 bytes", "88 bytes"),
        ({"count": 7}, "100 bytes", "88 bytes"),
        ({"size": 89}, "88 bytes", "89 bytes"),
        ({"size": 0}, "88 bytes", "0 bytes"),
        ({"count": 0, "size": 16}, f"1 to {MAX_SECTIONS} sections", "0"),
    ],
)
def test_a_header_adds_up(header: dict[str, Any], expected: str, got: str) -> None:
    raw = with_metadata(build_metadata(SECTIONS, **header))
    with rejects(ParseError, WHAT, expected=expected, got=got):
        parse_ovmf(raw)


def test_a_section_beyond_the_end_of_the_image() -> None:
    # The header stands 16 bytes before the end, so not one section follows it.
    raw = bytearray(with_metadata(build_metadata(SECTIONS)))
    raw[-16:] = build_metadata(SECTIONS)[:16]
    offset = bytes(raw).index(struct.pack("<I", 0x800) + struct.pack("<H", 22))
    raw[offset : offset + 4] = struct.pack("<I", 16)
    with rejects(ParseError, WHAT, expected="within the image", got="16 before the end"):
        parse_ovmf(bytes(raw))


def test_another_version_is_unsupported() -> None:
    raw = with_metadata(build_metadata(SECTIONS, version=2))
    with rejects(UnsupportedError, WHAT, expected="version 1", got="2"):
        parse_ovmf(raw)


@pytest.mark.parametrize("kind", [0, 5, 0xF, 0x11, 0xFFFFFFFF])
def test_an_unknown_section_is_refused(kind: int) -> None:
    raw = with_metadata(build_metadata([(0x800000, 0x1000, kind)]))
    with rejects(ParseError, WHAT, expected="0x1 0x2 0x3 0x4 0x10", got=f"{kind:#x}"):
        parse_ovmf(raw)


@pytest.mark.parametrize(
    ("sections", "expected", "got"),
    [
        ([(0x800001, 0x1000, 1)], "whole pages", "0x1000 bytes at 0x800001"),
        ([(0x800000, 0x1001, 1)], "whole pages", "0x1001 bytes"),
        ([(0x800000, 0, 4)], "SVSM_CAA of whole pages", "0x0 bytes"),
        ([(0xFFFFF000, 0x2000, 1)], "below 4 GiB", "0x2000 bytes at 0xfffff000"),
        ([(0x800000, 0x2000, 2)], "SNP_SECRETS of one page", "0x2000"),
        ([(0x800000, 0x2000, 3)], "CPUID of one page", "0x2000"),
        ([(0x800000, 0x2000, 0x10)], "SNP_KERNEL_HASHES of one page", "0x2000"),
        ([(0x801000, 0x1000, 2), (0x800000, 0x2000, 1)], "no page in two", "0x801000"),
        ([(0x800000, 0x1000, 3), (0x800000, 0x1000, 3)], "no page in two", "0x800000"),
        ([(0, 0x1000, 16), (0x1000, 0x1000, 16)], "one SNP_KERNEL_HASHES section", "2"),
        (
            [(0, MAX_SECTION_PAGES * 4096, 1), (0x10000000, 0x1000, 1)],
            f"at most {MAX_SECTION_PAGES} pages",
            str(MAX_SECTION_PAGES + 1),
        ),
    ],
)
def test_sections_that_no_launch_has(
    sections: list[tuple[int, int, int]], expected: str, got: str
) -> None:
    with rejects(ParseError, WHAT, expected=expected, got=got):
        parse_ovmf(with_metadata(build_metadata(sections)))


def test_the_largest_layout_is_accepted() -> None:
    sections = [(0x1000 * place, 0x1000, 1) for place in range(MAX_SECTIONS - 1)]
    pages = MAX_SECTION_PAGES - len(sections)
    sections.append((2**32 - 0x1000 * pages, 0x1000 * pages, 4))
    metadata = parse_ovmf(with_metadata(build_metadata(sections)))
    assert len(metadata.sections) == MAX_SECTIONS


IMAGE = build_ovmf()
TABLES = len(IMAGE) - 0x800


@settings(max_examples=400, deadline=1000)
@given(
    st.lists(
        st.tuples(st.integers(TABLES, len(IMAGE) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=6,
    )
    | st.lists(
        st.tuples(
            st.sampled_from(
                [*range(TABLES, TABLES + 100), *range(len(IMAGE) - 160, len(IMAGE) - 32)]
            ),
            st.integers(0, 255),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_image_takes_the_parser_by_surprise(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(IMAGE)
    for offset, value in changes:
        raw[offset] = value
    try:
        inputs = disk_boot(firmware=bytes(raw), kernel=b"kernel")
    except (ParseError, UnsupportedError) as refused:
        said = (refused.expected, refused.got)
    else:
        said = ("a digest", launch_digest(inputs).hex())
    assert all(said)
