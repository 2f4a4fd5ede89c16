"""freeze, export, import, and what fsck says about a database, as a user runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.log_server.test_log_cli import cvm_log, served

VKEY_OF_NOBODY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def _lines(done: subprocess.CompletedProcess[bytes], code: int = 0) -> list[str]:
    assert done.returncode == code, done.stderr
    return done.stdout.decode().splitlines()


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, str]:
    root = tmp_path / "log"
    (vkey,) = _lines(cvm_log("init", root, "--origin", "log.test/moving"))
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    assert cvm_log("publish", root, tmp_path / "one", tmp_path / "two").returncode == 0
    return root, vkey


def test_out_and_back(log: tuple[Path, str], tmp_path: Path) -> None:
    root, vkey = log
    out, back = tmp_path / "out", tmp_path / "back"
    size, tree_root, key = _lines(cvm_log("export", root, "-o", out))
    assert (size, key) == ("size 2", f"key {vkey}")
    assert _lines(cvm_log("fsck", out, "--vkey", vkey)) == [size, tree_root, "sound"]
    arguments = ("--vkey", vkey, "--key", root / "log.key", "--newest", root / "anchor")
    assert _lines(cvm_log("import", out, back, *arguments)) == [size, tree_root]
    assert _lines(cvm_log("fsck", back, "--vkey", vkey)) == [size, tree_root, "sound"]
    (tmp_path / "three").write_text("three")
    (line,) = _lines(cvm_log("publish", back, tmp_path / "three"))
    assert line.startswith("2 ")
    again = cvm_log("import", out, back, *arguments)
    assert _lines(again, 2) == []
    assert again.stderr == (
        f"cvm-log: {back}: an existing one (expected a new directory)\n".encode()
    )


def test_an_import_that_cannot_be_right(log: tuple[Path, str], tmp_path: Path) -> None:
    root, vkey = log
    out, back = tmp_path / "out", tmp_path / "back"
    assert cvm_log("export", root, "-o", out).returncode == 0
    key, newest = root / "log.key", root / "anchor"
    for code, given in (
        (2, ("--vkey", VKEY_OF_NOBODY, "--key", key, "--newest", newest)),
        (2, ("--vkey", vkey, "--key", tmp_path / "none", "--newest", newest)),
        (2, ("--vkey", vkey, "--key", key, "--newest", tmp_path / "none")),
        (2, ("--vkey", vkey, "--key", key)),
        (1, ("--vkey", vkey, "--key", key, "--newest", key)),
    ):
        done = cvm_log("import", out, back, *given)
        assert (done.returncode, done.stdout) == (code, b""), done.stderr
        assert b"PRIVATE" not in done.stderr
        assert not back.exists()
    assert cvm_log("publish", root, tmp_path / "one", "--disk-floor", "0").returncode == 0


def test_a_frozen_log(log: tuple[Path, str], tmp_path: Path) -> None:
    root, vkey = log
    size, tree_root, word = _lines(cvm_log("freeze", root, "--reason", "moved to log.test/next"))
    assert (size, word) == ("size 2", "frozen")
    for verb in (
        ("publish", root, tmp_path / "one"),
        ("serve", root, "--listen", "127.0.0.1:0"),
        ("freeze", root, "--reason", "again"),
    ):
        refused = cvm_log(*verb)
        assert _lines(refused, 1) == []
        first = refused.stderr.decode().splitlines()[0]
        assert first.startswith("cvm-log: log is frozen: 'size 2 since ")
        assert first.endswith(": moved to log.test/next' (expected a log that takes entries)")
    assert _lines(cvm_log("fsck", root, "--vkey", vkey)) == [size, tree_root, "sound"]
    assert _lines(cvm_log("show", root))[1] == "size 2"


def test_a_floor_that_no_disk_has(log: tuple[Path, str], tmp_path: Path) -> None:
    refused = cvm_log("publish", log[0], tmp_path / "one", "--disk-floor", 2**60)
    assert _lines(refused, 1) == []
    assert refused.stderr.startswith(b"cvm-log: free disk space: ")
    assert b"expected at least 1152921504606846976 bytes" in refused.stderr


def test_fsck_beside_a_server(log: tuple[Path, str]) -> None:
    root, vkey = log
    with served(root) as url:
        done = cvm_log("fsck", root, "--vkey", vkey)
        assert _lines(done)[-1] == "sound"
        assert b"cvm-log: database not examined: lock of the log: " in done.stderr
        assert _lines(cvm_log("fsck", url, "--vkey", vkey))[-1] == "sound"


def test_fsck_of_a_database_that_was_rolled_back(log: tuple[Path, str], tmp_path: Path) -> None:
    root, vkey = log
    old = (root / "log.db").read_bytes()
    (tmp_path / "three").write_text("three")
    assert cvm_log("publish", root, tmp_path / "three").returncode == 0
    (root / "log.db").write_bytes(old)
    lines = _lines(cvm_log("fsck", root, "--vkey", vkey), 1)
    assert lines[0] == (
        "log.db: database was rolled back: size 2 (expected at least size 3 of the anchor)"
    )
    assert lines[-1] == "damaged 1"
