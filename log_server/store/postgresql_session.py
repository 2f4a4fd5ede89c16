"""One connection to PostgreSQL: checked at its start, never replaced behind the caller's back.

No pool, and no reconnecting: locks belong to a session, and whoever loses it must know. The driver
is imported when the first session is opened, and by nothing else.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from log_server.errors import ConfigurationError, LogError, StorageError
from log_server.store.database_url import DatabaseUrl
from verifier.tlog.strict import parse_decimal

__all__ = ["OLDEST_SERVER", "PostgresqlSession", "Server", "require_durable"]

OLDEST_SERVER = 140000
"""``server_version_num`` of the oldest PostgreSQL that is taken: 14."""

_CONNECT = {
    "connect_timeout": 5,
    # A server that vanishes without a word is noticed in some 15 seconds, not in two hours.
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "client_encoding": "utf8",
}

_SETTINGS = (
    ("synchronous_commit", "on"),
    ("search_path", "pg_catalog"),
    ("lock_timeout", "5s"),
    # Never a time limit on COMMIT: cancelled while it waits for a standby it says that it is done.
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("default_transaction_isolation", "read committed"),
)

_SERVER = """SELECT current_setting('server_version_num'), current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('synchronous_commit'),
    pg_is_in_recovery()"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server says of itself. ``version``: its ``server_version_num``, 150012 for 15.12."""

    version: int
    fsync: str
    full_page_writes: str
    synchronous_commit: str

    def __str__(self) -> str:
        major, minor = divmod(self.version, 10_000)
        return (
            f"postgresql {major}.{minor}: fsync={self.fsync}"
            f" full_page_writes={self.full_page_writes}"
            f" synchronous_commit={self.synchronous_commit}"
        )


def require_durable(server: Server) -> None:
    """Raises ConfigurationError about a server that is too old or may forget what it committed."""
    if server.version < OLDEST_SERVER:
        expected = f"PostgreSQL {OLDEST_SERVER // 10_000} or newer"
        got = ".".join(map(str, divmod(server.version, 10_000)))
        raise ConfigurationError("version of the database server", expected=expected, got=got)
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        got = getattr(server, name)
        if got != "on":
            raise ConfigurationError(
                f"setting {name} of the database server",
                expected="on",
                got=got,
                hint="without it a commit may be lost, or a page torn, when power fails",
            )


class PostgresqlSession:
    """An open session. Used by one thread at a time."""

    def __init__(self, address: DatabaseUrl, *, role: str) -> None:
        """Connect. The server's list of sessions shows ``role`` and the number of this process.

        Raises ConfigurationError for a server that ``require_durable`` refuses, or without the
        driver; StorageError if the server does not answer, or only repeats another one.
        """
        named = {"application_name": _shown(role)}
        try:
            self._engine = create_engine(
                address.url,
                # Every transaction here is begun and ended by a statement that can be read.
                isolation_level="AUTOCOMMIT",
                poolclass=NullPool,
                connect_args=_CONNECT | named,
            )
        except ModuleNotFoundError as error:
            expected = "the extra postgresql: pip install 'cvm-audit[log,postgresql]'"
            got = f"no {error.name}"
            raise ConfigurationError(f"database {address}", expected=expected, got=got) from None
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        with self._storage_errors():
            self._connection = self._engine.connect()
        try:
            self.server = self._configure()
        except LogError:
            self.close()
            raise

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """The rows of one statement in the driver's own style. Raises StorageError."""
        with self._storage_errors():
            result = self._connection.exec_driver_sql(
                # Without parameters a % is only a %.
                statement,
                tuple(parameters),
                execution_options={"no_parameters": True},
            )
            return list(result.all()) if result.returns_rows else []

    def count(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """How many rows one statement changed. Raises StorageError."""
        with self._storage_errors():
            return self._connection.exec_driver_sql(statement, tuple(parameters)).rowcount

    def rename(self, role: str) -> None:
        """Show another role in the server's list of sessions."""
        self.execute("SELECT set_config('application_name', %s, false)", (_shown(role),))

    def try_lock(self, key: int) -> bool:
        """Take the advisory lock ``key`` (64 bits, signed) for this session, if it is free."""
        return bool(self.execute("SELECT pg_try_advisory_lock(%s)", (key,))[0][0])

    def holds(self, key: int) -> bool:
        """Whether this session, as the server knows it, has the advisory lock ``key``.

        A pooler between us and the server could give each statement to another session.
        """
        held = self.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND pid = pg_backend_pid() AND (classid::bigint << 32) | objid::bigint = %s",
            (key,),
        )
        return bool(held)

    def wait(self, seconds: float, *, wake: int | None = None) -> tuple[str, ...]:
        """Payloads of the notifications that came, after at most ``seconds``.

        Returns early when the descriptor ``wake`` is readable. Raises StorageError.
        """
        arrived = self._notified()
        if arrived or seconds <= 0:
            return arrived
        with selectors.DefaultSelector() as selector, self._storage_errors():
            selector.register(self._driver().fileno(), selectors.EVENT_READ)
            if wake is not None:
                selector.register(wake, selectors.EVENT_READ)
            selector.select(seconds)
        return self._notified()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit when the block ends, roll back if it raises."""
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # The session may be gone, and its transaction with it.
            with suppress(StorageError):
                self.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """End the session; idempotent. Its locks are free when the server has noticed."""
        with suppress(SQLAlchemyError):
            self._connection.close()
        self._engine.dispose()

    def _notified(self) -> tuple[str, ...]:
        with self._storage_errors():
            return tuple(notify.payload for notify in self._driver().notifies(timeout=0))

    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    def _configure(self) -> Server:
        for name, value in _SETTINGS:
            self.execute("SELECT set_config(%s, %s, false)", (name, value))
        version, fsync, full_page_writes, synchronous_commit, standby = self.execute(_SERVER)[0]
        server = Server(
            version=parse_decimal(version, what="server_version_num"),
            fsync=fsync,
            full_page_writes=full_page_writes,
            synchronous_commit=synchronous_commit,
        )
        require_durable(server)
        if standby:
            raise StorageError("database", expected="a server that is written", got="a standby")
        return server

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, self._driver_error, OSError) as error:
            cause = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise StorageError("database", expected="success", got=cause) from error


def _shown(role: str) -> str:
    return f"cvm-log {role} {os.getpid()}"
