"""A log in a directory: where its parts lie, how it is made, how it is opened for writing.

::

    DIR/log.key             private key, mode 0600
    DIR/log.db              entries and head; the truth
    DIR/database            instead of log.db: the URL of the PostgreSQL database that has them
    DIR/anchor              last signed checkpoint, kept apart from the database
    DIR/lock                held by the one program that writes
    DIR/frozen              only in a log that was closed for good: when and why
    DIR/witness.policy      only in a witnessed log: whose cosignatures a checkpoint needs
    DIR/staging/            unfinished files
    DIR/public/             what is published; can be served by any web server
    DIR/public/checkpoint
    DIR/public/tile/...
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from log_server.admission import AdmittingSequencer
from log_server.anchor import FileAnchor
from log_server.durable import read_file, storage_errors, sync_folder, write_new
from log_server.errors import ConfigurationError, LockedError
from log_server.floor import DISK_FLOOR, DiskFloor
from log_server.freeze import require_not_frozen
from log_server.lock import LogLock
from log_server.publication import announce
from log_server.publisher import CHECKPOINT_PATH, DirectoryPublisher, Publisher
from log_server.recovery import examine_database
from log_server.signer import Signer, generate_signers, read_signers, sign_checkpoint
from log_server.store.contract import Head, milliseconds
from log_server.store.database_url import DatabaseUrl, read_database_url
from log_server.store.postgresql import PostgresqlStore, lock_key
from log_server.store.sqlite import SqliteStore
from log_server.tree import EMPTY_EDGE
from log_server.witnessing import (
    PATIENCE,
    UNWITNESSED,
    Patience,
    Witnesses,
    Witnessing,
    read_policy,
)
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.note import VerificationKey

__all__ = [
    "LogFolder",
    "OpenLog",
    "create_log",
    "create_store",
    "examine_folder",
    "open_log",
    "open_postgresql",
    "open_sequencer",
    "open_store",
    "read_database",
]

_FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class LogFolder:
    """The paths of a log below ``root``."""

    root: Path

    @property
    def key(self) -> Path:
        """Private key."""
        return self.root / "log.key"

    @property
    def database(self) -> Path:
        """Entries and head."""
        return self.root / "log.db"

    @property
    def database_url(self) -> Path:
        """URL of the PostgreSQL database, if entries and head are there."""
        return self.root / "database"

    @property
    def anchor(self) -> Path:
        """Last signed checkpoint."""
        return self.root / "anchor"

    @property
    def lock(self) -> Path:
        """Lock of the writer."""
        return self.root / "lock"

    @property
    def frozen(self) -> Path:
        """Marker of a log that takes no more entries."""
        return self.root / "frozen"

    @property
    def witness_policy(self) -> Path:
        """Tlog-policy of a log that publishes only what witnesses cosigned."""
        return self.root / "witness.policy"

    @property
    def staging(self) -> Path:
        """Unfinished files."""
        return self.root / "staging"

    @property
    def public(self) -> Path:
        """What is published."""
        return self.root / "public"


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A log that this program may write. ``journal`` says how the database is kept durable."""

    folder: LogFolder
    sequencer: AdmittingSequencer
    publisher: Publisher
    keys: tuple[VerificationKey, ...]
    journal: str


def create_log(
    root: Path,
    *,
    origin: str,
    now: datetime,
    ml_dsa: bool = False,
    database: DatabaseUrl | None = None,
) -> VerificationKey:
    """Make an empty log with new keys and a signed checkpoint of size 0; its Ed25519 key.

    With ``ml_dsa`` it has an ML-DSA-44 key too, and signs with both. Entries and head are in the
    PostgreSQL ``database``, or in a file without one.
    It is made beside its place and moved there as a whole, so that no half-made log can be found.
    Raises ConfigurationError if ``root`` exists and is not an empty directory, or for a bad name.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(str(root), expected="a new or empty directory", got="a used one")
    with storage_errors(str(root)):
        root.parent.mkdir(parents=True, exist_ok=True)
        made = LogFolder(Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}-")))
        try:
            key = _fill(made, origin=origin, now=now, ml_dsa=ml_dsa, database=database)
            made.root.chmod(_FOLDER_MODE)
            made.root.rename(root)
        except BaseException:
            shutil.rmtree(made.root)
            raise
        sync_folder(root.parent)
    return key


def _fill(
    folder: LogFolder, *, origin: str, now: datetime, ml_dsa: bool, database: DatabaseUrl | None
) -> VerificationKey:
    folder.staging.mkdir()
    folder.public.mkdir()
    signers = generate_signers(folder.key, name=origin, ml_dsa=ml_dsa)
    tree = EMPTY_EDGE.tree
    checkpoint = Checkpoint(origin=origin, tree=tree, extensions=())
    head = Head(tree, sign_checkpoint(checkpoint, signers), milliseconds(now))
    announce(
        head,
        publisher=DirectoryPublisher(folder.public, staging=folder.staging),
        anchor=FileAnchor(folder.anchor),
    )
    create_store(folder, database, head=head)
    return signers[0].key


def create_store(folder: LogFolder, database: DatabaseUrl | None, *, head: Head) -> None:
    """Make the database of a new log. Raises ConfigurationError if there is one, StorageError."""
    if database is None:
        SqliteStore.create(folder.database, head=head)
        return
    with storage_errors(folder.database_url.name):
        write_new(folder.database_url, f"{database}\n".encode(), mode=0o600)
    # Last: what is in a server cannot be thrown away with the unfinished directory.
    PostgresqlStore.create(database, head=head)


def read_database(folder: LogFolder) -> DatabaseUrl | None:
    """The PostgreSQL database of a log; None if it is a file. Raises ConfigurationError."""
    database = read_database_url(folder.database_url)
    if database is None and not folder.database.is_file():
        what = str(folder.root)
        raise ConfigurationError(what, expected="the directory of a log", got="no log.db")
    if database is not None and folder.database.exists():
        what = str(folder.root)
        raise ConfigurationError(what, expected="one database", got="log.db and database")
    return database


@contextmanager
def open_store(folder: LogFolder, *, origin: str) -> Iterator[SqliteStore | PostgresqlStore]:
    """Open the database of a log under its locks. Raises LockedError, LogError of other kinds."""
    database = read_database(folder)
    if database is not None:
        with open_postgresql(folder, database, origin=origin) as store:
            yield store
        return
    with closing(LogLock(folder.lock)), closing(SqliteStore(folder.database)) as file:
        yield file


@contextmanager
def open_postgresql(
    folder: LogFolder,
    database: DatabaseUrl,
    *,
    origin: str,
    again: Callable[[LockedError], bool] = lambda _: False,
) -> Iterator[PostgresqlStore]:
    """Open a PostgreSQL database under both locks: its own, and that of the directory.

    ``again`` is asked whether to go on waiting for the first; see ``PostgresqlStore``.

    The second fences the files: who lost the first may still be publishing what it committed.
    """
    with (
        closing(PostgresqlStore(database, lock=lock_key(origin), again=again)) as store,
        closing(LogLock(folder.lock)),
    ):
        yield store


@contextmanager
def open_log(
    root: Path,
    *,
    disk_floor: int = DISK_FLOOR,
    witness_policy: Path | None = None,
    patience: Patience = PATIENCE,
) -> Iterator[OpenLog]:
    """Open a log for writing, checked and repaired, and release it when the block ends.

    It takes entries while ``disk_floor`` bytes are free. ``witness_policy`` is used instead of
    the file in the log's own directory. Raises LogError of every kind; see
    ``recovery.recover``.
    """
    folder = LogFolder(root)
    read_database(folder)  # first: of what is no log, it is not the missing key that matters
    signers = read_signers(folder.key)
    with open_store(folder, origin=signers[0].key.name) as store:
        yield open_sequencer(
            folder,
            store,
            signers=signers,
            disk_floor=disk_floor,
            witness_policy=witness_policy,
            patience=patience,
        )


def open_sequencer(
    folder: LogFolder,
    store: SqliteStore | PostgresqlStore,
    *,
    signers: tuple[Signer, ...],
    disk_floor: int,
    witness_policy: Path | None,
    patience: Patience,
) -> OpenLog:
    """Check and repair a log whose locks the caller holds; see ``open_log``."""
    require_not_frozen(folder.frozen)
    publisher = DirectoryPublisher(folder.public, staging=folder.staging)
    sequencer = AdmittingSequencer(
        store=store,
        publisher=publisher,
        anchor=FileAnchor(folder.anchor),
        signers=signers,
        floor=DiskFloor(folder.root, folder.public, minimum=disk_floor),
        witnessing=_witnessing(folder, witness_policy, signers, patience),
    )
    keys = tuple(signer.key for signer in signers)
    return OpenLog(folder, sequencer, publisher, keys, str(store.journal))


def _witnessing(
    folder: LogFolder, given: Path | None, signers: tuple[Signer, ...], patience: Patience
) -> Witnessing:
    if given is None and not folder.witness_policy.exists():
        return UNWITNESSED
    policy = read_policy(given or folder.witness_policy)
    return Witnesses(policy, keys=tuple(signer.key for signer in signers), patience=patience)


def examine_folder(
    root: Path, *, keys: tuple[VerificationKey, ...], progress: Callable[[int, int], None]
) -> None:
    """Hold the whole database of a log against what it signed; see ``examine_database``.

    The log cannot be written meanwhile. Raises LockedError if a program writes it, else LogError
    of every kind.
    """
    folder = LogFolder(root)
    with open_store(folder, origin=keys[0].name) as store:
        with storage_errors(CHECKPOINT_PATH):
            published = read_file(folder.public / CHECKPOINT_PATH)
        examine_database(
            store=store,
            published=published,
            anchored=FileAnchor(folder.anchor).read(),
            keys=keys,
            progress=progress,
        )
