"""Every state that a start may find: refused by name, or repaired to exactly what was signed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from log_server.errors import DamagedError, ForkedError, LogError, RolledBackError
from log_server.log_folder import open_log
from log_server.signer import Ed25519Signer, read_key, sign_checkpoint
from log_server.source import DirectorySource
from tests.log_server.examining import require_sound
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash
from verifier.tlog.note import VerificationKey


def _append(root: Path, count: int, now: datetime, *, tag: str = "entry") -> None:
    with open_log(root) as log:
        start = log.sequencer.head.tree.size
        entries = [f"{tag}-{number}".encode() for number in range(start, start + count)]
        log.sequencer.commit(entries, now=now)


def _refusal(root: Path) -> LogError:
    with pytest.raises(LogError) as caught, open_log(root):
        pytest.fail("the log opened")
    return caught.value


def _require_sound(root: Path, key: VerificationKey, size: int) -> None:
    assert require_sound(DirectorySource(root / "public"), key).size == size


def _sql(root: Path, statement: str, *values: int | bytes) -> None:
    with closing(sqlite3.connect(root / "log.db")) as database:
        database.execute(statement, values)
        database.commit()


def _change_entry(root: Path, index: int, *, leaf_hash: bytes | None = None) -> None:
    _sql(root, "DROP TRIGGER entries_no_update")
    _sql(root, "UPDATE entries SET entry = x'00' WHERE \"index\" = ?", index)
    if leaf_hash is not None:
        _sql(root, 'UPDATE entries SET leaf_hash = ? WHERE "index" = ?', leaf_hash, index)


def _restore_older(root: Path, now: datetime, *, more: int = 5) -> None:
    _append(root, 10, now)
    shutil.copy(root / "log.db", root / "backup.db")
    _append(root, more, now)
    shutil.move(root / "backup.db", root / "log.db")


def test_a_restored_backup_is_refused(log_root: Path, now: datetime) -> None:
    _restore_older(log_root, now)
    refusal = _refusal(log_root)
    assert isinstance(refusal, RolledBackError)
    assert refusal.what == "database was rolled back"
    assert (refusal.expected, refusal.got) == ("at least size 15 of the anchor", "size 10")
    assert "newest database" in refusal.hint


def test_a_restored_backup_with_its_anchor_is_refused(log_root: Path, now: datetime) -> None:
    _append(log_root, 10, now)
    for name in ("log.db", "anchor"):
        shutil.copy(log_root / name, log_root / f"{name}.backup")
    _append(log_root, 5, now)
    for name in ("log.db", "anchor"):
        shutil.move(log_root / f"{name}.backup", log_root / name)
    refusal = _refusal(log_root)
    assert isinstance(refusal, RolledBackError)
    assert refusal.expected == "at least size 15 of the published checkpoint"


def test_two_trees_of_one_size(log_root: Path, tmp_path: Path, now: datetime) -> None:
    _append(log_root, 3, now)
    twin = tmp_path / "twin"
    shutil.copytree(log_root, twin)
    _append(log_root, 2, now, tag="one")
    _append(twin, 2, now, tag="other")
    shutil.copy(twin / "log.db", log_root / "log.db")
    refusal = _refusal(log_root)
    assert isinstance(refusal, ForkedError)
    assert refusal.what == "database and anchor fork at size 5"
    assert refusal.expected != refusal.got
    assert refusal.expected.startswith("root ")


def test_a_longer_database_that_does_not_extend_the_anchor(
    log_root: Path, tmp_path: Path, now: datetime
) -> None:
    _append(log_root, 3, now)
    twin = tmp_path / "twin"
    shutil.copytree(log_root, twin)
    _append(log_root, 2, now, tag="one")
    _append(twin, 9, now, tag="other")
    shutil.copy(twin / "log.db", log_root / "log.db")
    refusal = _refusal(log_root)
    assert isinstance(refusal, DamagedError)
    assert (refusal.what, refusal.expected) == ("database entry 3", "the published entry")


def test_no_anchor(log_root: Path) -> None:
    (log_root / "anchor").unlink()
    refusal = _refusal(log_root)
    assert isinstance(refusal, DamagedError)
    assert (refusal.what, refusal.got) == ("anchor", "no file")
    assert "rolled back" in refusal.hint


@pytest.mark.parametrize("name", ["anchor", "public/checkpoint"])
def test_a_checkpoint_that_the_key_did_not_sign(log_root: Path, name: str, now: datetime) -> None:
    _append(log_root, 3, now)
    path = log_root / name
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"\n3\n", b"\n2\n"))
    refusal = _refusal(log_root)
    assert isinstance(refusal, DamagedError)
    where = {"anchor": "anchor", "public/checkpoint": "published checkpoint"}[name]
    assert refusal.what == f"{where}: signature of log.test/one"
    assert refusal.got == "a signature that does not verify"


def test_the_key_of_another_log(log_root: Path) -> None:
    key = log_root / "log.key"
    key.write_text(Ed25519Signer(name="log.test/one", seed=b"x" * 32).encode() + "\n")
    refusal = _refusal(log_root)
    assert refusal.what == "database head: log signature"


def test_a_head_that_its_checkpoint_does_not_sign(log_root: Path, now: datetime) -> None:
    _append(log_root, 3, now)
    _sql(log_root, "UPDATE head SET root = zeroblob(32)")
    refusal = _refusal(log_root)
    assert (refusal.what, refusal.got) == ("database head", "another")


def test_an_entry_behind_the_head(log_root: Path, now: datetime) -> None:
    _append(log_root, 3, now)
    _sql(log_root, "INSERT INTO entries VALUES (3, x'00', zeroblob(32))")
    refusal = _refusal(log_root)
    assert (refusal.expected, refusal.got) == ("3 entries", "an entry behind the head")


def _sign_without_entries(root: Path, size: int) -> None:
    signer = read_key(root / "log.key")
    checkpoint = Checkpoint(origin="log.test/one", tree=TreeHead(size, b"r" * 32), extensions=())
    raw = sign_checkpoint(checkpoint, (signer,))
    statement = "UPDATE head SET size = ?, root = ?, checkpoint = ?"
    _sql(root, statement, size, b"r" * 32, raw)


def test_a_head_without_its_entries(log_root: Path, now: datetime) -> None:
    _append(log_root, 3, now)
    _sign_without_entries(log_root, 5)
    refusal = _refusal(log_root)
    assert isinstance(refusal, DamagedError)
    assert refusal.what == "database entries from 3"
    assert (refusal.expected, refusal.got) == ("2", "0 entries")


@pytest.mark.parametrize("index", [257, 299])
def test_a_damaged_entry_in_the_unfinished_bundle(
    log_root: Path, now: datetime, index: int
) -> None:
    _append(log_root, 300, now)
    _change_entry(log_root, index)
    refusal = _refusal(log_root)
    assert isinstance(refusal, DamagedError)
    assert refusal.what == f"database entry {index}"
    assert refusal.expected.startswith("leaf hash ")


def test_a_consistently_damaged_entry(log_root: Path, now: datetime) -> None:
    _append(log_root, 3, now)
    # The row agrees with itself, not with the signed tree.
    _change_entry(log_root, 2, leaf_hash=leaf_hash(b"\x00"))
    refusal = _refusal(log_root)
    assert (refusal.what, refusal.expected) == ("database entry 2", "the published entry")


ALL_FILES_OF_600 = (
    "public/tile/0/000",
    "public/tile/0/001",
    "public/tile/0/002.p/88",
    "public/tile/1/000.p/2",
    "public/tile/entries/000",
    "public/tile/entries/001",
    "public/tile/entries/002.p/88",
)


@pytest.mark.parametrize("name", ALL_FILES_OF_600)
def test_a_missing_file_is_made_again(
    log_root: Path, log_key: VerificationKey, now: datetime, name: str
) -> None:
    _append(log_root, 600, now)
    content = (log_root / name).read_bytes()
    (log_root / name).unlink()
    with open_log(log_root):
        pass
    assert (log_root / name).read_bytes() == content
    _require_sound(log_root, log_key, 600)


def test_all_files_missing(log_root: Path, log_key: VerificationKey, now: datetime) -> None:
    _append(log_root, 600, now)
    before = (log_root / "anchor").read_bytes()
    shutil.rmtree(log_root / "public")
    (log_root / "public").mkdir()
    with open_log(log_root):
        pass
    assert (log_root / "public" / "checkpoint").read_bytes() == before
    found = sorted(
        str(path.relative_to(log_root))
        for path in (log_root / "public" / "tile").rglob("*")
        if path.is_file()
    )
    assert found == list(ALL_FILES_OF_600)
    _require_sound(log_root, log_key, 600)


def test_missing_files_of_a_log_larger_than_a_chunk(
    log_root: Path, log_key: VerificationKey, now: datetime
) -> None:
    for _ in range(3):
        _append(log_root, 3000, now)
    shutil.rmtree(log_root / "public" / "tile" / "1")
    (log_root / "public" / "tile" / "0" / "017").unlink()
    with open_log(log_root):
        pass
    _require_sound(log_root, log_key, 9000)


def test_missing_files_are_not_made_from_damaged_entries(log_root: Path, now: datetime) -> None:
    _append(log_root, 600, now)
    (log_root / "public/tile/0/000").unlink()
    _change_entry(log_root, 7)
    assert _refusal(log_root).what == "database entry 7"
    assert not (log_root / "public/tile/0/000").exists()


@pytest.mark.parametrize(
    "name",
    [
        "public/tile/0/002.p/88",
        "public/tile/1/000.p/2",
        "public/tile/entries/002.p/88",
    ],
)
def test_a_damaged_right_edge_is_refused_by_its_path(
    log_root: Path, now: datetime, name: str
) -> None:
    _append(log_root, 600, now)
    path = log_root / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refusal = _refusal(log_root)
    assert isinstance(refusal, DamagedError)
    assert refusal.what == name.removeprefix("public/")
    assert refusal.expected.startswith(f"{len(content)} bytes, sha256 ")
    assert refusal.expected != refusal.got


def test_a_cut_off_tile_is_refused_by_its_path(log_root: Path, now: datetime) -> None:
    _append(log_root, 600, now)
    path = log_root / "public/tile/0/000"
    path.write_bytes(path.read_bytes()[:-32])
    refusal = _refusal(log_root)
    assert refusal.what == "tile/0/000"
    assert refusal.got.startswith("8160 bytes, ")


@pytest.mark.parametrize("names", [("anchor", "public/checkpoint"), ("public/checkpoint",)])
def test_a_database_that_is_ahead_is_published(
    log_root: Path, log_key: VerificationKey, now: datetime, names: tuple[str, ...]
) -> None:
    _append(log_root, 250, now)
    old = {name: (log_root / name).read_bytes() for name in names}
    _append(log_root, 350, now)
    newest = (log_root / "anchor").read_bytes()
    for name, content in old.items():
        (log_root / name).write_bytes(content)
    for name in ALL_FILES_OF_600:
        (log_root / name).unlink()
    with open_log(log_root) as log:
        assert log.sequencer.head.checkpoint == newest
    # The stored note is published, not a second signature.
    assert (log_root / "anchor").read_bytes() == newest
    assert (log_root / "public/checkpoint").read_bytes() == newest
    _require_sound(log_root, log_key, 600)


def test_no_published_checkpoint(log_root: Path, log_key: VerificationKey, now: datetime) -> None:
    _append(log_root, 300, now)
    (log_root / "public/checkpoint").unlink()
    with open_log(log_root):
        pass
    _require_sound(log_root, log_key, 300)
