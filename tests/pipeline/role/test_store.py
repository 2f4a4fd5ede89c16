"""Small databases of roles: durable, and nobody else's."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pipeline.role.store import CACHE_KIB, open_store
from verifier.errors import FetchError

TABLE = "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY)"


def test_what_is_written_is_there_again(tmp_path: Path) -> None:
    with contextlib.closing(open_store(tmp_path / "store", table=TABLE)) as store:
        store.execute("INSERT INTO kept VALUES ('x')")
        modes = [
            store.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "locking_mode",
                "synchronous",
                "secure_delete",
                "cache_size",
            )
        ]
        assert modes == ["wal", "exclusive", 2, 1, -CACHE_KIB]
        assert not (tmp_path / "store-shm").exists()
    with contextlib.closing(open_store(tmp_path / "store", table=TABLE)) as store:
        assert store.execute("SELECT name FROM kept").fetchall() == [("x",)]


def test_a_store_has_one_owner(tmp_path: Path) -> None:
    with contextlib.closing(open_store(tmp_path / "store", table=TABLE)):
        with pytest.raises(FetchError) as caught:
            open_store(tmp_path / "store", table=TABLE)
        assert caught.value.got == "database is locked"


@pytest.mark.parametrize("content", [b"not a database, but a text that is long enough" * 20, None])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "store"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(FetchError) as caught:
        open_store(path, table=TABLE)
    assert caught.value.what == str(path)
    assert caught.value.got in ("file is not a database", "unable to open database file")
