"""Reads members that several kinds of entries have: keys of signers, and a time of validity."""

from __future__ import annotations

from datetime import datetime

from verifier.errors import ParseError, UnsupportedError
from verifier.release.publisher import PublisherKey, parse_publisher_key
from verifier.tlog.json_object import JsonObject

__all__ = ["VKEY", "read_period", "read_vkey", "read_vkeys"]

VKEY = (
    r"[!-*,-~]{1,200}\+[0-9a-f]{8}\+"
    r"(A[Q-Za-f][A-Za-z0-9+/]{42}|AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA[A-Za-z0-9+/]{87}=)"
)
"""Form of an Ed25519 or ECDSA P-256 verification key with an ASCII name (C2SP signed-note)."""


def read_period(item: JsonObject) -> tuple[datetime, datetime]:
    """Read ``notBefore`` and ``notAfter``, the later of the two. Raises ParseError."""
    not_before, not_after = item.timestamp("notBefore"), item.timestamp("notAfter")
    if not_after <= not_before:
        got = f"{not_after:%Y-%m-%dT%H:%M:%SZ}"
        raise item.refuse("notAfter", expected="an instant after notBefore", got=got)
    return not_before, not_after


def read_vkey(item: JsonObject, name: str) -> PublisherKey:
    """Read the member ``name``, a verification key. Raises ParseError."""
    return _parse(item, name, item.text(name, pattern=VKEY))


def read_vkeys(item: JsonObject, name: str) -> tuple[PublisherKey, ...]:
    """Read the member ``name``, one or more verification keys with distinct keyids.

    Raises ParseError.
    """
    texts = item.texts(name, pattern=VKEY, minimum=1)
    keys = tuple(_parse(item, name, text) for text in texts)
    if len({key.keyid for key in keys}) != len(keys):
        raise item.refuse(name, expected="distinct keyids", got="one of them twice")
    return keys


def _parse(item: JsonObject, name: str, text: str) -> PublisherKey:
    try:
        return parse_publisher_key(text)
    except (ParseError, UnsupportedError) as error:
        raise item.refuse(name, expected=error.expected, got=error.got) from None
