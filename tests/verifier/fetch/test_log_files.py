"""The files of a log: from a URL or a folder, and a copy that is read instead the next time."""

from __future__ import annotations

from pathlib import Path

import pytest

from log_server.signer import Ed25519Signer
from tests.log_server.foreign import publish_foreign
from tests.making import ORIGIN
from tests.serving import serving
from verifier.errors import FetchError
from verifier.fetch.entries import fetch_entries
from verifier.fetch.log import LogReader
from verifier.fetch.log_files import LogFiles

SIGNER = Ed25519Signer(name=ORIGIN, seed=b"L" * 32)
ENTRIES = [b"entry-%d" % number for number in range(300)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    publish_foreign(folder, ENTRIES, SIGNER)
    return folder


def read(files: LogFiles) -> list[bytes]:
    files.fetch_checkpoint()
    return [entry for bundle in fetch_entries(files, size=300) for entry in bundle]


def test_a_folder_and_a_url_have_the_same(log: Path, tmp_path: Path) -> None:
    with serving(log) as url:
        assert read(LogFiles(url)) == read(LogFiles(f"{url}/")) == read(LogFiles(str(log)))
        over_http = LogReader(LogFiles(url)).fetch_entry(299)
    assert over_http == LogReader(LogFiles(str(log))).fetch_entry(299)
    assert over_http.entry == ENTRIES[299]
    (tmp_path / "server").mkdir()
    log.rename(tmp_path / "server" / "public")
    assert read(LogFiles(str(tmp_path / "server"))) == ENTRIES


def test_what_came_from_a_url_is_a_copy_of_the_log(log: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with serving(log) as url:
        files = LogFiles(url, copy=copy)
        assert read(files) == ENTRIES
        entry = LogReader(files).fetch_entry(7)
    local = LogFiles(str(copy))
    assert read(local) == ENTRIES
    assert LogReader(local).fetch_entry(7) == entry
    assert not [path for path in copy.rglob("*") if path.name.endswith(".partial")]


def test_nothing_but_the_checkpoint_is_fetched_twice(log: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with serving(log) as url:
        read(LogFiles(url, copy=copy))
        for path in (log / "tile").rglob("*"):
            path.unlink() if path.is_file() else None
        (log / "checkpoint").write_bytes(b"a newer one")
        files = LogFiles(url, copy=copy)
        assert files.fetch_checkpoint() == b"a newer one"
        assert [entry for bundle in fetch_entries(files, size=300) for entry in bundle] == ENTRIES
    assert (copy / "checkpoint").read_bytes() == b"a newer one"


def test_a_folder_is_not_copied(log: Path, tmp_path: Path) -> None:
    files = LogFiles(str(log), copy=tmp_path / "copy")
    read(files)
    assert files.copy is None
    assert not (tmp_path / "copy").exists()


def test_a_proof_leads_to_the_checkpoint_that_is_given(log: Path) -> None:
    old = LogFiles(str(log)).fetch_checkpoint()
    publish_foreign(log, [*ENTRIES, *ENTRIES], SIGNER)
    reader = LogReader(LogFiles(str(log)))
    assert old in reader.fetch_entry(7, checkpoint=old).proof
    assert old not in reader.fetch_entry(7).proof


def test_a_file_that_is_too_long_or_missing(log: Path, tmp_path: Path) -> None:
    files = LogFiles(str(log))
    with pytest.raises(FetchError) as caught:
        files.fetch_file("checkpoint", limit=10)
    assert (caught.value.expected, caught.value.got) == ("at most 10 bytes", "more")
    with pytest.raises(FetchError) as caught:
        files.fetch_file("tile/0/999", limit=10)
    assert caught.value.got == "No such file or directory"
    copy = tmp_path / "copy"
    (copy / "tile").mkdir(parents=True)
    (copy / "tile" / "x").write_bytes(bytes(11))
    with pytest.raises(FetchError) as caught:
        LogFiles("http://127.0.0.1:9", copy=copy).fetch_file("tile/x", limit=10)
    assert caught.value.got == "more"


def test_a_copy_that_cannot_be_written(log: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"a file")
    with serving(log) as url, pytest.raises(FetchError) as caught:
        LogFiles(url, copy=tmp_path / "copy").fetch_checkpoint()
    assert caught.value.expected == "a folder to write to"
