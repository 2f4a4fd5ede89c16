"""Small synthetic firmware images with the tables that a launch of an SEV-SNP guest reads."""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Sequence

__all__ = [
    "FOOTER",
    "HASH_TABLE",
    "METADATA",
    "RESET_BLOCK",
    "SECTIONS",
    "SECTIONS_WITH_KERNEL",
    "SVSM_INFO",
    "build_footer_table",
    "build_image",
    "build_metadata",
    "build_ovmf",
    "build_svsm",
]

FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d"
HASH_TABLE = "7255371f-3a3b-4b04-927b-1da6efa8d454"
RESET_BLOCK = "00f771de-1a7e-4fcb-890e-68c77e2fb44e"
METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc"
SVSM_INFO = "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd"

Item = tuple[int, int, int]

SECTIONS: tuple[Item, ...] = (
    (0x800000, 0x9000, 1),
    (0x80A000, 0x3000, 1),
    (0x80D000, 0x1000, 2),
    (0x80E000, 0x1000, 3),
    (0x80F000, 0x1000, 4),
    (0x811000, 0xF000, 1),
)
"""Sections (address, size, type) as OVMF for QEMU has them."""

SECTIONS_WITH_KERNEL: tuple[Item, ...] = (*SECTIONS, (0x810000, 0x1000, 0x10))
"""The same, and the page of kernel hashes, as in OVMF's AmdSev build."""

_METADATA_FROM_END = 0x800


def build_ovmf(
    *,
    size: int = 0x2000,
    sections: Sequence[Item] = SECTIONS_WITH_KERNEL,
    reset_eip: int = 0x80B004,
    hash_table: tuple[int, int] | None = (0x810C00, 0x400),
    seed: bytes = b"ovmf",
) -> bytes:
    """An OVMF image of ``size`` bytes with full SEV metadata; it measures, and does not boot.

    ``hash_table`` is address and size of the kernel hash table, None for no entry; every byte
    that no table needs comes from ``seed``.
    """
    entries = [(RESET_BLOCK, struct.pack("<I", reset_eip))]
    if hash_table is not None:
        entries.append((HASH_TABLE, struct.pack("<II", *hash_table)))
    return build_image(size=size, entries=entries, metadata=build_metadata(sections), seed=seed)


def build_svsm(
    *,
    size: int = 0x3000,
    sections: Sequence[Item] = ((0, 0x9E000, 1), (0x9E000, 0x1000, 2), (0x9F000, 0x1000, 3)),
    launch_offset: int = 0x100,
    seed: bytes = b"svsm",
) -> bytes:
    """A Coconut SVSM image; see ``build_ovmf``. ``launch_offset`` is where vCPUs start in it."""
    entries = [
        (RESET_BLOCK, struct.pack("<I", 0xFFFFFFF0)),
        (SVSM_INFO, struct.pack("<I", launch_offset)),
    ]
    return build_image(size=size, entries=entries, metadata=build_metadata(sections), seed=seed)


def build_image(
    *, size: int, entries: Sequence[tuple[str, bytes]], metadata: bytes | None, seed: bytes
) -> bytes:
    """An image with any footer table and any metadata, malformed ones included.

    ``entries`` are (GUID, contents), first one lowest in memory; the entry that points to
    ``metadata`` is added unless that is None.
    """
    image = bytearray(hashlib.shake_128(seed).digest(size))
    if metadata is not None:
        start = size - _METADATA_FROM_END
        image[start : start + len(metadata)] = metadata
        entries = [*entries, (METADATA, struct.pack("<I", _METADATA_FROM_END))]
    table = build_footer_table(entries)
    image[size - 32 - len(table) : size - 32] = table
    return bytes(image)


def build_footer_table(
    entries: Sequence[tuple[str, bytes]], *, total: int | None = None, footer: str = FOOTER
) -> bytes:
    """The table with its last entry; ``total`` and ``footer`` replace what belongs there."""
    body = b"".join(contents + _trailer(len(contents) + 18, name) for name, contents in entries)
    return body + _trailer(len(body) + 18 if total is None else total, footer)


def _trailer(size: int, name: str) -> bytes:
    return struct.pack("<H", size) + uuid.UUID(name).bytes_le


def build_metadata(
    sections: Sequence[Item],
    *,
    signature: bytes = b"ASEV",
    size: int | None = None,
    version: int = 1,
    count: int | None = None,
) -> bytes:
    """The metadata header and its sections; every field of the header can be given."""
    items = b"".join(struct.pack("<III", *section) for section in sections)
    size = 16 + len(items) if size is None else size
    count = len(sections) if count is None else count
    return signature + struct.pack("<III", size, version, count) + items
