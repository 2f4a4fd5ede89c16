"""A small database of one role, durable at every commit, whose files are open before rights go.

In exclusive mode SQLite opens its files once and keeps its lock, so that the role needs no right to
their folder later, and no second process can have the same file. Source: SQLite, "Write-Ahead
Logging", section "Use of WAL Without Shared-Memory"; PRAGMA synchronous.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from verifier.errors import FetchError

__all__ = ["CACHE_KIB", "open_store"]

CACHE_KIB = 256
"""Most pages in memory, in KiB: of a large database a part, whose other pages are read again."""


def open_store(path: Path, *, table: str) -> sqlite3.Connection:
    """The database at ``path`` with ``table``, a CREATE TABLE IF NOT EXISTS statement.

    Used under a lock of the caller's; each statement is a transaction of its own, on disk when it
    returns. Raises FetchError if somebody else has it, or if it is no database.
    """
    try:
        store = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        store.execute("PRAGMA locking_mode=EXCLUSIVE")
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("PRAGMA synchronous=FULL")
        store.execute("PRAGMA temp_store=MEMORY")
        store.execute("PRAGMA secure_delete=ON")  # else a page keeps what was deleted from it
        # A negative number counts KiB, a positive one pages.
        store.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        # Written now, so that the write-ahead log is made and locked while we may.
        store.execute("BEGIN IMMEDIATE")
        store.execute(table)
        store.execute("PRAGMA user_version=1")
        store.execute("COMMIT")
    except sqlite3.Error as error:
        expected = "a database that nobody else has open"
        raise FetchError(str(path), expected=expected, got=str(error)) from error
    return store
