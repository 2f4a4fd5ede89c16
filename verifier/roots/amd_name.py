"""The DER of the X.501 Names in AMD's SEV-SNP certificates.

All of them differ in the common name alone (KDS specification, publication 57230), and AMD
encodes every other attribute in one way, so a Name is compared by its exact bytes.
"""

from __future__ import annotations

__all__ = ["amd_name"]

# OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices
_ORGANIZATION = bytes.fromhex("""
    3114301206035504 0b0c0b 456e67696e656572696e67
    310b300906035504 061302 5553
    3114301206035504 070c0b 53616e746120436c617261
    310b300906035504 080c02 4341
    311f301d06035504 0a0c16 416476616e636564204d6963726f2044657669636573
""")


def amd_name(common_name: str) -> bytes:
    """DER of AMD's Name with this common name, which is ASCII and short (X.501 section 9)."""
    text = common_name.encode("ascii")
    value = bytes((0x06, 0x03, 0x55, 0x04, 0x03, 0x0C, len(text))) + text
    relative = bytes((0x31, len(value) + 2, 0x30, len(value))) + value
    body = _ORGANIZATION + relative
    # DER: a length from 128 on takes the long form with one byte.
    return (b"\x30\x81" if len(body) > 127 else b"\x30") + bytes((len(body),)) + body
