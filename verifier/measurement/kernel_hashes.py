"""The page of kernel, initrd and command line hashes that QEMU measures for direct boot.

The firmware (OVMF, AmdSev) refuses a kernel, initrd or command line whose SHA-256 is not in this
page; because the page is in the launch digest, so are the three. Source: QEMU
``target/i386/sev.c``, ``sev_add_kernel_loader_hashes``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256

from verifier.errors import ParseError
from verifier.evidence.guid import GUID_SIZE, guid
from verifier.measurement.page_chain import PAGE_SIZE

__all__ = [
    "HASH_TABLE_SIZE",
    "MAX_COMMAND_LINE",
    "KernelHashes",
    "hash_boot_files",
    "kernel_hashes_page",
]

MAX_COMMAND_LINE = 65536
"""Most bytes of a kernel command line. Linux itself stops at a few thousand."""

_TABLE_GUID = guid("9438d606-4f22-4cc9-b479-a793d411fd21")
_CMDLINE_GUID = guid("97d02dd8-bd20-4c94-aa78-e7714d36ab2a")
_INITRD_GUID = guid("44baf731-3a2f-4bd7-9af1-41e29169781d")
_KERNEL_GUID = guid("4de79437-abd2-427f-b835-d5b172d2045b")

_HASH_SIZE = 32
_ENTRY = struct.Struct(f"<{GUID_SIZE}sH{_HASH_SIZE}s")
_HEADER = struct.Struct(f"<{GUID_SIZE}sH")
_TABLE_LENGTH = _HEADER.size + 3 * _ENTRY.size

HASH_TABLE_SIZE = 176
"""Bytes of the table, padded to a multiple of 16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelHashes:
    """SHA-256 (32 bytes each) of the kernel file, the initrd and the command line.

    A launch without initrd has the hash of no bytes; the command line is hashed with the NUL that
    ends it. Raises ValueError for hashes of another size.
    """

    kernel: bytes
    initrd: bytes
    cmdline: bytes

    def __post_init__(self) -> None:
        sizes = {len(self.kernel), len(self.initrd), len(self.cmdline)}
        if sizes != {_HASH_SIZE}:
            raise ValueError(f"hashes of {sizes} bytes instead of {_HASH_SIZE}")


def hash_boot_files(*, kernel: bytes, initrd: bytes | None, cmdline: bytes | None) -> KernelHashes:
    """Hash what is booted. No initrd is hashed like an empty one, and so is no command line.

    ``cmdline`` is without the final NUL. Raises ParseError if it holds one, because QEMU would stop
    there, or is longer than MAX_COMMAND_LINE.
    """
    text = cmdline or b""
    if len(text) > MAX_COMMAND_LINE:
        expected = f"at most {MAX_COMMAND_LINE} bytes"
        raise ParseError("kernel command line", expected=expected, got=f"{len(text)} bytes")
    if b"\x00" in text:
        got = f"one at byte {text.index(0)}"
        raise ParseError("kernel command line", expected="no NUL", got=got)
    return KernelHashes(
        kernel=sha256(kernel).digest(),
        initrd=sha256(initrd or b"").digest(),
        cmdline=sha256(text + b"\x00").digest(),
    )


def kernel_hashes_page(hashes: KernelHashes, *, table_gpa: int) -> bytes:
    """The 4096-byte page with the table at the place of ``table_gpa`` in its page.

    Raises ValueError if the table would not fit in the page.
    """
    entries = (
        (_CMDLINE_GUID, hashes.cmdline),
        (_INITRD_GUID, hashes.initrd),
        (_KERNEL_GUID, hashes.kernel),
    )
    table = _HEADER.pack(_TABLE_GUID, _TABLE_LENGTH)
    table += b"".join(_ENTRY.pack(name, _ENTRY.size, digest) for name, digest in entries)
    offset = table_gpa % PAGE_SIZE
    if offset + HASH_TABLE_SIZE > PAGE_SIZE:
        raise ValueError(f"the hash table does not fit at {table_gpa:#x}")
    return (bytes(offset) + table).ljust(PAGE_SIZE, b"\x00")
