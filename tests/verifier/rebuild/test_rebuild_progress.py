"""A rebuild says how far it is, wherever stderr leads; and an order to end ends its sandbox."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.verifier.rebuild.toy_release import ToyRelease, failures
from verifier.rebuild import progress as module
from verifier.rebuild.progress import BuildProgress

bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")


class TestOfALog:
    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        path = tmp_path / "first.log"
        path.write_bytes(b"")
        return path

    def test_lines_for_people_are_told_once(self, log: Path) -> None:
        told: list[str] = []
        build = BuildProgress(log, "first build", told.append)
        build.look()
        log.write_bytes(b"cc1 -O2\ncvm-image: one\n cvm-image: no\ncvm-image: tw")
        build.look()
        assert told == ["first build: one"]
        with log.open("ab") as file:
            file.write(b"o\xff\ncvm-image: three\n")
        build.look()
        build.look()
        assert told == ["first build: one", "first build: two\ufffd", "first build: three"]

    def test_of_much_the_last_is_told(self, log: Path) -> None:
        told: list[str] = []
        build = BuildProgress(log, "first build", told.append)
        log.write_bytes(b"".join(b"cvm-image: %d\n" % number for number in range(100_000)))
        build.look()
        assert told == [f"first build: {number}" for number in range(99_996, 100_000)]
        log.write_bytes(log.read_bytes() + b"cvm-image: " + b"x" * 200_000 + b"\n")
        build.look()  # a line that is longer than what is read is none for people
        with log.open("ab") as file:
            file.write(b"cvm-image: " + b"y" * 300 + b"\n")
        build.look()
        assert told[4:] == [f"first build: {'y' * 200}"]

    def test_silence_is_told_at_each_beat(self, log: Path) -> None:
        told: list[str] = []
        build = BuildProgress(log, "first build", told.append, beat=0.2)
        build.look()
        assert told == []
        for _ in range(2):
            time.sleep(0.25)
            build.look()
            build.look()
        assert [line.rpartition(",")[0] for line in told] == ["first build: goes on"] * 2
        log.write_bytes(b"cvm-image: one\n")
        time.sleep(0.25)
        build.look()
        build.look()
        assert told[2:] == ["first build: one"]

    def test_the_beat_is_ten_seconds(self) -> None:
        assert module.BEAT_SECONDS == 10


@bwrap
def test_both_builds_are_told_on_a_stderr_that_is_no_terminal(toy: ToyRelease) -> None:
    toy.behave("talk")
    toy.state()
    ran = toy.rebuild("--json")
    assert not failures(ran) - {"rebuild.source"}
    told = [line for line in ran.err.splitlines() if " build: " in line]
    lines = [line for line in told if "goes on" not in line]  # of a machine that is very slow
    said = r"compiles\x1b[2J the kernel"
    assert lines == [
        f"cvm-audit: {name} build: {what}"
        for name in ("first", "second")
        for what in ("begins", said)
    ]
    assert "nothing for people" not in ran.err


@contextlib.contextmanager
def hanging(toy: ToyRelease, temporary: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A rebuild, as a process, in the middle of its first build."""
    temporary.mkdir()
    toy.behave("talk", "hang")
    toy.state()
    command = [sys.executable, "-m", "verifier", "release", "rebuild", toy.write_entry()]
    command += ["--source", toy.source, "--store", toy.store, "--offline", *options]
    command += ["--guest-policy", toy.root / "guest-policy.json"]
    with subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "compiles" in line:
                break
        assert [path.name[:18] for path in temporary.iterdir()] == ["cvm-audit-rebuild-"]
        assert at_work(temporary)
        yield running


@bwrap
@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("sandbox", [(), ("--no-sandbox",)])
def test_an_order_to_end_ends_the_sandbox_at_once(
    toy: ToyRelease, tmp_path: Path, order: signal.Signals, sandbox: tuple[str, ...]
) -> None:
    temporary = tmp_path / "temporary"
    with hanging(toy, temporary, *sandbox) as running:
        running.send_signal(order)
        out, err = running.communicate(timeout=10)
    assert (running.returncode, out, "aborted" in err) == (2, "", True)
    assert not list(temporary.iterdir())
    assert not at_work(temporary)


@bwrap
def test_what_a_killed_rebuild_leaves_the_next_one_removes(
    toy: ToyRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    with hanging(toy, temporary) as running:
        running.kill()
        running.communicate(timeout=10)
    end = time.monotonic() + 10
    while at_work(temporary) and time.monotonic() < end:
        time.sleep(0.1)
    assert not at_work(temporary)
    assert list(temporary.iterdir())
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    toy.behave()
    assert not failures(toy.rebuild("--json")) - {"rebuild.source"}
    assert not list(temporary.iterdir())


def at_work(folder: Path) -> list[str]:
    """Processes that have something below ``folder`` mounted, or work there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            mounts = (process / "mountinfo").read_text()
            if str(folder) in mounts or (process / "cwd").readlink().is_relative_to(folder):
                found.append(process.name)
    return found
