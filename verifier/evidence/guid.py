"""GUIDs as firmware stores them: the first three fields little-endian (UEFI 2.10, appendix A)."""

from __future__ import annotations

from verifier.tlog.strict import parse_hex

__all__ = ["GUID_SIZE", "guid", "guid_text"]

GUID_SIZE = 16


def guid(text: str) -> bytes:
    """The 16 stored bytes of a GUID written as 8-4-4-4-12 lower-case hex. Raises ParseError."""
    return _swap(parse_hex(text.replace("-", ""), what="GUID", size=GUID_SIZE))


def guid_text(stored: bytes) -> str:
    """The 8-4-4-4-12 text of 16 stored bytes."""
    digits = _swap(stored).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _swap(raw: bytes) -> bytes:
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
