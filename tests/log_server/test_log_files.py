"""The durable files: publisher, anchor, lock."""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from log_server.anchor import FileAnchor
from log_server.errors import DamagedError, LockedError, StorageError
from log_server.lock import LogLock
from log_server.publisher import DirectoryPublisher


@pytest.fixture
def publisher(tmp_path: Path) -> DirectoryPublisher:
    (tmp_path / "public").mkdir()
    (tmp_path / "staging").mkdir()
    return DirectoryPublisher(tmp_path / "public", staging=tmp_path / "staging")


def test_create_and_read(publisher: DirectoryPublisher, tmp_path: Path) -> None:
    publisher.create([("tile/0/x001/000", b"tile"), ("tile/entries/000.p/1", b"bundle")])
    assert publisher.read("tile/0/x001/000") == b"tile"
    assert publisher.size("tile/entries/000.p/1") == 6
    assert publisher.read("tile/0/001") is None
    assert publisher.size("tile/0/001") is None
    assert publisher.size("tile/0/x001/000/001") is None
    assert list((tmp_path / "staging").iterdir()) == []


def test_the_same_bytes_again_are_no_error(publisher: DirectoryPublisher) -> None:
    publisher.create([("tile/0/000", b"tile")])
    publisher.create([("tile/0/000", b"tile")])
    assert publisher.read("tile/0/000") == b"tile"


def test_other_bytes_are_refused_and_the_file_stays(publisher: DirectoryPublisher) -> None:
    publisher.create([("tile/0/000", b"tile")])
    with pytest.raises(DamagedError) as caught:
        publisher.create([("tile/0/000", b"other")])
    assert caught.value.what == "tile/0/000"
    assert caught.value.expected == f"5 bytes, sha256 {sha256(b'other').hexdigest()}"
    assert caught.value.got == f"4 bytes, sha256 {sha256(b'tile').hexdigest()}"
    assert publisher.read("tile/0/000") == b"tile"


def test_many_files_at_a_time(publisher: DirectoryPublisher, tmp_path: Path) -> None:
    files = [
        (f"tile/{level}/{index:03d}", b"%d" % index) for level in (0, 1) for index in range(99)
    ]
    publisher.create(iter(files))
    assert [(path, publisher.read(path)) for path, _ in files] == files
    assert list((tmp_path / "staging").iterdir()) == []


def test_one_of_many_files_is_damaged(publisher: DirectoryPublisher) -> None:
    files = [(f"tile/0/{index:03d}", b"%d" % index) for index in range(99)]
    publisher.create([("tile/0/050", b"other")])
    with pytest.raises(DamagedError) as caught:
        publisher.create(files)
    assert caught.value.what == "tile/0/050"
    assert publisher.read("tile/0/050") == b"other"


def test_many_files_that_cannot_be_written(publisher: DirectoryPublisher, tmp_path: Path) -> None:
    (tmp_path / "staging").rmdir()
    with pytest.raises(StorageError) as caught:
        publisher.create([(f"tile/0/{index:03d}", b"tile") for index in range(99)])
    assert caught.value.what.startswith("tile/0/")
    assert caught.value.got == "No such file or directory"
    assert list((tmp_path / "public/tile/0").iterdir()) == []


def test_replace(publisher: DirectoryPublisher) -> None:
    publisher.replace("checkpoint", b"one")
    publisher.replace("checkpoint", b"two")
    assert publisher.read("checkpoint") == b"two"


def test_staged_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "1").write_bytes(b"half")
    publisher = DirectoryPublisher(tmp_path / "public", staging=tmp_path / "staging")
    publisher.create([("checkpoint", b"whole")])
    assert publisher.read("checkpoint") == b"whole"


def test_a_failing_disk_is_a_storage_error(publisher: DirectoryPublisher, tmp_path: Path) -> None:
    (tmp_path / "public" / "tile").write_bytes(b"a file where a directory belongs")
    with pytest.raises(StorageError) as caught:
        publisher.create([("tile/0/000", b"tile")])
    assert caught.value.what == "tile/0/000"
    (tmp_path / "public" / "checkpoint").mkdir()
    with pytest.raises(StorageError) as caught:
        publisher.read("checkpoint")
    assert caught.value.got == "Is a directory"


def test_no_staging_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        DirectoryPublisher(tmp_path, staging=tmp_path / "staging")
    assert (caught.value.what, caught.value.got) == ("staging", "No such file or directory")


def test_anchor(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "anchor")
    assert anchor.read() is None
    anchor.write(b"one")
    (tmp_path / "anchor.new").write_bytes(b"half")  # a crash before the rename
    anchor.write(b"two")
    assert FileAnchor(tmp_path / "anchor").read() == b"two"
    assert not (tmp_path / "anchor.new").exists()


def test_anchor_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        FileAnchor(tmp_path / "gone" / "anchor").write(b"one")
    assert caught.value.what == "anchor"


def test_the_lock_has_one_holder(tmp_path: Path) -> None:
    with closing(LogLock(tmp_path / "lock")):
        with pytest.raises(LockedError) as caught:
            LogLock(tmp_path / "lock")
        assert caught.value.expected == "no other program"
    with closing(LogLock(tmp_path / "lock")):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        LogLock(tmp_path / "gone" / "lock")
    assert caught.value.got == "No such file or directory"
