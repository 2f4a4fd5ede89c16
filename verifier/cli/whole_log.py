"""Every entry of a log, held against the root that the log signed."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.cli.progress import Progress
from verifier.errors import VerificationError
from verifier.fetch.entries import fetch_entries
from verifier.fetch.log_files import LogFiles
from verifier.tlog.checkpoint import SignedCheckpoint
from verifier.tlog.merkle import Frontier, leaf_hash

__all__ = ["read_entries"]


def read_entries(log: LogFiles, signed: SignedCheckpoint) -> Iterator[tuple[int, bytes]]:
    """Each entry with its index. They are those of the log only when the last one was taken.

    Raises VerificationError after it if their root is not the signed one, and what
    ``fetch_entries`` raises.
    """
    progress = Progress(signed.tree.size, unit="entries")
    frontier = Frontier()
    for entries in fetch_entries(log, size=signed.tree.size):
        yield from enumerate(entries, frontier.size)
        frontier = frontier.extended(map(leaf_hash, entries))
        progress.reached(frontier.size)
    if frontier.tree != signed.tree:
        expected, got = signed.tree.root.hex(), frontier.tree.root.hex()
        hint = f"remove {log.copy} if it is a copy of another log" if log.copy else ""
        raise VerificationError("root of the entries", expected=expected, got=got, hint=hint)
