"""What operators and machines do to logs: clocks that go back, old backups, two servers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from log_server.errors import ClockError, HeadMovedError, LogError
from log_server.log_folder import open_log
from log_server.source import DirectorySource
from tests.faults.faulty_log import Faults, open_faulty
from tests.log_server.examining import require_sound
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.note import VerificationKey

ROOT = Path(__file__).resolve().parents[2]


def _program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "log_server.cli", *map(str, arguments)]


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        _program(*arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done


def test_a_clock_that_goes_back(log_root: Path, log_key: VerificationKey, now: datetime) -> None:
    later = now + timedelta(hours=1)
    with open_log(log_root) as log:
        commit = log.sequencer.commit
        assert commit([b"one"], now=later).indices == (0,)
        before = {path: path.stat().st_mtime_ns for path in log_root.rglob("*")}
        with pytest.raises(ClockError) as caught:
            commit([b"two"], now=later - timedelta(milliseconds=1))
        assert caught.value.what == "clock"
        assert caught.value.expected.startswith("at least 1767326645000 ms since 1970")
        assert caught.value.got == "1767326644999 ms"
        assert "time did not progress" in caught.value.hint
        assert {path: path.stat().st_mtime_ns for path in log_root.rglob("*")} == before
        # The same instant is no step back, and the refusal was none of the log's failures.
        assert commit([b"two"], now=later).indices == (1,)
    require_sound(DirectorySource(log_root / "public"), log_key)


def test_a_clock_that_went_back_while_the_log_was_down(log_root: Path, now: datetime) -> None:
    with open_log(log_root) as log:
        log.sequencer.commit([b"one"], now=now + timedelta(days=400))
    # Starting signs nothing, so it needs no clock; the first batch does.
    with open_log(log_root) as log:
        with pytest.raises(ClockError):
            log.sequencer.commit([b"two"], now=now)
        log.sequencer.commit([b"two"], now=now + timedelta(days=401))


def test_nothing_is_signed_under_a_clock_that_went_back(log_root: Path, now: datetime) -> None:
    faults = Faults()
    with open_faulty(log_root, faults) as sequencer:
        sequencer.commit([b"one"], now=now + timedelta(seconds=1))
        with pytest.raises(ClockError):
            sequencer.commit([b"two"], now=now)
    assert len(faults.signed) == 1


@pytest.mark.parametrize("kept", [(), ("anchor",), ("anchor", "public")])
def test_an_old_backup(
    log_root: Path, tmp_path: Path, now: datetime, kept: tuple[str, ...]
) -> None:
    # ``kept`` is what the operator restored together with the database.
    with open_log(log_root) as log:
        log.sequencer.commit([b"entry-%d" % number for number in range(300)], now=now)
    shutil.copytree(log_root, tmp_path / "backup")
    with open_log(log_root) as log:
        newest = log.sequencer.commit([b"late"], now=now).checkpoint
    for name in ("log.db", *kept):
        path = log_root / name
        if path.is_dir():
            shutil.rmtree(path)
            shutil.copytree(tmp_path / "backup" / name, path)
        else:
            shutil.copy(tmp_path / "backup" / name, path)
    if "public" in kept:
        # Nothing on this machine remembers: this is what witnesses and the manual are for, and
        # ``import --newest``.
        with open_log(log_root) as log:
            assert log.sequencer.head.tree.size == 300
        return
    done = _run("publish", log_root, ROOT / "LICENSE")
    assert (done.returncode, done.stdout) == (1, "")
    where = "published checkpoint" if "anchor" in kept else "anchor"
    assert done.stderr.splitlines() == [
        f"cvm-log: database was rolled back: size 300 (expected at least size 301 of the {where})",
        "cvm-log: hint: restore the newest database; a log that goes on from an older one forks",
    ]
    assert (log_root / "public/checkpoint").read_bytes() == newest


def test_a_second_server_on_one_folder(log_root: Path, tmp_path: Path) -> None:
    other_name = tmp_path / "other-name"
    other_name.symlink_to(log_root)
    with subprocess.Popen(
        _program("serve", log_root, "--listen", "127.0.0.1:0"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("listening on ")
        for name in (log_root, other_name):
            for verb in (
                ("serve", name, "--listen", "127.0.0.1:0"),
                ("publish", name, ROOT / "LICENSE"),
                ("freeze", name, "--reason", "none"),
            ):
                second = _run(*verb)
                assert (second.returncode, second.stdout) == (1, "")
                assert second.stderr == (
                    "cvm-log: lock of the log: a running server or publisher holds it "
                    "(expected no other program)\n"
                )
        first.terminate()
        assert first.wait(30) == 0


def test_two_folders_on_one_database(
    log_root: Path, log_key: VerificationKey, tmp_path: Path, now: datetime
) -> None:
    # Two locks, so nothing stops the second at its start; the database does at its first commit.
    twin = tmp_path / "twin"
    shutil.copytree(log_root, twin)
    (twin / "log.db").unlink()
    (twin / "log.db").hardlink_to(log_root / "log.db")
    signed: dict[int, bytes] = {}

    def remember(root: Path) -> None:
        raw = (root / "public/checkpoint").read_bytes()
        tree = open_checkpoint(raw, keys=(log_key,)).tree
        assert signed.setdefault(tree.size, tree.root) == tree.root

    refused: list[LogError] = []
    acknowledged: dict[bytes, int] = {}
    for turn in range(3):
        with open_log(log_root) as one, open_log(twin) as two:
            logs = (one, two) if turn % 2 else (two, one)
            for number, log in enumerate(logs):
                entry = b"turn-%d-%d" % (turn, number)
                try:
                    acknowledged[entry] = log.sequencer.commit([entry], now=now).indices[0]
                except LogError as error:
                    refused.append(error)
                remember(log_root)
                remember(twin)
    assert [type(error) for error in refused] == [HeadMovedError] * 3
    assert sorted(acknowledged.values()) == [0, 1, 2]
    for root in (log_root, twin):
        with open_log(root) as log:
            assert log.sequencer.head.tree.size == 3
        require_sound(DirectorySource(root / "public"), log_key)


def test_a_copied_folder_that_ran_cannot_come_back(
    log_root: Path, tmp_path: Path, now: datetime
) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(log_root, twin)
    for root, entry in ((log_root, b"here"), (twin, b"there")):
        with open_log(root) as log:
            log.sequencer.commit([entry], now=now)
    # The fork is made and nobody can undo it, but the two can never be mixed.
    shutil.copy(twin / "log.db", log_root / "log.db")
    done = _run("serve", log_root, "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cvm-log: database and anchor fork at size 1: root ")


def test_a_database_that_another_program_holds(log_root: Path, now: datetime) -> None:
    import sqlite3

    with open_log(log_root) as log:
        log.sequencer.commit([b"one"], now=now)
        with closing(sqlite3.connect(log_root / "log.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LogError) as caught:
                log.sequencer.commit([b"two"], now=now)
            assert caught.value.got == "database is locked"
    with open_log(log_root) as log:
        assert log.sequencer.commit([b"two"], now=now).indices == (1,)
