from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from log_server.errors import ConfigurationError, DamagedError, LockedError, StorageError
from log_server.store.database_url import DatabaseUrl, parse_database_url
from log_server.store.postgresql import PostgresqlStore, lock_key
from log_server.store.postgresql_session import PostgresqlSession, Server, require_durable
from tests.log_server.storing import EMPTY, append, head_of, rows_of
from tests.postgresql import Cluster

LOCK = lock_key("log.test/postgresql")


@pytest.fixture
def database(postgresql: Cluster) -> DatabaseUrl:
    made = postgresql.database()
    PostgresqlStore.create(made, head=EMPTY)
    return made


@pytest.fixture
def store(database: DatabaseUrl) -> Iterator[PostgresqlStore]:
    with closing(PostgresqlStore(database, lock=LOCK)) as opened:
        yield opened


@pytest.fixture(scope="module")
def one_entry(postgresql: Cluster) -> DatabaseUrl:
    """Shared by tests that must not be able to change it."""
    made = postgresql.another_database()
    PostgresqlStore.create(made, head=EMPTY)
    with closing(PostgresqlStore(made, lock=LOCK)) as store:
        append(store, EMPTY, rows_of(0, 1))
    return made


def _opened_soon(database: DatabaseUrl) -> PostgresqlStore:
    # The server lets go of a lock when it has noticed that the session ended.
    end = time.monotonic() + 10
    while True:
        try:
            return PostgresqlStore(database, lock=LOCK)
        except LockedError:
            assert time.monotonic() < end
            time.sleep(0.01)


APPEND_ONLY = "entries is append-only"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE cvm_log.entries SET entry = 'x'", f"{APPEND_ONLY}: no UPDATE"),
        ("DELETE FROM cvm_log.entries", f"{APPEND_ONLY}: no DELETE"),
        ("TRUNCATE cvm_log.entries", f"{APPEND_ONLY}: no TRUNCATE"),
        (
            "INSERT INTO cvm_log.entries VALUES (5, 'x', sha256('\\x0078'))",
            f"{APPEND_ONLY}: index out of order",
        ),
        (
            "INSERT INTO cvm_log.entries VALUES (2, 'x', sha256('\\x0078'))",
            f"{APPEND_ONLY}: index out of order",
        ),
        ("DELETE FROM cvm_log.head", "head stays: no DELETE"),
        ("TRUNCATE cvm_log.head", "head stays: no TRUNCATE"),
        ("UPDATE cvm_log.head SET size = 0", "head cannot shrink"),
        ("UPDATE cvm_log.head SET root = sha256('')", "head cannot have a second root of one size"),
        ("UPDATE cvm_log.head SET size = 2, root = 'x'", 'violates check constraint "root_size"'),
        (
            "INSERT INTO cvm_log.head VALUES (2, 0, sha256(''), '', 0)",
            'violates check constraint "one_row"',
        ),
        (
            "INSERT INTO cvm_log.entries VALUES (1, '', sha256('\\x00'))",
            'violates check constraint "entry_size"',
        ),
        (
            "INSERT INTO cvm_log.entries SELECT 1, decode(repeat('00', 65536), 'hex'), sha256('x')",
            'violates check constraint "entry_size"',
        ),
        (
            "INSERT INTO cvm_log.entries VALUES (1, 'x', sha256('x'))",
            'violates check constraint "leaf_hash_of_entry"',
        ),
        (
            "INSERT INTO cvm_log.entries VALUES (-1, 'x', sha256('\\x0078'))",
            'violates check constraint "index_not_negative"',
        ),
        (
            "INSERT INTO cvm_log.entries SELECT 1, entry, leaf_hash FROM cvm_log.entries",
            'violates unique constraint "entries_leaf_hash_key"',
        ),
    ],
)
def test_the_database_itself_refuses(
    postgresql: Cluster, one_entry: DatabaseUrl, statement: str, message: str
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        postgresql.run(statement, one_entry)
    assert message in str(caught.value)
    with closing(PostgresqlStore(one_entry, lock=LOCK)) as store:
        assert (store.head(), store.rows(0, 9)) == (head_of(1), rows_of(0, 1))


def test_a_role_that_serves_cannot_switch_off_what_the_database_refuses(
    postgresql: Cluster, database: DatabaseUrl
) -> None:
    for statement in (
        "DROP ROLE IF EXISTS server",
        "CREATE ROLE server LOGIN",
        "GRANT USAGE ON SCHEMA cvm_log TO server",
        "GRANT SELECT ON ALL TABLES IN SCHEMA cvm_log TO server",
        "GRANT INSERT ON cvm_log.entries TO server",
        "GRANT UPDATE ON cvm_log.head TO server",
        "GRANT INSERT, UPDATE, DELETE ON cvm_log.submissions, cvm_log.sequencer TO server",
    ):
        postgresql.run(statement, database)
    served = postgresql.url(str(database.url.database), user="server")
    with closing(PostgresqlStore(served, lock=LOCK)) as store:
        append(store, EMPTY, rows_of(0, 3))
        for statement in (
            "ALTER TABLE cvm_log.entries DISABLE TRIGGER ALL",
            "DROP TRIGGER entries_append_only ON cvm_log.entries",
            "DROP SCHEMA cvm_log CASCADE",
            "SET session_replication_role = replica",
            "DELETE FROM cvm_log.entries",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                postgresql.run(statement, database, user="server")


def test_a_database_holds_one_log(database: DatabaseUrl) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PostgresqlStore.create(database, head=EMPTY)
    assert caught.value.what == f"database {database}"
    assert (caught.value.expected, caught.value.got) == ("no schema cvm_log", "one")


def test_a_database_without_a_log(postgresql: Cluster) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PostgresqlStore(postgresql.database(), lock=LOCK)
    assert (caught.value.what, caught.value.got) == ("database", "none")
    assert caught.value.expected == "the schema cvm_log of a log"


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ("UPDATE cvm_log.schema_version SET version = 2", "2"),
        ("INSERT INTO cvm_log.schema_version VALUES (7)", "1 and 7"),
        ("DELETE FROM cvm_log.schema_version", "none"),
    ],
)
def test_another_schema_version(
    postgresql: Cluster, database: DatabaseUrl, change: str, got: str
) -> None:
    postgresql.run(change, database)
    with pytest.raises(ConfigurationError) as caught:
        PostgresqlStore(database, lock=LOCK)
    assert caught.value.what == "database schema version"
    assert (caught.value.expected, caught.value.got) == ("1", got)


def test_a_head_that_was_removed(postgresql: Cluster, database: DatabaseUrl) -> None:
    postgresql.run(
        "ALTER TABLE cvm_log.head DISABLE TRIGGER ALL; DELETE FROM cvm_log.head", database
    )
    with (
        closing(PostgresqlStore(database, lock=LOCK)) as store,
        pytest.raises(DamagedError) as caught,
    ):
        store.head()
    assert (caught.value.what, caught.value.got) == ("database head", "0 rows")


def test_one_session_has_the_lock(database: DatabaseUrl, store: PostgresqlStore) -> None:
    with pytest.raises(LockedError) as caught:
        PostgresqlStore(database, lock=LOCK)
    assert caught.value.what == "lock of the log"
    assert caught.value.got == "another session of the database holds it"
    store.close()
    with closing(PostgresqlStore(database, lock=LOCK)) as second:
        assert second.head() == EMPTY


def test_another_log_has_another_lock() -> None:
    assert lock_key("log.test/a") != lock_key("log.test/b")
    assert -(2**63) <= lock_key("log.test/a") < 2**63


def test_a_session_that_lost_the_lock_cannot_commit(store: PostgresqlStore) -> None:
    # As behind a pooler that gives each statement to another session.
    store.session.execute("SELECT pg_advisory_unlock_all()")
    with pytest.raises(StorageError) as caught:
        append(store, EMPTY, rows_of(0, 1))
    assert caught.value.what == "lock of the log"
    assert caught.value.expected == "held by the session that commits"
    assert caught.value.got == "not held"
    assert (store.head(), store.rows(0, 1)) == (EMPTY, ())


def test_a_session_that_ends_takes_its_transaction_with_it(
    postgresql: Cluster, database: DatabaseUrl, store: PostgresqlStore
) -> None:
    def lose() -> None:
        with store.begin(expected=EMPTY) as transaction:
            transaction.insert(rows_of(0, 1))
            postgresql.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'cvm-log sequencer %'",
                database,
            )

    with pytest.raises(StorageError) as caught:
        lose()
    assert caught.value.what == "database"
    assert caught.value.got == "terminating connection due to administrator command"
    with closing(_opened_soon(database)) as second:
        assert (second.head(), second.rows(0, 1)) == (EMPTY, ())


def test_a_locked_head_is_an_error_not_a_wait_for_ever(
    database: DatabaseUrl, store: PostgresqlStore
) -> None:
    store.session.execute("SELECT set_config('lock_timeout', '50ms', false)")
    with closing(PostgresqlSession(database, role="other")) as other, other.transaction():
        other.execute("SELECT 1 FROM cvm_log.head FOR UPDATE")
        with pytest.raises(StorageError) as caught, store.begin(expected=EMPTY):
            pytest.fail("the transaction began")
    assert caught.value.got == "canceling statement due to lock timeout"


def test_what_a_session_says_and_sets(postgresql: Cluster, database: DatabaseUrl) -> None:
    name = str(database.url.database)
    postgresql.run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    postgresql.run(f"ALTER DATABASE {name} SET statement_timeout = '7s'")
    with closing(PostgresqlStore(database, lock=LOCK)) as store:
        major = store.session.server.version // 10_000
        assert store.journal.startswith(f"postgresql {major}.")
        assert store.journal.endswith(" fsync=on full_page_writes=on synchronous_commit=on")
        for setting, value in (
            ("synchronous_commit", "on"),
            ("lock_timeout", "5s"),
            ("statement_timeout", "0"),
        ):
            assert store.session.execute(f"SHOW {setting}") == [(value,)]
    postgresql.run(f"ALTER DATABASE {name} RESET ALL")


def test_a_server_that_may_forget_is_refused(postgresql: Cluster, database: DatabaseUrl) -> None:
    postgresql.stop()
    postgresql.start(fsync="off")
    try:
        with pytest.raises(ConfigurationError) as caught:
            PostgresqlStore(database, lock=LOCK)
    finally:
        postgresql.stop()
        postgresql.start()
    assert caught.value.what == "setting fsync of the database server"
    assert (caught.value.expected, caught.value.got) == ("on", "off")


def test_a_standby_is_not_written(postgresql: Cluster, database: DatabaseUrl) -> None:
    postgresql.stop()
    # Its advisory locks are its own: two programs could be elected, on two servers.
    with postgresql.standby(), pytest.raises(StorageError) as caught:
        PostgresqlStore(database, lock=LOCK)
    assert caught.value.what == "database"
    assert (caught.value.expected, caught.value.got) == ("a server that is written", "a standby")


DURABLE = Server(version=140000, fsync="on", full_page_writes="on", synchronous_commit="on")


@pytest.mark.parametrize(
    ("server", "what", "expected", "got"),
    [
        (
            replace(DURABLE, version=130022),
            "version of the database server",
            "PostgreSQL 14 or newer",
            "13.22",
        ),
        (
            replace(DURABLE, full_page_writes="off"),
            "setting full_page_writes of the database server",
            "on",
            "off",
        ),
        (
            replace(DURABLE, synchronous_commit="local"),
            "setting synchronous_commit of the database server",
            "on",
            "local",
        ),
    ],
)
def test_servers_that_are_refused(server: Server, what: str, expected: str, got: str) -> None:
    require_durable(DURABLE)
    with pytest.raises(ConfigurationError) as caught:
        require_durable(server)
    assert caught.value.what == what
    assert (caught.value.expected, caught.value.got) == (expected, got)


def test_no_server() -> None:
    nowhere = parse_database_url("postgresql+psycopg://owner@/log?host=/nowhere")
    with pytest.raises(StorageError) as caught:
        PostgresqlStore(nowhere, lock=LOCK)
    assert caught.value.what == "database"
    assert "No such file or directory" in caught.value.got


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = "postgresql+psycopg://owner@/log"
    with pytest.raises(ConfigurationError) as caught:
        PostgresqlStore(parse_database_url(url), lock=LOCK)
    assert (caught.value.what, caught.value.got) == (f"database {url}", "no psycopg")
    assert caught.value.expected == (
        "the extra postgresql: pip install 'cvm-audit[log,postgresql]'"
    )
