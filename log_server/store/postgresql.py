"""The log's database on PostgreSQL: one session, which holds the lock under which it writes.

The lock is an advisory one of the session that commits. So whoever has lost the session cannot
commit, and whoever has the lock knows that nobody else's commit is still on its way: a session
that dies ends its transaction before it lets go of its locks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from log_server.errors import (
    ConfigurationError,
    DamagedError,
    HeadMovedError,
    LockedError,
    LogError,
    StorageError,
)
from log_server.store.contract import Head, Row
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql_schema import SCHEMA_STATEMENTS, SCHEMA_VERSION
from log_server.store.postgresql_session import PostgresqlSession
from verifier.tlog.merkle import TreeHead

__all__ = ["PostgresqlStore", "PostgresqlTransaction", "lock_key"]

_DOMAIN = b"cvm-log sequencer\n"

_HEAD = 'SELECT size, root, checkpoint, "timestamp" FROM cvm_log.head'
_ROWS = """SELECT "index", entry, leaf_hash FROM cvm_log.entries
    WHERE "index" >= %b AND "index" < %b ORDER BY "index" """
# The names of the columns are given once more: unnest yields them in this order.
_INSERT = """INSERT INTO cvm_log.entries ("index", entry, leaf_hash)
    SELECT * FROM unnest(%b::bigint[], %b::bytea[], %b::bytea[])"""
_INDICES = 'SELECT leaf_hash, "index" FROM cvm_log.entries WHERE leaf_hash = ANY(%b::bytea[])'
_ADVANCE = """UPDATE cvm_log.head SET size = %b, root = %b, checkpoint = %b, "timestamp" = %b
    WHERE size = %b AND root = %b"""


def lock_key(origin: str) -> int:
    """The advisory lock of a log: 64 bits, signed."""
    digest = hashlib.sha256(_DOMAIN + origin.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _never(error: LockedError) -> bool:
    del error
    return False


class PostgresqlStore:
    """An open database, and the lock to write it. Used by one thread at a time."""

    def __init__(
        self, address: DatabaseUrl, *, lock: int, again: Callable[[LockedError], bool] = _never
    ) -> None:
        """Open the database of a log, and take the advisory lock ``lock``.

        ``again`` is asked after each attempt to get the lock in vain whether to try once more.
        Raises ConfigurationError if there is no log or one of another schema version, LockedError
        if another session has the lock, StorageError; see ``PostgresqlSession`` too.
        """
        self._lock = lock
        self.session = PostgresqlSession(address, role="candidate")
        try:
            _require_version(self.session)
            while not self.session.try_lock(lock):
                got = "another session of the database holds it"
                error = LockedError("lock of the log", expected="no other program", got=got)
                if not again(error):
                    raise error
            self.session.rename("sequencer")
        except LogError:
            self.close()
            raise

    @property
    def journal(self) -> str:
        """How the database is kept durable."""
        return str(self.session.server)

    @staticmethod
    def create(address: DatabaseUrl, *, head: Head) -> None:
        """Make the tables of a new log, in one transaction.

        Raises ConfigurationError if the database has a log, StorageError.
        """
        with closing(PostgresqlSession(address, role="init")) as session:
            if session.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'cvm_log'"):
                raise ConfigurationError(
                    f"database {address}",
                    expected="no schema cvm_log",
                    got="one",
                    hint="a database holds one log: give every log its own",
                )
            with session.transaction():
                for statement in SCHEMA_STATEMENTS:
                    session.execute(statement)
                session.execute("INSERT INTO cvm_log.schema_version VALUES (%s)", (SCHEMA_VERSION,))
                session.execute(
                    "INSERT INTO cvm_log.head VALUES (1, %b, %b, %b, %b)", _head_values(head)
                )

    def head(self) -> Head:
        """The present head. Raises StorageError, DamagedError if there is none."""
        return _read_head(self.session, _HEAD)

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end``, in order. Raises StorageError."""
        return _read_rows(self.session, start, end)

    @contextmanager
    def begin(self, *, expected: Head) -> Iterator[PostgresqlTransaction]:
        """Hold the head's row for a block that appends; see ``Store.begin``.

        Raises StorageError too if this session has no longer the lock of the log.
        """
        with self.session.transaction():
            if not self.session.holds(self._lock):
                raise StorageError(
                    "lock of the log",
                    expected="held by the session that commits",
                    got="not held",
                    hint="connect without a pooler that shares sessions",
                )
            # Before anything is written or signed: a writer that read an older head stops here.
            present = _read_head(self.session, f"{_HEAD} FOR UPDATE")
            if present != expected:
                raise HeadMovedError("head", expected=_shown(expected), got=_shown(present))
            yield PostgresqlTransaction(self.session, expected)

    def close(self) -> None:
        """Release database and lock; idempotent."""
        # At once: the end of a session is noticed later, and the next one may be waiting.
        with suppress(StorageError):
            self.session.execute("SELECT pg_advisory_unlock(%s)", (self._lock,))
        self.session.close()


class PostgresqlTransaction:
    """Statements inside a transaction that ``PostgresqlStore.begin`` opened and will end."""

    def __init__(self, session: PostgresqlSession, expected: Head) -> None:
        self._session = session
        self._expected = expected

    def indices(self, leaf_hashes: tuple[bytes, ...]) -> dict[bytes, int]:
        """Index of each of ``leaf_hashes`` that is stored already."""
        found = self._session.execute(_INDICES, (list(leaf_hashes),))
        return dict(map(tuple, found))

    def insert(self, rows: tuple[Row, ...]) -> None:
        """Append rows; a gap or a repeated hash fails in the database."""
        columns = zip(*((row.index, row.entry, row.leaf_hash) for row in rows), strict=True)
        self._session.execute(_INSERT, [list(column) for column in columns])

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end`` as the database now holds them, in order."""
        return _read_rows(self._session, start, end)

    def advance(self, head: Head) -> None:
        """Replace the head that the transaction began with. Raises HeadMovedError."""
        old = self._expected.tree
        changed = self._session.count(_ADVANCE, (*_head_values(head), old.size, old.root))
        if changed != 1:
            raise HeadMovedError("head", expected=f"size {old.size}", got="another head")


def _require_version(session: PostgresqlSession) -> None:
    if not session.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'cvm_log'"):
        raise ConfigurationError("database", expected="the schema cvm_log of a log", got="none")
    got = [version for (version,) in session.execute("SELECT version FROM cvm_log.schema_version")]
    if got != [SCHEMA_VERSION]:
        raise ConfigurationError(
            "database schema version",
            expected=str(SCHEMA_VERSION),
            got=" and ".join(map(str, got)) or "none",
        )


def _read_head(session: PostgresqlSession, statement: str) -> Head:
    rows = session.execute(statement)
    if len(rows) != 1:
        raise DamagedError("database head", expected="one row", got=f"{len(rows)} rows")
    size, root, checkpoint, timestamp = rows[0]
    return Head(TreeHead(size, root), checkpoint, timestamp)


def _read_rows(session: PostgresqlSession, start: int, end: int) -> tuple[Row, ...]:
    found = session.execute(_ROWS, (start, end))
    return tuple(Row(index, entry, leaf_hash) for index, entry, leaf_hash in found)


def _head_values(head: Head) -> tuple[int, bytes, bytes, int]:
    return (head.tree.size, head.tree.root, head.checkpoint, head.timestamp)


def _shown(head: Head) -> str:
    return f"size {head.tree.size} root {head.tree.root.hex()}"
