"""A log whose every write can be made to fail, before or after it is done.

``Faults`` numbers the write points of a run in order. The one that is armed raises StorageError
either without doing anything (``lost``), or after the write was done (``persisted``), which is
what a failed fsync or a lost answer of a disk looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from log_server.anchor import Anchor, FileAnchor
from log_server.errors import StorageError
from log_server.lock import LogLock
from log_server.log_folder import LogFolder
from log_server.publisher import DirectoryPublisher, File, Publisher
from log_server.sequencer import Sequencer
from log_server.signer import Ed25519Signer, read_key
from log_server.store.contract import Head, Row, Store, Transaction
from log_server.store.sqlite import SqliteStore
from verifier.tlog.note import NoteSignature, VerificationKey

__all__ = ["LOST", "PERSISTED", "Faults", "open_faulty"]

LOST = "lost"
PERSISTED = "persisted"


@dataclass
class Faults:
    """Which write point fails (None: none), and how; ``names`` are the points that were passed."""

    at: int | None = None
    how: str = LOST
    names: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    @contextmanager
    def point(self, name: str) -> Iterator[None]:
        self.names.append(name)
        armed = self.at == len(self.names) - 1
        if armed and self.how == LOST:
            raise self._failure(name)
        yield
        if armed:
            raise self._failure(name)

    def _failure(self, name: str) -> StorageError:
        return StorageError(name, expected="a durable write", got=f"injected: {self.how}")


class _Publisher:
    def __init__(self, inner: Publisher, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.read = inner.read
        self.size = inner.size

    def create(self, files: Iterable[File]) -> None:
        for path, content in files:
            with self._faults.point(f"create {path}"):
                self._inner.create([(path, content)])

    def replace(self, path: str, content: bytes) -> None:
        with self._faults.point(f"replace {path}"):
            self._inner.replace(path, content)


class _Anchor:
    def __init__(self, inner: Anchor, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.read = inner.read

    def write(self, checkpoint: bytes) -> None:
        with self._faults.point("anchor"):
            self._inner.write(checkpoint)


class _Transaction:
    def __init__(self, inner: Transaction, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.indices = inner.indices
        self.rows = inner.rows

    def insert(self, rows: tuple[Row, ...]) -> None:
        with self._faults.point("insert"):
            self._inner.insert(rows)

    def advance(self, head: Head) -> None:
        with self._faults.point("advance"):
            self._inner.advance(head)


class _Store:
    def __init__(self, inner: Store, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.head = inner.head
        self.rows = inner.rows
        self.close = inner.close

    @contextmanager
    def begin(self, *, expected: Head) -> Iterator[_Transaction]:
        with self._faults.point("begin"):
            pass
        with self._faults.point("commit"), self._inner.begin(expected=expected) as transaction:
            yield _Transaction(transaction, self._faults)


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
            store=_Store(store, faults),
            publisher=_Publisher(publisher, faults),
            anchor=_Anchor(FileAnchor(folder.anchor), faults),
            signers=(_Signer(read_key(folder.key), faults),),
        )
