"""A log whose every write can be made to fail, before or after it is done.

``Faults`` numbers the write points of a run in order. The one that is armed raises StorageError
either without doing anything (``lost``), or after the write was done (``persisted``), which is
what a failed fsync or a lost answer of a disk looks like, or without doing anything yet
(``delayed``): the write happens when the test calls ``land``, perhaps long after the log was
repaired and went on, as that of a hung disk or a client of a remote store does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from log_server.anchor import Anchor, FileAnchor
from log_server.errors import LogError, StorageError
from log_server.floor import DiskFloor
from log_server.lock import LogLock
from log_server.log_folder import LogFolder
from log_server.publisher import DirectoryPublisher, File, Publisher
from log_server.sequencer import Sequencer
from log_server.signer import Ed25519Signer, read_key
from log_server.store.contract import Head, Row, Store, Transaction
from log_server.store.sqlite import SqliteStore
from verifier.tlog.note import NoteSignature, VerificationKey

__all__ = ["DELAYED", "LOST", "PERSISTED", "Faults", "open_faulty"]

LOST = "lost"
PERSISTED = "persisted"
DELAYED = "delayed"


@dataclass
class Faults:
    """Which write point fails (None: none), and how; ``names`` are the points that were passed."""

    at: int | None = None
    how: str = LOST
    names: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    late: list[Callable[[], None]] = field(default_factory=list)

    @contextmanager
    def point(self, name: str, later: Callable[[], None] = lambda: None) -> Iterator[None]:
        """One write; ``later`` does it again by itself, if it can be done outside its block."""
        self.names.append(name)
        armed = self.at == len(self.names) - 1
        if armed and self.how == DELAYED:
            self.late.append(later)
        if armed and self.how in (LOST, DELAYED):
            raise self.failure(name)
        yield
        if armed:
            raise self.failure(name)

    def land(self) -> list[LogError]:
        """The delayed writes happen now; what they ran into."""
        refused = []
        for write in self.late:
            try:
                write()
            except LogError as error:
                refused.append(error)
        self.late.clear()
        return refused

    def failure(self, name: str) -> StorageError:
        return StorageError(name, expected="a durable write", got=f"injected: {self.how}")


class _Publisher:
    def __init__(self, inner: Publisher, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.read = inner.read
        self.size = inner.size

    def create(self, files: Iterable[File]) -> None:
        for path, content in files:
            write = partial(self._inner.create, [(path, content)])
            with self._faults.point(f"create {path}", write):
                write()

    def replace(self, path: str, content: bytes) -> None:
        write = partial(self._inner.replace, path, content)
        with self._faults.point(f"replace {path}", write):
            write()


class _Anchor:
    def __init__(self, inner: Anchor, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.read = inner.read

    def write(self, checkpoint: bytes) -> None:
        write = partial(self._inner.write, checkpoint)
        with self._faults.point("anchor", write):
            write()


class _Transaction:
    def __init__(self, inner: Transaction, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.indices = inner.indices
        self.rows = inner.rows
        self.inserted: tuple[Row, ...] = ()
        self.advanced: Head | None = None

    def insert(self, rows: tuple[Row, ...]) -> None:
        self.inserted = rows
        with self._faults.point("insert"):
            self._inner.insert(rows)

    def advance(self, head: Head) -> None:
        self.advanced = head
        with self._faults.point("advance"):
            self._inner.advance(head)


class _Store:
    def __init__(self, inner: Store, faults: Faults, database: Path) -> None:
        self._inner = inner
        self._faults = faults
        self._database = database
        self.head = inner.head
        self.rows = inner.rows
        self.close = inner.close

    @contextmanager
    def begin(self, *, expected: Head) -> Iterator[_Transaction]:
        with self._faults.point("begin"):
            pass
        if self._faults.how == DELAYED and self._faults.at == len(self._faults.names):
            self._faults.names.append("commit")
            with self._inner.begin(expected=expected) as transaction:
                seen = _Transaction(transaction, self._faults)
                yield seen
                self._faults.late.append(partial(self._commit, expected, seen))
                raise self._faults.failure("commit")
        with self._faults.point("commit"), self._inner.begin(expected=expected) as transaction:
            yield _Transaction(transaction, self._faults)

    def _commit(self, expected: Head, seen: _Transaction) -> None:
        # What the first one did, by a connection of its own.
        with (
            closing(SqliteStore(self._database)) as store,
            store.begin(expected=expected) as again,
        ):
            again.insert(seen.inserted)
            if seen.advanced is not None:
                again.advance(seen.advanced)


class _Signer:
    """Remembers every text that it signed."""

    def __init__(self, inner: Ed25519Signer, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def key(self) -> VerificationKey:
        return self._inner.key

    def sign(self, text: str) -> NoteSignature:
        self._faults.signed.append(text)
        return self._inner.sign(text)


@contextmanager
def open_faulty(root: Path, faults: Faults) -> Iterator[Sequencer]:
    """Open a log as ``open_log`` does, with every write under ``faults``."""
    folder = LogFolder(root)
    with closing(LogLock(folder.lock)), closing(SqliteStore(folder.database)) as store:
        publisher = DirectoryPublisher(folder.public, staging=folder.staging)
        yield Sequencer(
            store=_Store(store, faults, folder.database),
            publisher=_Publisher(publisher, faults),
            anchor=_Anchor(FileAnchor(folder.anchor), faults),
            signers=(_Signer(read_key(folder.key), faults),),
            floor=DiskFloor(folder.root, minimum=0),
        )
