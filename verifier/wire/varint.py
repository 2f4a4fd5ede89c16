"""Variable-length integers of QUIC: 1, 2, 4 or 8 bytes, as the first two bits say.

A value need not be written on the fewest bytes: RFC 9000 section 16 demands that only of frame
types, which no format here has, and RFC 9292 section 3 allows every width. So all widths are read,
and the shortest is written.
"""

from __future__ import annotations

from verifier.errors import ParseError

__all__ = ["MAX_VARINT", "encode_varint", "parse_varint"]

MAX_VARINT = 2**62 - 1
"""The largest value that can be written."""


def encode_varint(value: int) -> bytes:
    """Write ``value`` (0 to ``MAX_VARINT``) on the fewest bytes; ValueError if it is none."""
    for prefix, size in enumerate((1, 2, 4, 8)):
        if 0 <= value < 1 << (8 * size - 2):
            return (value | prefix << (8 * size - 2)).to_bytes(size, "big")
    message = f"{value} is not 0 to {MAX_VARINT}"
    raise ValueError(message)


def parse_varint(raw: bytes, offset: int, *, what: str) -> tuple[int, int]:
    """Read the integer that begins at ``offset``: its value, and the offset after it.

    Raises ParseError if ``raw`` ends before it does. Source: RFC 9000 section 16.
    """
    first = raw[offset : offset + 1]
    size = 1 << (first[0] >> 6) if first else 1
    encoded = raw[offset : offset + size]
    if len(encoded) < size:
        raise ParseError(what, expected=f"an integer of {size} bytes", got=f"{len(encoded)}")
    return int.from_bytes(encoded, "big") & ((1 << (8 * size - 2)) - 1), offset + size
