"""The log's database on SQLite: one writer, one connection, every commit on the disk.

Up to 3.51.2 a database in WAL mode with two connections can lose committed transactions
(sqlite.org/changes.html, 3.51.3: "WAL-reset bug"). Such a library is run with a rollback journal
instead, whose file is kept and overwritten: making and removing one for every commit costs more
than writing it. Never WAL with ``synchronous=NORMAL``: that forgets the last commits when power
fails.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from log_server.errors import ConfigurationError, HeadMovedError, LogError, StorageError
from log_server.store.contract import Head, Row
from log_server.store.schema import HEAD, SCHEMA, SCHEMA_VERSION, SQLITE_TRIGGERS
from log_server.store.transaction import SqlTransaction, read_head, read_rows

__all__ = ["Journal", "SqliteStore", "journal_for"]

_BUSY_SECONDS = 5.0
_CACHE_KIB = 2**15  # what a large commit changes: SQLite's 2 MB would be written out in its midst


@dataclass(frozen=True, slots=True)
class Journal:
    """SQLite's ``journal_mode`` and ``synchronous``, chosen for a library ``version``."""

    mode: str
    synchronous: str
    version: tuple[int, int, int]

    def __str__(self) -> str:
        version = ".".join(str(part) for part in self.version)
        return f"sqlite {version}: journal_mode={self.mode} synchronous={self.synchronous}"


def journal_for(version: tuple[int, int, int]) -> Journal:
    """Choose the journal for a library version: WAL only where the WAL-reset bug is fixed.

    Fixed in 3.51.3 and 3.53.0; 3.52.0 was withdrawn and counts as not fixed.
    """
    fixed = version >= (3, 53, 0) or (3, 51, 3) <= version < (3, 52, 0)
    return Journal("WAL", "FULL", version) if fixed else Journal("PERSIST", "EXTRA", version)


class SqliteStore:
    """An open database. Used by one thread at a time; the caller holds the lock of the log."""

    def __init__(self, path: Path, *, journal: Journal | None = None) -> None:
        """Open an existing database.

        Raises ConfigurationError if there is none or its schema has another version,
        StorageError if SQLite cannot run in the chosen journal mode.
        """
        if not path.is_file():
            raise ConfigurationError(path.name, expected="the database of a log", got="no file")
        self.journal = journal or journal_for(_library_version())
        self._engine = _engine(path)
        with _storage_errors():
            self._connection = self._engine.connect()
        try:
            _configure(self._connection, self.journal)
            _require_version(self._connection)
        except LogError:
            self.close()
            raise

    @staticmethod
    def create(path: Path, *, head: Head) -> None:
        """Make the database of a new log.

        Raises ConfigurationError if the file exists, StorageError.
        """
        if path.exists():
            raise ConfigurationError(path.name, expected="no file", got="a file")
        engine = _engine(path)
        with _storage_errors():
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                SCHEMA.create_all(connection)
                for trigger in SQLITE_TRIGGERS:
                    connection.exec_driver_sql(trigger)
                connection.execute(insert(HEAD), _head_row(head))
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.exec_driver_sql("COMMIT")
            engine.dispose()

    def head(self) -> Head:
        """The present head. Raises StorageError."""
        with _storage_errors():
            return read_head(self._connection)

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        """Rows of ``start <= index < end``, in order. Raises StorageError."""
        with _storage_errors():
            return read_rows(self._connection, start, end)

    @contextmanager
    def begin(self, *, expected: Head) -> Iterator[SqlTransaction]:
        """Hold the write lock for a block that appends; see ``Store.begin``."""
        with _storage_errors():
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            with _storage_errors():
                # Under the write lock, and before anything is written or signed: a writer that
                # read an older head stops here.
                _require_head(self._connection, expected)
                yield SqlTransaction(self._connection, expected)
                self._connection.exec_driver_sql("COMMIT")
        except BaseException:
            # A COMMIT that failed has either ended the transaction or left it open; the second
            # ROLLBACK of an ended one is an error that says nothing new.
            with suppress(SQLAlchemyError):
                self._connection.exec_driver_sql("ROLLBACK")
            raise

    def close(self) -> None:
        """Release the database; idempotent."""
        self._connection.close()
        self._engine.dispose()


def _library_version() -> tuple[int, int, int]:
    major, minor, patch = sqlite3.sqlite_version_info
    return (major, minor, patch)


def _engine(path: Path) -> Engine:
    return create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        # AUTOCOMMIT: every transaction here is begun and ended by a statement that can be read.
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        # The connection moves from the thread that opened the log to the one that commits.
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
    )


def _configure(connection: Connection, journal: Journal) -> None:
    with _storage_errors():
        got = connection.exec_driver_sql(f"PRAGMA journal_mode = {journal.mode}").scalar_one()
        connection.exec_driver_sql(f"PRAGMA synchronous = {journal.synchronous}")
        connection.exec_driver_sql("PRAGMA mmap_size = 0")
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.exec_driver_sql("PRAGMA temp_store = MEMORY")
        # Without it INSERT OR REPLACE deletes a row and no DELETE trigger sees it.
        connection.exec_driver_sql("PRAGMA recursive_triggers = ON")
    if str(got).upper() != journal.mode:
        raise StorageError("sqlite journal_mode", expected=journal.mode, got=str(got))


def _require_version(connection: Connection) -> None:
    with _storage_errors():
        got = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if got != SCHEMA_VERSION:
        raise ConfigurationError(
            "database schema version", expected=str(SCHEMA_VERSION), got=str(got)
        )


def _head_row(head: Head) -> dict[str, object]:
    return {
        "id": 1,
        "size": head.tree.size,
        "root": head.tree.root,
        "checkpoint": head.checkpoint,
        "timestamp": head.timestamp,
    }


def _require_head(connection: Connection, expected: Head) -> None:
    present = read_head(connection)
    if present != expected:
        raise HeadMovedError(
            "head",
            expected=f"size {expected.tree.size} root {expected.tree.root.hex()}",
            got=f"size {present.tree.size} root {present.tree.root.hex()}",
        )


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise StorageError("database", expected="success", got=str(cause)) from error
