"""What a firmware image says about its own launch: OVMF, and the Coconut SVSM image.

The image comes from whoever offers a release, so every number in it is checked. Source: edk2
``OvmfPkg/ResetVector``; Coconut SVSM ``stage1``; QEMU ``target/i386/sev.c``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.measurement.footer_table import EntryKind, FooterTable, parse_footer_table
from verifier.measurement.kernel_hashes import HASH_TABLE_SIZE
from verifier.measurement.page_chain import PAGE_SIZE
from verifier.measurement.sections import (
    MAX_SECTIONS,
    Section,
    SectionType,
    check_sections,
)

__all__ = [
    "MAX_FIRMWARE_SIZE",
    "OvmfMetadata",
    "SvsmMetadata",
    "check_firmware_size",
    "parse_ovmf",
    "parse_svsm",
]

MAX_FIRMWARE_SIZE = 16 * 1024 * 1024
"""Most bytes of a firmware or SVSM image; QEMU calls more than 16 MiB unsafe to boot."""

_METADATA = EntryKind("OVMF_SEV_META_DATA", "dc886566-984a-4798-a75e-5585a7bf67cc", 4)
_HASH_TABLE = EntryKind("SEV_HASH_TABLE_RV", "7255371f-3a3b-4b04-927b-1da6efa8d454", 8)
_RESET_BLOCK = EntryKind("SEV_ES_RESET_BLOCK", "00f771de-1a7e-4fcb-890e-68c77e2fb44e", 4)
_SVSM_INFO = EntryKind("SVSM_INFO", "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd", 4)

_WHAT = _METADATA.title
_HEADER = struct.Struct("<4sIII")
_ITEM = struct.Struct("<III")


@dataclass(frozen=True, slots=True, kw_only=True)
class OvmfMetadata:
    """What an OVMF image asks of its launcher.

    ``sections`` are in table order; ``reset_eip`` is where every vCPU but the first starts;
    ``hash_table_gpa`` is the address of the kernel hash table (0: no kernel is checked).
    """

    sections: tuple[Section, ...]
    reset_eip: int
    hash_table_gpa: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SvsmMetadata:
    """Sections in table order, and where in the image every vCPU starts (bytes)."""

    sections: tuple[Section, ...]
    launch_offset: int


def check_firmware_size(raw: bytes, *, what: str) -> None:
    """Refuse an image that is not 1 to MAX_FIRMWARE_SIZE bytes of whole pages (ParseError)."""
    if not 0 < len(raw) <= MAX_FIRMWARE_SIZE or len(raw) % PAGE_SIZE:
        expected = f"a multiple of {PAGE_SIZE} up to {MAX_FIRMWARE_SIZE} bytes"
        raise ParseError(what, expected=expected, got=f"{len(raw)} bytes")


def parse_ovmf(raw: bytes) -> OvmfMetadata:
    """Read the launch metadata of an OVMF image.

    Raises ParseError for anything malformed or impossible, UnsupportedError for an unknown
    metadata version.
    """
    check_firmware_size(raw, what="OVMF image")
    table = parse_footer_table(raw)
    (reset_eip,) = struct.unpack("<I", table.take(_RESET_BLOCK))
    if not reset_eip:
        raise ParseError(_RESET_BLOCK.title, expected="an address", got="0")
    return OvmfMetadata(
        sections=_sections(raw, table),
        reset_eip=reset_eip,
        hash_table_gpa=_hash_table_gpa(table),
    )


def parse_svsm(raw: bytes) -> SvsmMetadata:
    """Read the launch metadata of a Coconut SVSM image. Raises as ``parse_ovmf``."""
    check_firmware_size(raw, what="SVSM image")
    table = parse_footer_table(raw)
    (offset,) = struct.unpack("<I", table.take(_SVSM_INFO))
    if offset >= len(raw):
        expected = f"an offset below {len(raw):#x}"
        raise ParseError(_SVSM_INFO.title, expected=expected, got=f"{offset:#x}")
    return SvsmMetadata(sections=_sections(raw, table), launch_offset=offset)


def _hash_table_gpa(table: FooterTable) -> int:
    contents = table.find(_HASH_TABLE)
    gpa: int
    gpa, size = struct.unpack("<II", contents) if contents is not None else (0, 0)
    if gpa and size < HASH_TABLE_SIZE:
        expected = f"room for {HASH_TABLE_SIZE} bytes"
        raise ParseError(_HASH_TABLE.title, expected=expected, got=str(size))
    return gpa


def _sections(raw: bytes, table: FooterTable) -> tuple[Section, ...]:
    (from_end,) = struct.unpack("<I", table.take(_METADATA))
    if not _HEADER.size <= from_end <= len(raw):
        expected = f"an offset from the end of {_HEADER.size} to {len(raw)}"
        raise ParseError(_WHAT, expected=expected, got=str(from_end))
    start = len(raw) - from_end
    signature, size, version, count = _HEADER.unpack_from(raw, start)
    if signature != b"ASEV":
        raise ParseError(_WHAT, expected="the signature ASEV", got=signature.hex())
    if version != 1:
        raise UnsupportedError(_WHAT, expected="version 1", got=str(version))
    if count > MAX_SECTIONS:
        raise ParseError(_WHAT, expected=f"at most {MAX_SECTIONS} sections", got=str(count))
    if size != _HEADER.size + count * _ITEM.size or size > from_end:
        expected = f"{_HEADER.size + count * _ITEM.size} bytes, within the image"
        raise ParseError(_WHAT, expected=expected, got=f"{size} bytes, {from_end} before the end")
    items = _ITEM.iter_unpack(raw[start + _HEADER.size : start + size])
    sections = tuple(_section(gpa, length, number) for gpa, length, number in items)
    check_sections(sections, what=_WHAT)
    return sections


def _section(gpa: int, size: int, number: int) -> Section:
    # An unknown section is refused, not skipped: the launcher would measure something for it.
    if number not in set(SectionType):
        known = " ".join(f"{kind.value:#x}" for kind in SectionType)
        raise ParseError(_WHAT, expected=f"a section type of {known}", got=f"{number:#x}")
    return Section(gpa=gpa, size=size, type=SectionType(number))
