"""One flipped bit anywhere in what a log keeps is found at the start or by fsck, and named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from log_server.errors import DamagedError, LogError
from log_server.log_folder import create_log, open_log
from verifier.tlog.merkle import leaf_hash

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENTRIES = [b"entry-%d-of-this-log" % number for number in range(600)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("flips") / "log"
    key = create_log(root, origin="log.test/flips", now=NOW)
    with open_log(root) as log:
        log.sequencer.commit(ENTRIES, now=NOW)
    return root, str(key)


@pytest.fixture
def log(template: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    shutil.copytree(template[0], tmp_path / "log")
    return tmp_path / "log", template[1]


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _fsck(root: Path, key: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "log_server.cli", "fsck", str(root), "--vkey", key],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert done.returncode == (0 if lines[-1] == "sound" else 1)
    return [line for line in lines if " (expected " in line]


def _start(root: Path) -> LogError | None:
    try:
        with open_log(root):
            return None
    except LogError as error:
        return error


@pytest.mark.parametrize("index", [0, 3, 255, 256, 511, 512, 599])
def test_an_entry_in_the_database(log: tuple[Path, str], index: int) -> None:
    root, key = log
    at = (root / "log.db").read_bytes().index(ENTRIES[index])
    _flip(root / "log.db", at)
    (line,) = [line for line in _fsck(root, key) if line.startswith("log.db")]
    assert line.startswith(f"log.db: database entry {index}: ")
    refusal = _start(root)
    # A start looks at the unfinished bundle only; the rest is fsck's.
    if index >= 512:
        assert isinstance(refusal, DamagedError)
        assert refusal.what == f"database entry {index}"
    else:
        assert refusal is None


@pytest.mark.parametrize("index", [7, 590])
def test_a_leaf_hash_in_the_database(log: tuple[Path, str], index: int) -> None:
    root, key = log
    content = (root / "log.db").read_bytes()
    stored = leaf_hash(ENTRIES[index])
    # In the row, and once more in the index over it.
    first = content.index(stored)
    assert content.index(stored, first + 1) > first
    _flip(root / "log.db", content.index(ENTRIES[index]) + len(ENTRIES[index]))
    (line,) = [line for line in _fsck(root, key) if line.startswith("log.db")]
    assert line.startswith(f"log.db: database entry {index}: ")


def test_the_root_in_the_database(log: tuple[Path, str]) -> None:
    root, key = log
    with open_log(root) as opened:
        stored = opened.sequencer.head.tree.root
    _flip(root / "log.db", (root / "log.db").read_bytes().index(stored))
    assert any(line.startswith("log.db: database head: ") for line in _fsck(root, key))
    refusal = _start(root)
    assert refusal is not None
    assert refusal.what == "database head"


def test_the_first_page_of_the_database(log: tuple[Path, str]) -> None:
    root, key = log
    _flip(root / "log.db", 0)
    (line,) = [line for line in _fsck(root, key) if line.startswith("log.db")]
    assert line == "log.db: database: file is not a database (expected success)"
    refusal = _start(root)
    assert refusal is not None
    assert (refusal.what, refusal.got) == ("database", "file is not a database")


@pytest.mark.parametrize("name", ["anchor", "public/checkpoint"])
def test_a_signed_checkpoint(log: tuple[Path, str], name: str) -> None:
    root, key = log
    for at in (0, 16, 40, -3):
        _flip(root / name, at)
        assert _fsck(root, key)
        refusal = _start(root)
        assert isinstance(refusal, DamagedError), at
        where = {"anchor": "anchor", "public/checkpoint": "published checkpoint"}[name]
        assert refusal.what.startswith(where)
        _flip(root / name, at)


PUBLISHED = (
    "tile/0/000",
    "tile/0/001",
    "tile/0/002.p/88",
    "tile/1/000.p/2",
    "tile/entries/000",
    "tile/entries/001",
    "tile/entries/002.p/88",
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_tile_or_bundle(log: tuple[Path, str], name: str) -> None:
    root, key = log
    size = (root / "public" / name).stat().st_size
    for at in (5, size // 2, size - 1):
        _flip(root / "public" / name, at)
        assert [line.partition(":")[0] for line in _fsck(root, key)] == [name]
        refusal = _start(root)
        if ".p/" in name:
            assert isinstance(refusal, DamagedError)
            assert refusal.what == name
        else:
            assert refusal is None
        _flip(root / "public" / name, at)
    assert _fsck(root, key) == []
