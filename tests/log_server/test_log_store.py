from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from log_server.errors import ConfigurationError, StorageError
from log_server.store.contract import Row
from log_server.store.sqlite import Journal, SqliteStore, journal_for
from tests.log_server.storing import EMPTY, append, rows_of
from verifier.tlog.merkle import leaf_hash


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    SqliteStore.create(path, head=EMPTY)
    return path


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(database)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE entries SET entry = x'00'", "entries is append-only: no UPDATE"),
        ("DELETE FROM entries", "entries is append-only: no DELETE"),
        (
            "INSERT INTO entries VALUES (5, x'00', zeroblob(32))",
            "entries is append-only: index out of order",
        ),
        ("DELETE FROM head", "head cannot be deleted"),
        ("UPDATE head SET size = 0", "head cannot shrink"),
        ("UPDATE head SET root = x'00'", "CHECK constraint failed: root_size"),
        (
            "INSERT INTO head SELECT 2, size, root, checkpoint, timestamp FROM head",
            "CHECK constraint failed: one_row",
        ),
        (
            "INSERT INTO entries VALUES (1, x'', zeroblob(32))",
            "CHECK constraint failed: entry_size",
        ),
        (
            "INSERT INTO entries VALUES (1, 'text', zeroblob(32))",
            "CHECK constraint failed: entry_size",
        ),
        (
            "INSERT INTO entries VALUES (1, zeroblob(65536), zeroblob(32))",
            "CHECK constraint failed: entry_size",
        ),
        (
            "INSERT INTO entries VALUES (1, x'00', x'00')",
            "CHECK constraint failed: leaf_size",
        ),
        (
            "INSERT INTO entries SELECT 1, entry, leaf_hash FROM entries",
            "UNIQUE constraint failed: entries.leaf_hash",
        ),
    ],
)
def test_the_database_itself_refuses(
    store: SqliteStore, database: Path, statement: str, message: str
) -> None:
    append(store, EMPTY, rows_of(0, 1))
    with closing(sqlite3.connect(database)) as anyone, pytest.raises(sqlite3.Error) as caught:
        anyone.execute(statement)
    assert str(caught.value) == message


def test_replace_does_not_get_around_the_triggers(store: SqliteStore) -> None:
    head = append(store, EMPTY, rows_of(0, 1))
    sql = "INSERT OR REPLACE INTO entries VALUES (0, x'00', zeroblob(32))"
    with pytest.raises(StorageError) as caught, store.begin(expected=head) as transaction:
        transaction._connection.exec_driver_sql(sql)
    assert caught.value.what == "database"
    assert "append-only" in caught.value.got
    assert store.rows(0, 1) == rows_of(0, 1)


def test_rows_of_any_size_come_back(store: SqliteStore) -> None:
    sizes = (1, 65_535, 2, *range(90, 110), 999, 1000, 9_999, 10_000, 65_535, 1)
    entries = [bytes([number]) * size for number, size in enumerate(sizes)]
    rows = tuple(Row(n, entry, leaf_hash(entry)) for n, entry in enumerate(entries))
    append(store, EMPTY, rows)
    assert store.rows(0, len(rows) + 1) == rows


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Row(2, b"", bytes(32)), "CHECK constraint failed: entry_size"),
        (Row(2, bytes(65_536), bytes(32)), "CHECK constraint failed: entry_size"),
        (Row(2, b"one", bytes(31)), "CHECK constraint failed: leaf_size"),
    ],
)
def test_of_wrong_rows_none_is_inserted(store: SqliteStore, wrong: Row, message: str) -> None:
    with pytest.raises(StorageError) as caught:
        append(store, EMPTY, (*rows_of(0, 2), wrong))
    assert caught.value.got == message
    assert (store.head(), store.rows(0, 9)) == (EMPTY, ())


@pytest.mark.parametrize(
    ("version", "mode", "synchronous"),
    [
        ((3, 7, 0), "PERSIST", "EXTRA"),
        ((3, 40, 1), "PERSIST", "EXTRA"),
        ((3, 51, 2), "PERSIST", "EXTRA"),
        ((3, 51, 3), "WAL", "FULL"),
        ((3, 51, 9), "WAL", "FULL"),
        ((3, 52, 0), "PERSIST", "EXTRA"),
        ((3, 53, 0), "WAL", "FULL"),
        ((4, 0, 0), "WAL", "FULL"),
    ],
)
def test_write_ahead_logging_only_where_it_loses_nothing(
    version: tuple[int, int, int], mode: str, synchronous: str
) -> None:
    journal = journal_for(version)
    assert (journal.mode, journal.synchronous) == (mode, synchronous)


@pytest.mark.parametrize(
    ("journal", "mode", "level"),
    [
        (journal_for((3, 51, 2)), "persist", 3),
        (journal_for((3, 51, 3)), "wal", 2),
    ],
)
def test_the_gate_reaches_the_database(
    database: Path, journal: Journal, mode: str, level: int
) -> None:
    with closing(SqliteStore(database, journal=journal)) as store:
        connection = store._connection
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == mode
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == level
        assert connection.exec_driver_sql("PRAGMA mmap_size").scalar_one() == 0
        append(store, EMPTY, rows_of(0, 2))
    assert str(journal).endswith(f"journal_mode={mode.upper()} synchronous={journal.synchronous}")


def test_a_journal_mode_that_sqlite_does_not_take_is_refused(database: Path) -> None:
    with pytest.raises(StorageError) as caught:
        SqliteStore(database, journal=Journal("WALL", "FULL", (3, 53, 0)))
    assert (caught.value.what, caught.value.expected) == ("sqlite journal_mode", "WALL")


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqliteStore(tmp_path / "log.db")
    assert (caught.value.what, caught.value.got) == ("log.db", "no file")
    assert not (tmp_path / "log.db").exists()


def test_create_never_replaces(database: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqliteStore.create(database, head=EMPTY)
    assert (caught.value.expected, caught.value.got) == ("no file", "a file")


def test_another_schema_version(database: Path) -> None:
    with closing(sqlite3.connect(database)) as anyone:
        anyone.execute("PRAGMA user_version = 2")
    with pytest.raises(ConfigurationError) as caught:
        SqliteStore(database)
    assert caught.value.what == "database schema version"
    assert (caught.value.expected, caught.value.got) == ("1", "2")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError) as caught:
        SqliteStore(path)
    assert caught.value.got == "file is not a database"


def test_a_locked_database_is_an_error_not_a_wait_for_ever(
    store: SqliteStore, database: Path
) -> None:
    store._connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError) as caught, store.begin(expected=EMPTY):
            pytest.fail("the transaction began")
    assert caught.value.got == "database is locked"
