"""A disk that is nearly full, and one that is full in the middle of a commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from log_server.errors import DiskSpaceError, LogError, StoppedError, StorageError
from log_server.floor import DISK_FLOOR, DiskFloor, free_bytes
from log_server.log_folder import create_log, open_log
from log_server.source import DirectorySource
from tests.log_server.conftest import Serve
from tests.log_server.examining import require_sound

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LARGE = 50_000


class _Disk:
    """Has as much room as the test says."""

    def __init__(self) -> None:
        self.free = 1000

    def __call__(self, path: Path) -> int:
        del path
        return self.free


def test_the_floor(tmp_path: Path) -> None:
    disk = _Disk()
    floor = DiskFloor(tmp_path, minimum=1000, free=disk)
    floor.require()
    disk.free = 999
    with pytest.raises(DiskSpaceError) as caught:
        floor.require()
    assert caught.value.what == "free disk space"
    assert (caught.value.expected, caught.value.got) == ("at least 1000 bytes", "999 bytes")
    assert "--disk-floor" in caught.value.hint
    with pytest.raises(StorageError) as gone:
        DiskFloor(tmp_path / "gone", minimum=0).require()
    assert gone.value.what == "gone"
    assert free_bytes(tmp_path) > 0
    assert DISK_FLOOR > 3 * 2**26


def test_a_log_below_its_floor_takes_nothing_and_goes_on(log_root: Path, now: datetime) -> None:
    disk = _Disk()
    with open_log(log_root) as log:
        sequencer = log.sequencer
        sequencer._floor = DiskFloor(log_root, minimum=1000, free=disk)
        assert sequencer.commit([b"one"], now=now).indices == (0,)
        before = sorted(path for path in log_root.rglob("*"))
        disk.free = 10
        for _ in range(3):
            with pytest.raises(DiskSpaceError):
                sequencer.commit([b"two"], now=now)
        assert sorted(path for path in log_root.rglob("*")) == before
        disk.free = 1000
        assert sequencer.commit([b"two"], now=now).indices == (1,)


def test_a_server_below_its_floor_answers_503(log_root: Path, serving: Serve) -> None:
    disk = _Disk()
    with open_log(log_root) as log:
        log.sequencer._floor = DiskFloor(log_root, minimum=1000, free=disk)
        with serving(log) as url:
            assert requests.post(f"{url}/add", data=b"one", timeout=10).text == "0"
            disk.free = 999
            refused = requests.post(f"{url}/add", data=b"two", timeout=10)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "1"
            problem = refused.json()
            assert problem["field"] == "free disk space"
            assert (problem["expected"], problem["got"]) == ("at least 1000 bytes", "999 bytes")
            assert requests.get(f"{url}/checkpoint", timeout=10).status_code == 200
            disk.free = 1000
            assert requests.post(f"{url}/add", data=b"two", timeout=10).text == "1"


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _enlarge(folder: Path, size: int) -> None:
    command = ["mount", "-o", f"remount,size={size}", str(folder)]
    subprocess.run(command, check=True)


# Steps of odd sizes, so that the disk becomes full at other points of a commit.
@pytest.mark.parametrize("step", [1_000, 7_001, 20_003, LARGE])
def test_a_really_full_disk(tmp_path: Path, step: int) -> None:
    disk = tmp_path / "disk"
    with _small_disk(disk, 1_500_000):
        root = disk / "log"
        key = create_log(root, origin="log.test/small-disk", now=NOW)
        acknowledged: dict[bytes, int] = {}
        failure: LogError | None = None
        with open_log(root, disk_floor=0) as log:
            while failure is None:
                entry = b"%d" % len(acknowledged) + bytes(step)
                try:
                    acknowledged[entry] = log.sequencer.commit([entry], now=NOW).indices[0]
                except LogError as error:
                    failure = error
            assert isinstance(failure, StorageError)
            with pytest.raises(StoppedError):
                log.sequencer.commit([b"more"], now=NOW)
        assert acknowledged
        # What is published is sound, and a start on the full disk is sound or says why not.
        published = require_sound(DirectorySource(root / "public"), key)
        assert published.size >= len(acknowledged)
        try:
            with open_log(root, disk_floor=0):
                pass
        except StorageError as error:
            assert error.got  # noqa: PT017 - either way is right
        _enlarge(disk, 20_000_000)
        with open_log(root, disk_floor=0) as log:
            again = log.sequencer.commit([*acknowledged, b"after"], now=NOW)
        assert again.indices[:-1] == tuple(acknowledged.values())
        require_sound(DirectorySource(root / "public"), key)


def test_the_floor_of_a_real_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with _small_disk(disk, 1_500_000):
        root = disk / "log"
        key = create_log(root, origin="log.test/small-disk", now=NOW)
        with open_log(root, disk_floor=500_000) as log:
            size = 0
            refusal: DiskSpaceError | None = None
            while refusal is None:
                try:
                    size = log.sequencer.commit([b"%d" % size + bytes(9_000)], now=NOW).tree.size
                except DiskSpaceError as error:
                    refusal = error
            assert size > 5
            _enlarge(disk, 4_000_000)
            assert log.sequencer.commit([b"after"], now=NOW).tree.size == size + 1
        require_sound(DirectorySource(root / "public"), key)
