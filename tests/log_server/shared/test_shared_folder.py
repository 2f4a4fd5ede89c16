"""The verbs of ``cvm-log`` on a log in PostgreSQL."""

from __future__ import annotations

import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from log_server.errors import ConfigurationError, FrozenError, LockedError, StoppedError
from log_server.freeze import freeze
from log_server.lock import LogLock
from log_server.log_folder import LogFolder, create_log, open_log
from log_server.shared.folder import share_log
from log_server.shared.published import PublishedFiles
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql import PostgresqlStore, lock_key
from log_server.witnessing import PATIENCE
from tests.log_server.shared.conftest import NOW, Place
from tests.postgresql import Cluster
from tests.running import cvm_log, served
from tests.verifier.release.stating import ORIGIN


def test_a_log_from_beginning_to_end(tmp_path: Path, postgresql: Cluster) -> None:
    root, database = tmp_path / "log", postgresql.database()
    made = cvm_log("init", root, "--origin", ORIGIN, "--database", database, "--ml-dsa")
    assert made.code == 0, made.err
    key = made.last
    assert (root / "database").read_text() == f"{database}\n"
    assert stat.S_IMODE((root / "database").stat().st_mode) == 0o600
    assert not (root / "log.db").exists()
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    done = cvm_log("publish", root, tmp_path / "one", tmp_path / "two", tmp_path / "one")
    assert [line.split()[0] for line in done.out.splitlines()] == ["0", "1", "0"]
    assert cvm_log("show", root, "--index", "1").out == "two"
    with served(root) as url:
        assert cvm_log("fsck", url, "--vkey", key).last == "sound"
        # Which process has the locks is a matter of half a second after its start.
        assert cvm_log("fsck", root, "--vkey", key).last == "sound"
    exported = cvm_log("export", root, "-o", tmp_path / "exported")
    assert exported.out.splitlines()[0] == "size 2"
    frozen = cvm_log("freeze", root, "--reason", "moved")
    assert frozen.out.splitlines()[0] == "size 2"
    assert frozen.last == "frozen"
    for verb in (("publish", root, tmp_path / "one"), ("serve", root)):
        refused = cvm_log(*verb)
        assert refused.code == 1
        assert refused.err.startswith("cvm-log: log is frozen: ")


def test_an_export_becomes_a_log_in_postgresql(tmp_path: Path, postgresql: Cluster) -> None:
    root = tmp_path / "file"
    key = create_log(root, origin=ORIGIN, now=NOW)
    with open_log(root) as log:
        log.sequencer.commit([b"entry-%d" % number for number in range(300)], now=NOW)
    assert cvm_log("export", root, "-o", tmp_path / "exported").code == 0
    database, moved = postgresql.database(), tmp_path / "moved"
    arguments = ["--key", root / "log.key", "--newest", root / "anchor", "--database", database]
    imported = cvm_log("import", tmp_path / "exported", moved, "--vkey", key, *arguments)
    assert imported.code == 0, imported.err
    assert imported.out.splitlines()[0] == "size 300"
    with open_log(moved) as log:
        done = log.sequencer.commit([b"entry-299", b"new"], now=datetime.now(UTC))
        assert done.indices == (299, 300)
        assert log.journal.startswith("postgresql ")
    assert cvm_log("fsck", moved, "--vkey", key).last == "sound"


@pytest.mark.parametrize("verb", ["init", "serve"])
def test_a_password_on_the_command_line(tmp_path: Path, verb: str) -> None:
    root = tmp_path / "log"
    url = "postgresql+psycopg://log:hunter2@localhost/log"
    options = ["--origin", ORIGIN] if verb == "init" else []
    if verb == "serve":
        create_log(root, origin=ORIGIN, now=NOW)
        (root / "log.db").unlink()
        (root / "database").write_text(f"{url}\n")
    else:
        options += ["--database", url]
    refused = cvm_log(verb, root, *options)
    assert refused.code == 2
    assert refused.err.splitlines()[0] == (
        "cvm-log: database URL: one with a password (expected no password)"
    )
    assert "hunter2" not in refused.out + refused.err
    assert verb == "serve" or not root.exists()


def test_a_database_for_a_log_that_is_in_a_file(tmp_path: Path) -> None:
    create_log(tmp_path / "log", origin=ORIGIN, now=NOW)
    refused = cvm_log("serve", tmp_path / "log", "--database", "postgresql+psycopg:///log")
    assert refused.code == 2
    expected = "cvm-log: --database: one in log.db (expected a log in PostgreSQL)"
    assert refused.err.splitlines() == [expected]


def test_two_databases_of_one_log(place: Place) -> None:
    (place.root / "log.db").touch()
    with pytest.raises(ConfigurationError) as caught, open_log(place.root):
        pytest.fail("it was opened")
    assert caught.value.what == str(place.root)
    assert (caught.value.expected, caught.value.got) == ("one database", "log.db and database")


def test_no_new_log_in_a_database_that_has_one(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_log(tmp_path / "second", origin=ORIGIN, now=NOW, database=place.database)
    assert (caught.value.expected, caught.value.got) == ("no schema cvm_log", "one")
    assert not (tmp_path / "second").exists()


def test_both_locks_are_needed(place: Place) -> None:
    folder = LogFolder(place.root)
    with (
        closing(PostgresqlStore(place.database, lock=lock_key(ORIGIN))),
        pytest.raises(LockedError) as caught,
        open_log(place.root),
    ):
        pytest.fail("it was opened")
    assert caught.value.got == "another session of the database holds it"
    with (
        closing(LogLock(folder.lock)),
        pytest.raises(LockedError) as caught,
        open_log(place.root),
    ):
        pytest.fail("it was opened")
    assert caught.value.got == "a running server or publisher holds it"
    # Whoever got only one of them let it go again.
    with open_log(place.root) as log:
        assert log.sequencer.head.tree.size == 0


def test_fsck_sees_what_a_database_administrator_changed(place: Place, postgresql: Cluster) -> None:
    with open_log(place.root) as log:
        log.sequencer.commit([b"one", b"two"], now=NOW)
        key = log.keys[0]
    for statement in (
        "ALTER TABLE cvm_log.entries DISABLE TRIGGER ALL",
        "ALTER TABLE cvm_log.entries DROP CONSTRAINT leaf_hash_of_entry",
        "UPDATE cvm_log.entries SET entry = 'other' WHERE \"index\" = 0",
    ):
        postgresql.run(statement, place.database)
    found = cvm_log("fsck", place.root, "--vkey", key)
    assert found.code == 1
    assert "database: database entry 0: " in found.out
    assert found.last == "damaged 1"
    ended = cvm_log("serve", place.root, "--listen", "127.0.0.1:0")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("cvm-log: database entry 0: ")


def _share(root: Path, database: DatabaseUrl) -> None:
    share_log(
        root,
        database=database,
        disk_floor=0,
        witness_policy=None,
        patience=PATIENCE,
        tell=lambda _: None,
    )


def test_a_frozen_log_is_not_shared(place: Place) -> None:
    _share(place.root, place.database)
    with open_log(place.root) as log:
        tree = log.sequencer.head.tree
    freeze(place.root / "frozen", tree=tree, reason="done", now=datetime.now(UTC))
    with pytest.raises(FrozenError):
        _share(place.root, place.database)


def test_a_front_end_writes_no_published_file(place: Place) -> None:
    leftover = place.root / "staging" / "1"
    leftover.write_bytes(b"the sequencer is at work")
    _share(place.root, place.database)
    assert leftover.exists()
    files = PublishedFiles(place.root / "public")
    content = files.read("checkpoint")
    assert content is not None
    assert files.size("checkpoint") == len(content)
    assert (files.read("tile/0/000"), files.size("tile/0/000")) == (None, None)
    with pytest.raises(StoppedError) as created:
        files.create([])
    with pytest.raises(StoppedError) as replaced:
        files.replace("checkpoint", b"")
    for error in (created.value, replaced.value):
        assert (error.what, error.got) == ("published files", "a front end")
