from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from log_server.anchor import FileAnchor
from log_server.errors import DamagedError, HeadMovedError, StoppedError
from log_server.floor import DiskFloor
from log_server.log_folder import LogFolder, OpenLog, open_log
from log_server.publisher import DirectoryPublisher
from log_server.sequencer import Sequencer
from log_server.signer import read_key
from log_server.store.contract import Head, Row, Transaction
from log_server.store.sqlite import SqliteStore
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import leaf_hash, root_hash


def test_a_commit_is_signed_anchored_and_published(
    open_test_log: OpenLog, log_root: Path, now: datetime
) -> None:
    done = open_test_log.sequencer.commit([b"one", b"two", b"three"], now=now)
    assert done.indices == (0, 1, 2)
    assert done.tree.root == root_hash(map(leaf_hash, (b"one", b"two", b"three")))
    assert open_checkpoint(done.checkpoint, keys=open_test_log.keys).tree == done.tree
    assert (log_root / "public" / "checkpoint").read_bytes() == done.checkpoint
    assert (log_root / "anchor").read_bytes() == done.checkpoint
    assert (log_root / "public/tile/entries/000.p/3").read_bytes() == (
        b"\x00\x03one\x00\x03two\x00\x05three"
    )
    head = open_test_log.sequencer.head
    assert (head.tree, head.checkpoint) == (done.tree, done.checkpoint)
    assert head.timestamp == 1_767_323_045_000


def test_an_entry_keeps_its_first_index(open_test_log: OpenLog, now: datetime) -> None:
    commit = open_test_log.sequencer.commit
    assert commit([b"one", b"two", b"one"], now=now).indices == (0, 1, 0)
    assert commit([b"three", b"two", b"three"], now=now).indices == (2, 1, 2)
    only_known = commit([b"three", b"one"], now=now)
    assert (only_known.indices, only_known.tree.size) == ((2, 0), 3)


def test_entries_that_differ_in_the_last_bit_are_two(open_test_log: OpenLog, now: datetime) -> None:
    entries = [b"\x00" * 100, b"\x00" * 99 + b"\x01"]
    assert open_test_log.sequencer.commit(entries, now=now).indices == (0, 1)


def test_batches_across_tiles(open_test_log: OpenLog, log_root: Path, now: datetime) -> None:
    entries = [b"entry-%d" % number for number in range(1100)]
    for start, end in ((0, 250), (250, 256), (256, 257), (257, 1100)):
        done = open_test_log.sequencer.commit(entries[start:end], now=now)
        assert done.indices == tuple(range(start, end))
    assert done.tree.root == root_hash(map(leaf_hash, entries))
    tiles = log_root / "public" / "tile"
    assert sorted(path.name for path in (tiles / "0").iterdir() if path.is_file()) == [
        "000",
        "001",
        "002",
        "003",
    ]
    assert (tiles / "0/004.p/76").stat().st_size == 76 * 32
    assert (tiles / "1/000.p/4").stat().st_size == 4 * 32


def test_two_sequencers_on_one_database(log_root: Path, now: datetime) -> None:
    # The lock of the log forbids this; the database forbids it as well.
    folder = LogFolder(log_root)

    def sequencer(store: SqliteStore) -> Sequencer:
        return Sequencer(
            store=store,
            publisher=DirectoryPublisher(folder.public, staging=folder.staging),
            anchor=FileAnchor(folder.anchor),
            signers=(read_key(folder.key),),
            floor=DiskFloor(folder.root, minimum=0),
        )

    with closing(SqliteStore(folder.database)) as a, closing(SqliteStore(folder.database)) as b:
        first, second = sequencer(a), sequencer(b)
        done = first.commit([b"one"], now=now)
        with pytest.raises(HeadMovedError) as caught:
            second.commit([b"two"], now=now)
        assert caught.value.expected.startswith("size 0 root ")
        assert caught.value.got == f"size 1 root {done.tree.root.hex()}"
        with pytest.raises(StoppedError) as stopped:
            second.commit([b"three"], now=now)
        assert stopped.value.got == "a failed commit"
        assert folder.public.joinpath("checkpoint").read_bytes() == done.checkpoint
        assert first.commit([b"four"], now=now).indices == (1,)


class _FlippingTransaction:
    """A database that changes a bit of the last row on its way in and out."""

    def __init__(self, inner: Transaction, *, entry: bool) -> None:
        self._inner = inner
        self._entry = entry
        self.indices = inner.indices
        self.insert = inner.insert
        self.advance = inner.advance

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        *others, last = self._inner.rows(start, end)
        flipped = bytes([(last.entry if self._entry else last.leaf_hash)[0] ^ 1])
        if self._entry:
            return (*others, Row(last.index, flipped + last.entry[1:], last.leaf_hash))
        return (*others, Row(last.index, last.entry, flipped + last.leaf_hash[1:]))


@pytest.mark.parametrize("entry", [True, False])
def test_a_bit_flipped_in_the_database_is_never_signed(
    open_test_log: OpenLog,
    log_root: Path,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    *,
    entry: bool,
) -> None:
    store = open_test_log.sequencer._store
    begin = store.begin

    @contextmanager
    def flipping(*, expected: Head) -> Iterator[_FlippingTransaction]:
        with begin(expected=expected) as transaction:
            yield _FlippingTransaction(transaction, entry=entry)

    monkeypatch.setattr(store, "begin", flipping)
    before = (log_root / "public" / "checkpoint").read_bytes()
    with pytest.raises(DamagedError) as caught:
        open_test_log.sequencer.commit([b"one", b"two"], now=now)
    assert caught.value.what == "database entries"
    assert (log_root / "public" / "checkpoint").read_bytes() == before
    assert store.head().tree.size == 0


def test_a_bit_flipped_in_memory_is_never_signed(open_test_log: OpenLog, now: datetime) -> None:
    sequencer = open_test_log.sequencer
    sequencer.commit([b"one"], now=now)
    edge = sequencer._edge
    flipped = bytes([edge.levels[0][0] ^ 1]) + edge.levels[0][1:]
    sequencer._edge = type(edge)(edge.size, edge.entries, (flipped,))
    with pytest.raises(DamagedError) as caught:
        sequencer.commit([b"two"], now=now)
    assert caught.value.what == "root before signing"
    assert caught.value.got == root_hash(map(leaf_hash, (b"one", b"two"))).hex()


def test_a_bit_flipped_on_the_disk_is_never_built_upon(
    open_test_log: OpenLog, log_root: Path, now: datetime
) -> None:
    open_test_log.sequencer.commit([b"one"], now=now)
    path = log_root / "public/tile/0/000.p/1"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(DamagedError) as caught:
        open_test_log.sequencer.commit([b"two"], now=now)
    assert caught.value.what == "right edge of size 1"


def test_a_log_goes_on_after_it_is_opened_again(log_root: Path, now: datetime) -> None:
    for number in range(5):
        with open_log(log_root) as log:
            done = log.sequencer.commit([b"%d" % number, b"0"], now=now)
            assert done.indices == (number, 0)
    with closing(sqlite3.connect(log_root / "log.db")) as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone() == (5,)
