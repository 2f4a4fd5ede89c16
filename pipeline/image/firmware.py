"""Where the firmware looks for the hashes of kernel, initrd and command line.

Read here by the image's own code, as the measurement on this side of the house is a second opinion.
Source: edk2 ``OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm``; QEMU ``hw/i386/pc_sysfw_ovmf.c``.
"""

from __future__ import annotations

import struct

from verifier.errors import ParseError
from verifier.evidence.guid import GUID_SIZE, guid, guid_text

__all__ = ["hash_table_address"]

_TABLE = guid("96b582de-1fb2-45f7-baea-a366c55a082d")
_HASH_TABLE = guid("7255371f-3a3b-4b04-927b-1da6efa8d454")
_AFTER = 32  # the reset vector, behind the table
_END = struct.Struct(f"<H{GUID_SIZE}s")  # size of an entry, with this; its GUID
_AREA_SIZE = 8  # of the table: its address and its size
_WHAT = "firmware"


def hash_table_address(raw: bytes) -> int:
    """Guest-physical address of the table of hashes that the firmware holds the kernel against.

    Raises ParseError for a firmware that has none: it would start any kernel.
    """
    end = len(raw) - _AFTER - _END.size
    size, name = _END.unpack_from(raw, end) if end >= 0 else (0, bytes(GUID_SIZE))
    start = end + _END.size - size
    if name != _TABLE or start < 0:
        raise ParseError(_WHAT, expected="an OVMF image", got=guid_text(name))
    while end - _END.size >= start:
        size, name = _END.unpack_from(raw, end - _END.size)
        if size < _END.size:
            break
        if name == _HASH_TABLE and size == _END.size + _AREA_SIZE:
            address = int.from_bytes(raw[end - size : end - size + 4], "little")
            if address:
                return address
            break
        end -= size
    expected = "a table of kernel hashes: an AmdSev build"
    raise ParseError(_WHAT, expected=expected, got="a firmware that checks no kernel")
