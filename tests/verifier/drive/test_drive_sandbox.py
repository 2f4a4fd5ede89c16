"""Unpacking an image, and what a guest says of itself."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.running import ROOT
from verifier.drive.machine import Start, read_state
from verifier.drive.programs import started
from verifier.drive.sandbox import SandboxedGuest, unpack
from verifier.errors import ParseError


def newc(*entries: tuple[str, int, bytes]) -> bytes:
    archive = b""
    for number, (name, mode, content) in enumerate((*entries, ("TRAILER!!!", 0, b"")), start=1):
        encoded = name.encode() + b"\x00"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        archive += b"070701" + struct.pack("> 13I", *fields).hex().encode() + encoded
        archive += bytes(-len(archive) % 4) + content
        archive += bytes(-len(archive) % 4)
    return archive


def test_an_image_is_unpacked_without_devices_and_owners(tmp_path: Path) -> None:
    image = newc(
        ("bin", stat.S_IFDIR | 0o700, b""),
        ("bin/run", stat.S_IFREG | 0o4711, b"#!"),
        ("etc", stat.S_IFDIR | 0o777, b""),
        ("etc/note", stat.S_IFREG | 0o666, b"text"),
        ("lib", stat.S_IFLNK | 0o777, b"/etc"),
        ("dev", stat.S_IFDIR | 0o755, b""),
        ("dev/null", stat.S_IFCHR | 0o666, b""),
    )
    unpack(image, tmp_path / "root")
    found = {
        path.relative_to(tmp_path / "root").as_posix(): oct(path.lstat().st_mode & 0o7777)
        for path in (tmp_path / "root").rglob("*")
        if not path.is_symlink()
    }
    assert found == {
        "bin": "0o755", "bin/run": "0o555", "etc": "0o755", "etc/note": "0o444", "dev": "0o755",
    }  # fmt: skip
    assert (tmp_path / "root" / "lib").readlink() == Path("/etc")


@pytest.mark.parametrize(
    "entries",
    [
        (("../out", stat.S_IFREG | 0o644, b"x"),),
        (("/out", stat.S_IFREG | 0o644, b"x"),),
        (("way", stat.S_IFLNK | 0o777, b".."), ("way/out", stat.S_IFREG | 0o644, b"x")),
    ],
)
def test_nothing_is_written_outside(
    tmp_path: Path, entries: tuple[tuple[str, int, bytes], ...]
) -> None:
    with pytest.raises(ParseError):
        unpack(newc(*entries), tmp_path / "root")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["root"]


@pytest.mark.parametrize(
    ("name", "mode", "content"),
    [("n" * 300, stat.S_IFREG | 0o644, b"x"), ("link", stat.S_IFLNK | 0o777, b"x" * 4096)],
)
def test_what_no_file_system_takes_is_a_fault_of_the_image(
    tmp_path: Path, name: str, mode: int, content: bytes
) -> None:
    with pytest.raises(ParseError) as caught:
        unpack(newc((name, mode, content)), tmp_path / "root")
    assert caught.value.what.startswith(f"initrd, '{name[:20]}")
    assert (caught.value.expected, caught.value.got) == (
        "what can be unpacked",
        "File name too long",
    )


@pytest.mark.parametrize(
    ("received", "start"),
    [
        (b"READY\n", Start.READY),
        (b"READY\nmore", Start.READY),
        (b"READY \n", Start.DECLINED),
        (b"REFUSED no release\n", Start.DECLINED),
        (b"\xff\x00\n", Start.DECLINED),
    ],
)
def test_only_one_word_is_ready(received: bytes, start: Start) -> None:
    assert read_state(received)[0] is start


@contextmanager
def waiting(folder: Path) -> Iterator[SandboxedGuest]:
    """A guest that runs, and whose state is in ``folder``."""
    (folder / "state").touch()
    with (
        (folder / "state").open("rb") as state,
        started(("/bin/sleep", "600"), user="", errors=folder / "e") as child,
    ):
        yield SandboxedGuest(
            address=folder / "door",
            measurement=None,
            since=time.monotonic(),
            _state=state,
            _errors=folder / "e",
            _child=child,
        )


def test_a_wait_that_is_given_up_ends(tmp_path: Path) -> None:
    given_up = threading.Event()
    given_up.set()
    with waiting(tmp_path) as guest:
        assert guest.wait(600, given_up=given_up).start is Start.SILENT
        (tmp_path / "state").write_bytes(b"LISTENING somewhere\nREADY\n")
        assert guest.wait(600).start is Start.READY


@pytest.mark.parametrize("trap", ["/dev/zero", "pipe"])
def test_a_guest_that_lays_a_trap_in_place_of_its_state_says_nothing(
    tmp_path: Path, trap: str
) -> None:
    # The guest owns the folder: whoever opened by name would read for ever, or wait for ever.
    os.mkfifo(tmp_path / "pipe")
    with waiting(tmp_path) as guest:
        (tmp_path / "state").unlink()
        (tmp_path / "state").symlink_to(tmp_path / trap)
        assert guest.wait(0.2).start is Start.SILENT


def test_what_a_node_prints_is_on_its_console(tmp_path: Path) -> None:
    node = "print('a word')"
    program = f"from verifier.drive import bridge; bridge._START = {node!r}; bridge.main(['door'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "a word\n")
