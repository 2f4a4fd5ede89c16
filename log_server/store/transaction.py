"""The statements of the log on SQLite.

Written out, with parameters in the driver's own style: tens of thousands of entries a second pass
here, and what a statement builder does for each value costs more than SQLite does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection

from log_server.errors import HeadMovedError
from log_server.store.contract import Head, Row
from verifier.tlog.merkle import TreeHead

__all__ = ["SqlTransaction", "read_head", "read_rows"]

_SELECT_HEAD = 'SELECT size, root, checkpoint, "timestamp" FROM head'
_SELECT_ROWS = """SELECT "index", entry, leaf_hash FROM entries
    WHERE "index" >= ? AND "index" < ? ORDER BY "index" """
# ?1 is all hashes, joined, and ?2 their bytes. CROSS JOIN fixes the order of the loops.
_SELECT_INDICES = """
    WITH RECURSIVE wanted (at) AS (
        SELECT 1 UNION ALL SELECT at + 32 FROM wanted WHERE at + 32 <= ?2
    )
    SELECT leaf_hash, "index" FROM wanted CROSS JOIN entries ON leaf_hash = substr(?1, at, 32)"""
# ?1 is the number of rows, ?2 has the index (19 digits) and the size (5) of each, ?3 is all entries
# and ?4 all hashes, joined. One statement for thousands of rows spares SQLite and its driver as
# many beginnings and ends, and leaves the interpreter to the other threads meanwhile.
_INSERT = """
    WITH RECURSIVE row (n, at, size) AS (
        SELECT 0, 1, CAST(substr(?2, 20, 5) AS INTEGER)
        UNION ALL SELECT n + 1, at + size, CAST(substr(?2, 24 * n + 44, 5) AS INTEGER) FROM row
            WHERE n + 1 < ?1
    )
    INSERT INTO entries ("index", entry, leaf_hash)
    SELECT CAST(substr(?2, 24 * n + 1, 19) AS INTEGER), substr(?3, at, size),
        substr(?4, 32 * n + 1, 32) FROM row"""
_ADVANCE = """UPDATE head SET size = ?, root = ?, checkpoint = ?, "timestamp" = ?
    WHERE size = ? AND root = ?"""


def read_head(connection: Connection) -> Head:
    """The one row of ``head``."""
    size, root, checkpoint, timestamp = connection.exec_driver_sql(_SELECT_HEAD).one()
    return Head(TreeHead(size, root), checkpoint, timestamp)


def read_rows(connection: Connection, start: int, end: int) -> tuple[Row, ...]:
    """Rows of ``start <= index < end``, in order."""
    return tuple(map(Row._make, _fetch(connection, _SELECT_ROWS, (start, end))))


class SqlTransaction:
    """Statements inside a transaction that ``SqliteStore.begin`` opened and will end."""

    def __init__(self, connection: Connection, expected: Head) -> None:
        self._connection = connection
        self._expected = expected

    def indices(self, leaf_hashes: tuple[bytes, ...]) -> dict[bytes, int]:
        """Index of each of ``leaf_hashes`` that is stored already."""
        # In the order of the database's index, whose pages are then visited once each.
        wanted = b"".join(sorted(leaf_hashes))
        return dict(_fetch(self._connection, _SELECT_INDICES, (wanted, len(wanted))))

    def insert(self, rows: tuple[Row, ...]) -> None:
        """Append rows; a gap or a repeated hash fails in the database."""
        # A size or a hash that does not fit its field would shift what follows; what the database
        # then has is not what the sequencer reads back.
        places = b"".join([b"%019d%05d" % (row.index, len(row.entry)) for row in rows])
        entries = b"".join([row.entry for row in rows])
        hashes = b"".join([row.leaf_hash for row in rows])
        self._connection.exec_driver_sql(_INSERT, (len(rows), places, entries, hashes))

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end`` as the database now holds them, in order."""
        return read_rows(self._connection, start, end)

    def advance(self, head: Head) -> None:
        """Replace the head that the transaction began with. Raises HeadMovedError."""
        old, new = self._expected.tree, head.tree
        changed = self._connection.exec_driver_sql(
            _ADVANCE,
            (new.size, new.root, head.checkpoint, head.timestamp, old.size, old.root),
        )
        if changed.rowcount != 1:
            raise HeadMovedError("head", expected=f"size {old.size}", got="another head")


def _fetch(
    connection: Connection, statement: str, parameters: tuple[object, ...]
) -> Sequence[tuple[Any, ...]]:
    result = connection.exec_driver_sql(statement, parameters)
    # The driver's own rows: no second object for each.
    with closing(result):
        return result.cursor.fetchall()
