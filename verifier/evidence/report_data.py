"""What REPORT_DATA must be when it answers a nonce and nothing else.

REPORT_DATA is SHA-512 over a domain-separated encoding, so that a value made for one purpose can
never be taken for another (design section 6).
"""

from __future__ import annotations

import hashlib

__all__ = ["NONCE_SIZE", "report_data_of_nonce"]

NONCE_SIZE = 32
"""Bytes of a nonce."""

_NONCE_DOMAIN = b"cvm-audit/report-data/nonce/v1\x00"


def report_data_of_nonce(nonce: bytes) -> bytes:
    """The 64 bytes of REPORT_DATA that answer ``nonce`` (32 bytes, else ValueError)."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}")
    return hashlib.sha512(_NONCE_DOMAIN + nonce).digest()
