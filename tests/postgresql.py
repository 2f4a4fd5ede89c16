"""A PostgreSQL of the tests' own: a new cluster, a socket in a private directory, no TCP."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from log_server.store.database_url import DatabaseUrl, parse_database_url

__all__ = ["Cluster", "cluster", "postgresql_is_owed", "programs"]

_USER = "owner"


def programs() -> Path | None:
    """Where ``initdb`` and ``postgres`` are: Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    return None if initdb is None else Path(initdb).parent


def postgresql_is_owed(environment: Mapping[str, str]) -> bool:
    """Whether its absence is a failure."""
    return bool(environment.get("CI"))


class Cluster:
    """A cluster that can be started and stopped; ``fsync`` is on unless ``start`` is told else."""

    def __init__(self, binaries: Path, root: Path, command: Sequence[str]) -> None:
        """``command`` goes before every program: PostgreSQL does not run as root."""
        self._binaries = binaries
        self._root = root
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def make(self) -> None:
        arguments = ["-D", str(self._root / "data"), "-A", "trust", "-U", _USER, "-E", "UTF8"]
        subprocess.run(
            [
                *self._command,
                self._binaries / "initdb",
                *arguments,
                "--locale=C",
                "--no-sync",
                "--wal-segsize=1",
            ],
            check=True,
            capture_output=True,
            cwd=self._root,
        )

    def start(self, **settings: str) -> None:
        """Start and wait until it answers."""
        given = {"listen_addresses": "", "unix_socket_directories": str(self._root)} | settings
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self._root / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._command, self._binaries / "postgres", "-D", self._root / "data", *options],
                stdout=log,
                stderr=log,
                cwd=self._root,
            )
        end = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < end, (self._root / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all sessions in order; SIGQUIT is a crash. setpriv became the server."""
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(30)
            self._server = None

    @contextmanager
    def standby(self) -> Iterator[None]:
        """Run as a server that repeats another one while the block runs; as before after it."""
        mark = self._root / "data" / "standby.signal"
        mark.touch()
        self.start()
        try:
            yield
        finally:
            self.stop()
            mark.unlink()
            self.start()

    def database(self) -> DatabaseUrl:
        """The database that every test has in turn, emptied."""
        if not self.run("SELECT 1 FROM pg_database WHERE datname = 'log'"):
            self.run("CREATE DATABASE log")
        self.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'log'"
        )
        empty = self.url("log")
        self.run("DROP SCHEMA IF EXISTS cvm_log CASCADE", empty)
        return empty

    def another_database(self) -> DatabaseUrl:
        """A new one: hundreds of files, each written and synced."""
        name = f"log_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str, *, user: str = _USER) -> DatabaseUrl:
        return parse_database_url(f"postgresql+psycopg://{user}@/{name}?host={self._root}")

    def run(
        self, statement: str, database: DatabaseUrl | None = None, *, user: str = _USER
    ) -> list[tuple[Any, ...]]:
        """What anybody with psql could do."""
        name = "postgres" if database is None else str(database.url.database)
        with psycopg.connect(
            host=str(self._root), dbname=name, user=user, autocommit=True
        ) as session:
            result = session.execute(statement.encode())
            return result.fetchall() if result.description else []

    def dump(self, database: DatabaseUrl) -> bytes:
        """What ``pg_dump`` makes of a database."""
        return self._client("pg_dump", database).stdout

    def restore(self, database: DatabaseUrl, dumped: bytes) -> None:
        self._client("psql", database, "-q", "-v", "ON_ERROR_STOP=1", given=dumped)

    def _client(
        self, program: str, database: DatabaseUrl, *options: str, given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        connection = ["-h", str(self._root), "-U", _USER, "-d", str(database.url.database)]
        return subprocess.run(
            [self._binaries / program, *connection, *options],
            check=True,
            capture_output=True,
            input=given,
        )


@contextmanager
def cluster(binaries: Path) -> Iterator[Cluster]:
    """A running cluster that is gone when the block ends."""
    root = Path(tempfile.mkdtemp(prefix="cvm-log-postgresql-"))
    command: list[str] = []
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        os.chown(root, user.pw_uid, user.pw_gid)
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        command = ["setpriv", *ids]
    made = Cluster(binaries, root, command)
    try:
        made.make()
        made.start()
        yield made
    finally:
        made.stop(signal.SIGQUIT)
        shutil.rmtree(root)
