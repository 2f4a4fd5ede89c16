"""The statements of the log, in SQLAlchemy Core."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from log_server.errors import HeadMovedError
from log_server.store.contract import Head, Row
from log_server.store.schema import ENTRIES, HEAD
from verifier.tlog.merkle import TreeHead

__all__ = ["SqlTransaction", "read_head", "read_rows"]

_LOOKUP = 500
"""Hashes in one lookup: SQLite before 3.32 takes at most 999 parameters in a statement."""

_SELECT_HEAD = select(HEAD.c.size, HEAD.c.root, HEAD.c.checkpoint, HEAD.c.timestamp)
_SELECT_ROWS = (
    select(ENTRIES.c.index, ENTRIES.c.entry, ENTRIES.c.leaf_hash)
    .where(ENTRIES.c.index >= bindparam("start"), ENTRIES.c.index < bindparam("end"))
    .order_by(ENTRIES.c.index)
)
_SELECT_INDICES = select(ENTRIES.c.leaf_hash, ENTRIES.c.index).where(
    ENTRIES.c.leaf_hash.in_(bindparam("leaf_hashes", expanding=True))
)


def read_head(connection: Connection) -> Head:
    """The one row of ``head``."""
    row = connection.execute(_SELECT_HEAD).one()
    return Head(TreeHead(row.size, row.root), row.checkpoint, row.timestamp)


def read_rows(connection: Connection, start: int, end: int) -> tuple[Row, ...]:
    """Rows of ``start <= index < end``, in order."""
    found = connection.execute(_SELECT_ROWS, {"start": start, "end": end})
    return tuple(Row(index, entry, leaf_hash) for index, entry, leaf_hash in found)


class SqlTransaction:
    """Statements inside a transaction that ``SqliteStore.begin`` opened and will end."""

    def __init__(self, connection: Connection, expected: Head) -> None:
        self._connection = connection
        self._expected = expected

    def indices(self, leaf_hashes: tuple[bytes, ...]) -> dict[bytes, int]:
        """Index of each of ``leaf_hashes`` that is stored already."""
        known: dict[bytes, int] = {}
        for start in range(0, len(leaf_hashes), _LOOKUP):
            wanted = list(leaf_hashes[start : start + _LOOKUP])
            found = self._connection.execute(_SELECT_INDICES, {"leaf_hashes": wanted})
            known.update((leaf_hash, index) for leaf_hash, index in found)
        return known

    def insert(self, rows: tuple[Row, ...]) -> None:
        """Append rows; a gap or a repeated hash fails in the database."""
        values = [
            {"index": row.index, "entry": row.entry, "leaf_hash": row.leaf_hash} for row in rows
        ]
        self._connection.execute(insert(ENTRIES), values)

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end`` as the database now holds them, in order."""
        return read_rows(self._connection, start, end)

    def advance(self, head: Head) -> None:
        """Replace the head that the transaction began with. Raises HeadMovedError."""
        old = self._expected.tree
        changed = self._connection.execute(
            update(HEAD)
            .where(HEAD.c.size == old.size, HEAD.c.root == old.root)
            .values(
                size=head.tree.size,
                root=head.tree.root,
                checkpoint=head.checkpoint,
                timestamp=head.timestamp,
            )
        )
        if changed.rowcount != 1:
            raise HeadMovedError("head", expected=f"size {old.size}", got="another head")
