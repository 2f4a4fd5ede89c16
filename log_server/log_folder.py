"""A log in a directory: where its parts lie, how it is made, how it is opened for writing.

::

    DIR/log.key             private key, mode 0600
    DIR/log.db              entries and head; the truth
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
from log_server.durable import read_file, storage_errors, sync_folder
from log_server.errors import ConfigurationError
from log_server.floor import DISK_FLOOR, DiskFloor
from log_server.freeze import require_not_frozen
from log_server.lock import LogLock
from log_server.publication import announce
from log_server.publisher import CHECKPOINT_PATH, DirectoryPublisher, Publisher
from log_server.recovery import examine_database
from log_server.signer import Signer, generate_signers, read_signers, sign_checkpoint
from log_server.store.contract import Head, milliseconds
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

__all__ = ["LogFolder", "OpenLog", "create_log", "examine_folder", "open_log"]

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


def create_log(root: Path, *, origin: str, now: datetime, ml_dsa: bool = False) -> VerificationKey:
    """Make an empty log with new keys and a signed checkpoint of size 0; its Ed25519 key.

    With ``ml_dsa`` it has an ML-DSA-44 key too, and signs with both.
    It is made beside its place and moved there as a whole, so that no half-made log can be found.
    Raises ConfigurationError if ``root`` exists and is not an empty directory, or for a bad name.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(str(root), expected="a new or empty directory", got="a used one")
    with storage_errors(str(root)):
        root.parent.mkdir(parents=True, exist_ok=True)
        made = LogFolder(Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}-")))
        try:
            key = _fill(made, origin=origin, now=now, ml_dsa=ml_dsa)
            made.root.chmod(_FOLDER_MODE)
            made.root.rename(root)
        except BaseException:
            shutil.rmtree(made.root)
            raise
        sync_folder(root.parent)
    return key


def _fill(folder: LogFolder, *, origin: str, now: datetime, ml_dsa: bool) -> VerificationKey:
    folder.staging.mkdir()
    folder.public.mkdir()
    signers = generate_signers(folder.key, name=origin, ml_dsa=ml_dsa)
    tree = EMPTY_EDGE.tree
    checkpoint = Checkpoint(origin=origin, tree=tree, extensions=())
    head = Head(tree, sign_checkpoint(checkpoint, signers), milliseconds(now))
    SqliteStore.create(folder.database, head=head)
    announce(
        head,
        publisher=DirectoryPublisher(folder.public, staging=folder.staging),
        anchor=FileAnchor(folder.anchor),
    )
    return signers[0].key


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
    if not folder.database.is_file():
        raise ConfigurationError(str(root), expected="the directory of a log", got="no log.db")
    signers = read_signers(folder.key)
    with closing(LogLock(folder.lock)), closing(SqliteStore(folder.database)) as store:
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
        yield OpenLog(folder, sequencer, publisher, keys, str(store.journal))


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
    with closing(LogLock(folder.lock)), closing(SqliteStore(folder.database)) as store:
        with storage_errors(CHECKPOINT_PATH):
            published = read_file(folder.public / CHECKPOINT_PATH)
        examine_database(
            store=store,
            published=published,
            anchored=FileAnchor(folder.anchor).read(),
            keys=keys,
            progress=progress,
        )
