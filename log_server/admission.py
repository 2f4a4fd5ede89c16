"""What the log takes, and what it answers. Bytes in, result out: no HTTP in this module."""

from __future__ import annotations

from collections.abc import Callable

from log_server.errors import EntrySizeError
from log_server.intake import Acknowledgement
from log_server.publication import published_file
from log_server.publisher import Publisher
from log_server.tree import inclusion_proof
from verifier.errors import ParseError
from verifier.tlog.proof import TlogProof, encode_tlog_proof
from verifier.tlog.tile import MAX_ENTRY

__all__ = ["EntryParser", "admit", "prove", "require_size"]

EntryParser = Callable[[bytes], object]
"""Reads a typed entry; raises ParseError or UnsupportedError, as the judge's own parser does."""


def admit(entry: bytes) -> bytes:
    """The entry, if an entry bundle can carry it. Raises ParseError if empty, EntrySizeError."""
    if not entry:
        raise ParseError("entry", expected=f"1 to {MAX_ENTRY} bytes", got="0 bytes")
    require_size(len(entry))
    return entry


def require_size(size: int) -> None:
    """Raises EntrySizeError for an entry of so many bytes (or of more, while it arrives)."""
    if size > MAX_ENTRY:
        raise EntrySizeError("entry", expected=f"1 to {MAX_ENTRY} bytes", got=f"{size} bytes")


def prove(acknowledgement: Acknowledgement, publisher: Publisher) -> bytes:
    """The tlog-proof of an acknowledged entry, from the published tiles.

    Raises DamagedError if a tile is missing, StorageError.
    """
    tiles: dict[str, bytes] = {}

    def read(path: str) -> bytes:
        if path not in tiles:
            tiles[path] = published_file(publisher, path)
        return tiles[path]

    proof = TlogProof(
        index=acknowledgement.index,
        hashes=inclusion_proof(acknowledgement.index, acknowledgement.tree.size, read),
        checkpoint_raw=acknowledgement.checkpoint,
        extra=None,
    )
    return encode_tlog_proof(proof)
