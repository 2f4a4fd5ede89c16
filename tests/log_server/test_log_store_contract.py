"""What every database of a log promises, held against each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from log_server.errors import HeadMovedError, StorageError
from log_server.store.contract import Store
from log_server.store.postgresql import PostgresqlStore
from log_server.store.sqlite import SqliteStore
from tests.log_server.storing import EMPTY, append, head_of, rows_of
from tests.postgresql import Cluster
from verifier.tlog.merkle import EMPTY_ROOT

Open = Callable[[int], Store]
"""Opens one database again and again; each program under a lock of its own, given by number."""


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "sqlite":
        SqliteStore.create(tmp_path / "log.db", head=EMPTY)
        return lambda _: SqliteStore(tmp_path / "log.db")
    cluster: Cluster = request.getfixturevalue("postgresql")
    database = cluster.database()
    PostgresqlStore.create(database, head=EMPTY)
    return lambda number: PostgresqlStore(database, lock=number)


@pytest.fixture
def store(open_store: Open) -> Iterator[Store]:
    with closing(open_store(1)) as opened:
        yield opened


def test_a_commit_is_there_for_the_next_program(open_store: Open) -> None:
    with closing(open_store(1)) as store:
        assert store.head() == EMPTY
        new = append(store, EMPTY, rows_of(0, 3))
    with closing(open_store(2)) as store:
        assert store.head() == new
        assert store.rows(0, 10) == rows_of(0, 3)
        assert store.rows(1, 2) == rows_of(1, 1)


def test_a_transaction_reads_what_it_inserted(store: Store) -> None:
    with store.begin(expected=EMPTY) as transaction:
        transaction.insert(rows_of(0, 5))
        assert transaction.rows(0, 5) == rows_of(0, 5)
        assert transaction.rows(2, 3) == rows_of(2, 1)
        assert transaction.indices((rows_of(4, 1)[0].leaf_hash,)) == {rows_of(4, 1)[0].leaf_hash: 4}


def test_indices_of_known_hashes(store: Store) -> None:
    head = append(store, EMPTY, rows_of(0, 1200))
    asked = tuple(row.leaf_hash for row in rows_of(600, 1200))
    with store.begin(expected=head) as transaction:
        known = transaction.indices(asked)
        assert transaction.indices(()) == {}
    assert known == {row.leaf_hash: row.index for row in rows_of(600, 600)}


def test_an_exception_rolls_back(store: Store) -> None:
    def fail() -> None:
        with store.begin(expected=EMPTY) as transaction:
            transaction.insert(rows_of(0, 1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (store.head(), store.rows(0, 1)) == (EMPTY, ())


def test_a_writer_with_an_older_head_is_refused_before_it_writes(store: Store) -> None:
    append(store, EMPTY, rows_of(0, 1))
    with pytest.raises(HeadMovedError) as caught, store.begin(expected=EMPTY):
        pytest.fail("the transaction began")
    assert caught.value.expected == f"size 0 root {EMPTY_ROOT.hex()}"
    assert caught.value.got == f"size 1 root {(b'r' * 32).hex()}"


def test_of_two_stores_on_one_database_the_second_is_refused(open_store: Open) -> None:
    with closing(open_store(1)) as first, closing(open_store(2)) as second:
        assert first.head() == second.head()
        append(first, EMPTY, rows_of(0, 1))
        with pytest.raises(HeadMovedError):
            append(second, EMPTY, rows_of(0, 1))


def test_advance_is_a_compare_and_swap(store: Store) -> None:
    def advance_twice() -> None:
        with store.begin(expected=EMPTY) as transaction:
            transaction.advance(head_of(1))
            transaction.advance(head_of(2))

    with pytest.raises(HeadMovedError) as caught:
        advance_twice()
    assert (caught.value.expected, caught.value.got) == ("size 0", "another head")
    assert store.head() == EMPTY


@pytest.mark.parametrize("start", [1, 7])
def test_a_gap_is_refused(store: Store, start: int) -> None:
    with pytest.raises(StorageError, match="index out of order") as caught:
        append(store, EMPTY, rows_of(start, 1))
    assert caught.value.what == "database"
    assert store.rows(0, 10) == ()


def test_a_gap_within_a_batch_is_refused(store: Store) -> None:
    rows = (*rows_of(0, 2), *rows_of(3, 1))
    with pytest.raises(StorageError, match="index out of order"):
        append(store, EMPTY, rows)
    assert store.rows(0, 10) == ()


def test_an_index_that_is_taken_is_refused(store: Store) -> None:
    head = append(store, EMPTY, rows_of(0, 2))
    again = tuple(row._replace(index=1) for row in rows_of(5, 1))
    with pytest.raises(StorageError), store.begin(expected=head) as transaction:
        transaction.insert(again)
    assert store.rows(0, 10) == rows_of(0, 2)


def test_an_entry_that_is_there_is_refused(store: Store) -> None:
    head = append(store, EMPTY, rows_of(0, 2))
    again = tuple(row._replace(index=2) for row in rows_of(0, 1))
    with pytest.raises(StorageError, match="leaf_hash"), store.begin(expected=head) as transaction:
        transaction.insert(again)
    assert store.rows(0, 10) == rows_of(0, 2)
