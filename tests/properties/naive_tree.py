"""The tree of RFC 6962 over a list of leaf hashes, as slow and as plain as it stands there."""

from __future__ import annotations

from hashlib import sha256


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it stands there."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    left, right = naive_root(hashes[:split]), naive_root(hashes[split:])
    return sha256(b"\x01" + left + right).digest()


def naive_inclusion(index: int, hashes: list[bytes]) -> tuple[bytes, ...]:
    """RFC 6962 section 2.1.1, as it stands there."""
    if len(hashes) == 1:
        return ()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if index < split:
        return (*naive_inclusion(index, hashes[:split]), naive_root(hashes[split:]))
    return (*naive_inclusion(index - split, hashes[split:]), naive_root(hashes[:split]))


def naive_consistency(old: int, hashes: list[bytes], *, whole: bool = True) -> tuple[bytes, ...]:
    """RFC 6962 section 2.1.2, as it stands there."""
    if old == len(hashes):
        return () if whole else (naive_root(hashes),)
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if old <= split:
        below = naive_consistency(old, hashes[:split], whole=whole)
        return (*below, naive_root(hashes[split:]))
    below = naive_consistency(old - split, hashes[split:], whole=False)
    return (*below, naive_root(hashes[:split]))
