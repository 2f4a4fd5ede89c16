"""A log in a directory: where its parts lie, how it is made, how it is opened for writing.

::

    DIR/log.key             private key, mode 0600
    DIR/log.db              entries and head; the truth
    DIR/anchor              last signed checkpoint, kept apart from the database
    DIR/lock                held by the one program that writes
    DIR/staging/            unfinished files
    DIR/public/             what is published; can be served by any web server
    DIR/public/checkpoint
    DIR/public/tile/...
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from log_server.anchor import FileAnchor
from log_server.durable import storage_errors, sync_folder
from log_server.errors import ConfigurationError
from log_server.lock import LogLock
from log_server.publication import announce
from log_server.publisher import DirectoryPublisher, Publisher
from log_server.sequencer import Sequencer
from log_server.signer import generate_key, read_key, sign_checkpoint
from log_server.store.contract import Head, milliseconds
from log_server.store.sqlite import SqliteStore
from log_server.tree import EMPTY_EDGE
from verifier.tlog.checkpoint import Checkpoint
from verifier.tlog.note import VerificationKey

__all__ = ["LogFolder", "OpenLog", "create_log", "open_log"]

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
    sequencer: Sequencer
    publisher: Publisher
    keys: tuple[VerificationKey, ...]
    journal: str


def create_log(root: Path, *, origin: str, now: datetime) -> VerificationKey:
    """Make an empty log with a new key and a signed checkpoint of size 0.

    It is made beside its place and moved there as a whole, so that no half-made log can be found.
    Raises ConfigurationError if ``root`` exists and is not an empty directory, or for a bad name.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(str(root), expected="a new or empty directory", got="a used one")
    with storage_errors(str(root)):
        root.parent.mkdir(parents=True, exist_ok=True)
        made = LogFolder(Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}-")))
        try:
            key = _fill(made, origin=origin, now=now)
            made.root.chmod(_FOLDER_MODE)
            made.root.rename(root)
        except BaseException:
            shutil.rmtree(made.root)
            raise
        sync_folder(root.parent)
    return key


def _fill(folder: LogFolder, *, origin: str, now: datetime) -> VerificationKey:
    folder.staging.mkdir()
    folder.public.mkdir()
    signer = generate_key(folder.key, name=origin)
    tree = EMPTY_EDGE.tree
    checkpoint = Checkpoint(origin=origin, tree=tree, extensions=())
    head = Head(tree, sign_checkpoint(checkpoint, (signer,)), milliseconds(now))
    SqliteStore.create(folder.database, head=head)
    announce(
        head,
        publisher=DirectoryPublisher(folder.public, staging=folder.staging),
        anchor=FileAnchor(folder.anchor),
    )
    return signer.key


@contextmanager
def open_log(root: Path) -> Iterator[OpenLog]:
    """Open a log for writing, checked and repaired, and release it when the block ends.

    Raises LogError of every kind; see ``recovery.recover``.
    """
    folder = LogFolder(root)
    if not folder.database.is_file():
        raise ConfigurationError(str(root), expected="the directory of a log", got="no log.db")
    signers = (read_key(folder.key),)
    with closing(LogLock(folder.lock)), closing(SqliteStore(folder.database)) as store:
        publisher = DirectoryPublisher(folder.public, staging=folder.staging)
        sequencer = Sequencer(
            store=store,
            publisher=publisher,
            anchor=FileAnchor(folder.anchor),
            signers=signers,
        )
        keys = tuple(signer.key for signer in signers)
        yield OpenLog(folder, sequencer, publisher, keys, str(store.journal))
