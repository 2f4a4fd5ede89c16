"""The table of GUIDs at the end of an OVMF image.

It ends 32 bytes before the end of the file and is read backwards: each entry is its contents, a
u16 size of the whole entry, a GUID. The last entry names the table and its size. Source: edk2
``OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm``; QEMU ``hw/i386/pc_sysfw_ovmf.c``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.evidence.guid import GUID_SIZE, guid, guid_text
from verifier.tlog.strict import first_repeated

__all__ = ["EntryKind", "FooterEntry", "FooterTable", "parse_footer_table"]

_WHAT = "OVMF footer table"
_FOOTER_GUID = guid("96b582de-1fb2-45f7-baea-a366c55a082d")
_RESET_VECTOR_SIZE = 32
_TRAILER = struct.Struct(f"<H{GUID_SIZE}s")


@dataclass(frozen=True, slots=True)
class EntryKind:
    """An entry that has a meaning here: its title in edk2, its GUID as text, its size in bytes."""

    title: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class FooterEntry:
    """``name`` is the GUID as text; ``contents`` what stands before size and GUID."""

    name: str
    contents: bytes


@dataclass(frozen=True, slots=True)
class FooterTable:
    """The entries in the order in which they are read: the last one of the file first."""

    entries: tuple[FooterEntry, ...]

    def find(self, kind: EntryKind) -> bytes | None:
        """The contents of an entry, or None where there is no such entry.

        Raises ParseError unless they have the size of their kind.
        """
        for entry in self.entries:
            if entry.name == kind.name:
                if len(entry.contents) != kind.size:
                    expected, got = f"{kind.size} bytes", f"{len(entry.contents)} bytes"
                    raise ParseError(f"{_WHAT} {kind.title}", expected=expected, got=got)
                return entry.contents
        return None

    def take(self, kind: EntryKind) -> bytes:
        """The contents of an entry that must be there. Raises ParseError."""
        contents = self.find(kind)
        if contents is None:
            expected = f"an entry {kind.name}"
            raise ParseError(f"{_WHAT} {kind.title}", expected=expected, got="it is missing")
        return contents


def parse_footer_table(raw: bytes) -> FooterTable:
    """Read the table of a firmware image. Its size is a u16, so the work is bounded.

    Raises ParseError: no table, sizes that do not add up, an entry twice (launchers and firmware
    would not agree on which one counts).
    """
    end = len(raw) - _RESET_VECTOR_SIZE
    body = _body(raw, end)
    entries: list[FooterEntry] = []
    while body:
        entry, body = _last_entry(body)
        entries.append(entry)
    twice = first_repeated(entry.name for entry in entries)
    if twice is not None:
        raise ParseError(_WHAT, expected="each entry once", got=f"{twice} twice")
    return FooterTable(tuple(entries))


def _body(raw: bytes, end: int) -> bytes:
    start = end - _TRAILER.size
    if start < 0:
        raise ParseError(_WHAT, expected="an OVMF image", got=f"{len(raw)} bytes")
    size, name = _TRAILER.unpack_from(raw, start)
    if name != _FOOTER_GUID:
        expected = f"{guid_text(_FOOTER_GUID)} 50 bytes before the end"
        raise ParseError(_WHAT, expected=expected, got=guid_text(name))
    if not _TRAILER.size <= size <= end:
        raise ParseError(_WHAT, expected=f"a size of {_TRAILER.size} to {end}", got=str(size))
    return raw[end - size : start]


def _last_entry(body: bytes) -> tuple[FooterEntry, bytes]:
    start = len(body) - _TRAILER.size
    if start < 0:
        raise ParseError(_WHAT, expected="entries that fill it", got=f"{len(body)} bytes left")
    size, name = _TRAILER.unpack_from(body, start)
    if not _TRAILER.size <= size <= len(body):
        expected = f"{guid_text(name)} of {_TRAILER.size} to {len(body)} bytes"
        raise ParseError(_WHAT, expected=expected, got=str(size))
    return FooterEntry(guid_text(name), body[len(body) - size : start]), body[: len(body) - size]
